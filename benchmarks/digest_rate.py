"""Measure what three digests in one pass cost beside the fastest strong hash alone.

Claim: sha256, adler32 and crc32c together run at 90 % of the rate of sha256 alone.

::

    python benchmarks/digest_rate.py [--mebibytes 512] [--rounds 7]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))

from dbb.digests import digest_bytes, digest_stream


def cpu_seconds(work: Callable[[], object]) -> float:
    """Time one call in CPU-seconds of this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Print a table, then the same as JSON: the two of each pair in turn, medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--mebibytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    data = os.urandom(given.mebibytes * 2**20)
    file: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it ends with the program
    file.write(data)

    def from_start() -> Any:
        file.seek(0)
        return file

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "in memory": (lambda: digest_bytes(data), lambda: hashlib.sha256(data).digest()),
        "from a file in the page cache": (
            lambda: digest_stream(from_start()),
            lambda: hashlib.file_digest(from_start(), "sha256"),
        ),
    }
    rows = []
    for name, (ours, peer) in pairs.items():
        ours(), peer()
        timed = [(cpu_seconds(ours), cpu_seconds(peer)) for _ in range(given.rounds)]
        ratio = statistics.median(alone / three for three, alone in timed)
        rate = len(data) / 1e9 / statistics.median(three for three, _ in timed)
        rows.append({"what": name, "gb_per_cpu_s": round(rate, 2), "of_sha256": round(ratio, 3)})
    print("| what | GB per CPU-s | of sha256 alone |\n|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['gb_per_cpu_s']} | {row['of_sha256']:.0%} |")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
