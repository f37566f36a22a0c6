"""Plant damage in copies and count how much of it a reading finds.

Claim: of 10,000 damaged copies of each of eight kinds none is called right, and no copy that is right is called damaged. Copies
are 256 KiB in a POSIX store; the reading is the scrub's own: store, digests, manifest, ledger (SQLite). With
``--trust`` the comparison has a planted bug and believes the size, or the size and Adler-32: the run must end red.
With ``--record`` the outcome is kept in the ledger of the environment, where `dbb budget` reads it.

::

    python benchmarks/corruptions.py [--each 10000] [--trust size|adler32] [--folder /dev/shm] [--record]
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

from dbb.model.digest import Digest
from dbb.model.drill import Drill, DrillKind
from dbb.settings import Settings
from dbb.wiring.drills import open_drills
from support.corruptions import KINDS, TRUSTING, run_campaign


def main() -> int:
    """Run the campaign; 1 where anything was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=10_000)
    parser.add_argument("--trust", choices=sorted(TRUSTING))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    if given.trust:
        setattr(Digest, "same_bytes", TRUSTING[given.trust])  # noqa: B010 - the planted bug
    started_at, began_s, cpu_s = dt.datetime.now(dt.UTC), time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        done = run_campaign(Path(folder), given.each)
    wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    for kind in KINDS:
        print(
            f"{kind:20} planted {done.planted[kind]:7,} undetected {done.undetected.get(kind, 0):7,}"
        )
    missed = sum(done.undetected.values())
    drill = Drill(
        kind=DrillKind.CORRUPTIONS,
        subject=f"{len(KINDS)} kinds",
        started_at=started_at,
        ended_at=dt.datetime.now(dt.UTC),
        units=done.planted.total(),
        files=done.planted.total(),
        size_bytes=done.read_bytes,
        seconds=wall_s,
        wrong=tuple(k for k, number in done.undetected.items() for _ in range(number)),
    )
    print(
        f"{drill.units:,} planted, {missed:,} undetected, {done.false_alarms:,} false alarms; at most "
        f"{drill.undetected_at_most:.2g} undetected (95 %); {wall_s:.0f} s wall, {cpu_s:.0f} s CPU, "
        f"{done.read_bytes / 1e9:.1f} GB read"
    )
    if given.record:
        open_drills(Settings.load(), "benchmark").note(drill)
    return int(bool(missed or done.false_alarms))


if __name__ == "__main__":
    sys.exit(main())
