"""Publish and expire, while a process of its own reads every dataset that Butler serves, again and again.

Claim: over 10,000 publications and expiries an observer sees 0 rows with a missing, short or wrong file. Real are
Butler (SQLite), the store (a folder), the ledger (SQLite in a file) and the flows; Rucio is in memory. Each unit is
published once and expires once, and has two datasets.

::

    python benchmarks/expiry_observer.py [--units 10000] [--at-once 100] [--minutes M] [--folder DIR]
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from support.observer import run_campaign


def main() -> int:
    """Run the campaign, print, and fail if anything wrong was seen."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--units", type=int, default=10_000, help="publications and expiries")
    parser.add_argument("--at-once", type=int, default=100, help="units of one batch")
    parser.add_argument("--folder", help="where to work: a file system in memory spares the disk")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end sooner")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    cpu, began = time.process_time(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        campaign, observer = run_campaign(
            Path(folder), given.units, given.at_once, None, 60 * given.minutes
        )
        left = sum(path.is_file() for path in Path(folder, "usdf").rglob("*"))
    print("\n".join(observer.seen.wrong))
    print(
        f"{campaign.units:,} units published, {campaign.gone:,} expired, {left} files left; the observer "
        f"looked {observer.seen.passes:,} times at {observer.seen.rows:,} rows in all and saw "
        f"{observer.number_wrong} wrong; {time.process_time() - cpu:.0f} CPU-s in "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if observer.number_wrong or campaign.gone != campaign.units or left else 0


if __name__ == "__main__":
    sys.exit(main())
