"""Take raw images through the whole chain while everything fails now and then, and count what is lost.

Claim: of 300,000 images and their header documents none is lost, none is published with other bytes than the camera
wrote, and each is right at two endpoints at the end. Exposures of 205 detectors (8 x 8 pixels), nights of 21; POSIX
stores, Butlers and the ledger in SQLite, Rucio in memory: `tests/support/losses.py` says what is planted. A night's
outcome is a line of ``--out``; nights that are there already are not done again, so a run can be interrupted and two can
share the work. With ``--trust`` the comparison of bytes has a planted bug: the run must end red.

::

    python benchmarks/losses.py [--nights 70] [--first 1] [--exposures 21] [--out FILE] [--trust size|adler32] [--folder /dev/shm]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

from dbb.model.digest import Digest
from dbb.model.loss import upper_bound
from support.corruptions import TRUSTING
from support.losses import run_round


def run_night(seed: int, exposures: int, within: Path | None) -> dict[str, Any]:
    """Take one night through; give a line of the record."""
    cpu_s, began_s = time.process_time(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=within) as folder:
        done = run_round(Path(folder), seed, exposures)
    return {
        "night": seed,
        "exposures": exposures,
        "images": done.images,
        "documents": done.documents,
        "planted": dict(done.planted),
        "lost": done.lost,
        "wrong": done.wrong,
        "thin": done.thin,
        "cpu_s": round(time.process_time() - cpu_s, 1),
        "wall_s": round(time.monotonic() - began_s, 1),
    }


def main() -> int:
    """Run the nights; 1 where anything was lost, wrong or thin."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--nights", type=int, default=70)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--exposures", type=int, default=21)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "losses.jsonl")
    parser.add_argument("--trust", choices=sorted(TRUSTING))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what is planted would fill the screen
    if given.trust:
        setattr(Digest, "same_bytes", TRUSTING[given.trust])  # noqa: B010 - the planted bug
    for seed in range(given.first, given.first + given.nights):
        if seed not in {line["night"] for line in _read(given.out)}:
            line = run_night(seed, given.exposures, given.folder)
            with given.out.open("a") as record:
                record.write(json.dumps(line) + "\n")
    return _tell(_read(given.out))


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _tell(lines: list[dict[str, Any]]) -> int:
    planted: Counter[str] = Counter()
    for line in lines:
        planted.update(line["planted"])
    for kind, number in sorted(planted.items()):
        print(f"{kind:45} {number:7,}")
    images, exposures = (sum(line[key] for line in lines) for key in ("images", "exposures"))
    lost, wrong, thin = (sum(len(line[key]) for line in lines) for key in ("lost", "wrong", "thin"))
    print(
        f"{len(lines)} nights, {exposures:,} exposures, {images:,} images,"
        f" {sum(line['documents'] for line in lines):,} documents, {planted.total():,} faults:"
        f" {lost} lost, {wrong} wrong, {thin} at one endpoint only; of images at most"
        f" {upper_bound(lost, images):.2g} lost, of faults at most {upper_bound(lost, planted.total()):.2g}"
        f" cost anything (95 %); {sum(line['cpu_s'] for line in lines):,.0f} s CPU,"
        f" {sum(line['wall_s'] for line in lines):,.0f} s wall"
    )
    return int(bool(lost or wrong or thin))


if __name__ == "__main__":
    sys.exit(main())
