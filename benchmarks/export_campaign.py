"""Spoil exports in every way, thousands of times; and measure how fast the verifier reads.

Claims: no damage of any kind goes unseen, and a bag is verified at nearly the rate of ``sha256sum``. The damages are
those of ``tests/support/bags.py``; a planted bug (``--plant``) turns the campaign red.

::

    python benchmarks/export_campaign.py [--rounds 500] [--mebibytes 512] [--plant]
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

from dbb import verify_bag
from dbb.verify_bag import verify
from support.bags import SPOILS, make_bag, make_key, payload


def campaign(folder: Path, signers: Path, rounds: int) -> dict[str, int]:
    """Spoil the bag and have it verified; count what nobody saw, by kind."""
    unseen = dict.fromkeys(SPOILS, 0)
    for kind, spoil in SPOILS.items():
        for number in range(rounds):
            bag = folder / "bag"
            spoil(bag, random.Random(f"{kind} {number}"))  # noqa: S311 - test data
            unseen[kind] += verify(str(bag), signers=str(signers)).verdict == "valid"
            shutil.rmtree(bag)
            shutil.copytree(folder / "good", bag)
    return unseen


def cpu_s(who: int) -> float:
    """Give the CPU time of this process or of its children."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def measure(
    folder: Path, key: Path, mebibytes: int, files: int
) -> tuple[float, float, float, float]:
    """Read one bag by ``sha256sum`` and by the verifier: wall and CPU seconds of each."""
    place = folder / "large"
    make_bag(place, key, files=files, size_bytes=mebibytes * 1024 * 1024 // files)
    names = [str(path) for path in payload(place)]
    verify(str(place), ask_signature=False)  # both find the page cache in the same state
    before, cpu = time.perf_counter(), cpu_s(resource.RUSAGE_CHILDREN)
    subprocess.run(["sha256sum", *names], check=True, capture_output=True)  # noqa: S607
    theirs, their_cpu = time.perf_counter() - before, cpu_s(resource.RUSAGE_CHILDREN) - cpu
    before, cpu = time.perf_counter(), cpu_s(resource.RUSAGE_SELF)
    if verify(str(place), ask_signature=False).findings:
        raise SystemExit("the good bag has findings")
    ours, our_cpu = time.perf_counter() - before, cpu_s(resource.RUSAGE_SELF) - cpu
    return theirs, their_cpu, ours, our_cpu


def main() -> int:
    """Run both; end with 1 if anything went unseen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=500, help="damages of each kind")
    parser.add_argument("--mebibytes", type=int, default=512, help="size of the bag that is timed")
    parser.add_argument("--files", type=int, default=64, help="files of the bag that is timed")
    parser.add_argument(
        "--plant", action="store_true", help="plant a bug: payloads are not compared"
    )
    given = parser.parse_args()
    if given.plant:
        verify_bag._judge_both_ways = lambda *_, **__: None  # noqa: SLF001
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key, signers = make_key(folder)
        make_bag(folder / "good", key)
        make_bag(folder / "other", key, seed=1)
        shutil.copytree(folder / "good", folder / "bag")
        before = time.process_time()
        unseen = campaign(folder, signers, given.rounds)
        spent = time.process_time() - before
        for kind, number in unseen.items():
            print(f"{kind:34} {given.rounds:6} damages, {number} unseen")
        print(
            f"{len(unseen) * given.rounds} damages, {sum(unseen.values())} unseen, {spent:.0f} CPU-s"
        )
        theirs, their_cpu, ours, our_cpu = measure(folder, key, given.mebibytes, given.files)
        print(
            f"sha256sum {theirs:.2f} s, {their_cpu:.2f} CPU-s; verify {ours:.2f} s, {our_cpu:.2f} CPU-s"
        )
        print(f"rate against sha256sum: {theirs / ours:.2f}; CPU {our_cpu / their_cpu:.2f} times")
    return 1 if sum(unseen.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
