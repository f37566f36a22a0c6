"""Compare the keys of eleven releases of a million objects, lying apart and lying among each other.

Claim: of 11 releases x 1,000,000 keys no collision goes unseen: none is told where there is none, and each of the
planted ones is. Stores are in memory; the reading is that of ``dbb qserv ids``.

::

    python benchmarks/release_ids.py [--releases 11] [--keys 1000000] [--planted 5]
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dbb.flows.qserv_ids import IdReport, compare_ids
from dbb.hooks.qserv.key_files import ParquetKeys
from dbb.hooks.qserv.planning import load_overlay
from dbb.settings import INCLUDE
from support.sent_parcels import send
from support.world import World

Keys = npt.NDArray[np.int64]


def compare(keys_of: Callable[[int], Keys], releases: int) -> tuple[IdReport, float]:
    """Deliver the releases, compare them; give what was found and the CPU-seconds of it."""
    world, known = World(), load_overlay(INCLUDE / "qserv", "dp1")
    names = [f"dr{number + 1}" for number in range(releases)]
    for number, name in enumerate(names):
        out = io.BytesIO()
        table = pa.table({"objectId": keys_of(number), "coord_ra": np.zeros(len(keys_of(number)))})
        pq.write_table(table, out, row_group_size=100_000)
        send(
            world, f"files/20261121/{name}", {f"{name}/Object/a.parquet": out.getvalue()}, ("usdf",)
        )
    overlays = [dataclasses.replace(known, release=name) for name in names]
    began_s = time.process_time()
    report = compare_ids(world.backbone(), ParquetKeys(), "usdf", overlays)
    return report, time.process_time() - began_s


def main() -> int:
    """Print a line for each way in which keys may lie; 1 where anything is told wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--releases", type=int, default=11)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--planted", type=int, default=5)
    given = parser.parse_args()
    dice, releases = np.random.default_rng(1), int(given.releases)
    row = np.arange(given.keys, dtype=np.int64)
    chosen = dice.choice(given.keys, given.planted, replace=False)

    def apart(number: int) -> Keys:
        return row + np.int64(number << 56)

    def among(number: int) -> Keys:
        return row * releases + number

    def planted(number: int) -> Keys:
        keys = among(number)
        if number == releases - 1:
            keys[chosen] = among(0)[chosen]
        return keys

    is_wrong = False
    for name, keys_of, wanted in (
        ("apart", apart, 0),
        ("among each other", among, 0),
        ("among each other, some twice", planted, given.planted),
    ):
        report, cpu_s = compare(keys_of, releases)
        found = sum(each.keys for each in report.shared)
        is_wrong |= found != wanted or bool(report.unread)
        print(
            f"{name}: {sum(report.rows.values()):,} keys, {report.pairs:,} pairs of pieces read,"
            f" {found} of {wanted} in two, {cpu_s:.2f} CPU-s"
        )
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
