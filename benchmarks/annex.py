"""Measure what the annex's book-keeping costs: announcing objects, and listing them again.

::

    python benchmarks/annex.py [--objects 10000]

A ledger in SQLite and a bucket in memory, so that what is measured is ours: events of a night; the same
events a second time; a listing of the whole bucket in which nothing is new; and copying one large object
from folder to folder. Prints CPU-seconds and peak memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("plugins", "include", "tests")]

from dbb.digests import digest_stream
from dbb.flows.lfa import announce
from dbb.flows.lfa_copying import copy_file
from dbb.flows.lfa_listing import list_bucket
from dbb.hooks.posix_store import PosixStore
from support.annex import event, lay, make_annex
from support.world import World

LARGE_MIB = 512


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    number = parser.parse_args().objects
    with tempfile.TemporaryDirectory() as folder:
        world = World(ledger_url=f"sqlite:///{folder}/ledger.db")
        annex = make_annex(world)
        keys = [f"DREAM/dream/2026/11/21/DREAM_{each:06d}.fits" for each in range(number)]
        for key in keys:
            lay(annex, key, b"")
        batches = [
            [event(key) for key in keys[start : start + 500]] for start in range(0, number, 500)
        ]
        for what in ("announce", "announce again"):
            tell(f"{what} {number} objects", lambda: [announce(annex, some) for some in batches])
        tell(f"list {number} objects that are known", lambda: list_bucket(annex))
        measure_copy(Path(folder))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    return 0


def measure_copy(folder: Path) -> None:
    """Copy one large object, beside a plain digest of it."""
    for name in ("source", "target"):
        (folder / name).mkdir()
    piece = os.urandom(1024 * 1024)
    with (folder / "source" / "large").open("wb") as file:
        for _ in range(LARGE_MIB):
            file.write(piece)
    source, target = PosixStore(folder / "source"), PosixStore(folder / "target")

    def digest() -> None:
        with source.open("large") as stream:
            digest_stream(stream)

    tell(f"digest {LARGE_MIB} MiB", digest)
    tell(
        f"copy {LARGE_MIB} MiB and read it back",
        lambda: copy_file(source, "large", target, "lfa/large"),
    )


def tell(what: str, work: Callable[[], Any]) -> None:
    """Do something, and print what it cost."""
    began = time.process_time()
    work()
    print(f"{what}: {time.process_time() - began:.2f} CPU-s")


if __name__ == "__main__":
    sys.exit(main())
