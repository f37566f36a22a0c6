"""Play random histories of caches, and count what went that may not, and what stayed that must go.

Claim: 0 wrong deletions in 100,000 steps. Real are the rules, the planning, the steps of expiry and the ledger
(SQLite); stores, Butler and Rucio are in memory. A third of the runs of expiry are killed at a random operation; pins
and lost copies come between plan and intention. The unit suite plays some hundreds, and shows that the harness is red
with each of several planted bugs.

::

    python benchmarks/expiry_histories.py [--count 4000] [--first 0]
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from support.expiry_histories import play_many


def main() -> int:
    """Play, print, and fail if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=4000, help="histories, of 25 steps each")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    cpu = time.process_time()
    steps, deleted, wrong = play_many(given.first, given.count)
    cpu = time.process_time() - cpu
    print("\n".join(wrong[:20]))
    print(
        f"{given.count:,} histories, {steps:,} steps, {deleted:,} files deleted, {len(wrong)} wrong; "
        f"{cpu:.0f} CPU-s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
