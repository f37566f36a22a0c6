"""Cut a synthetic catalogue of 22 columns into Qserv's chunks: rows per CPU-second and peak memory.

``python benchmarks/qserv_partition.py [--rows 500000 2000000] [--workers 2]``

Each size runs in a process of its own. The rate of finding chunks alone (own chunk, and all copies in
overlaps) is measured first; the whole job is Parquet to CSV with digests and statistics. At last the largest
size is cut by several processes, an input each and then a bucket each, as the DAG's tasks do it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins")]

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dbb.hooks.qserv.chunker import Chunker
from dbb.hooks.qserv.reducing import reduce_bucket
from dbb.hooks.qserv.staging import stage_input
from dbb.model.qserv import Column, Layout, ReleasePlan, TableKind, TablePlan, TableRule

LAYOUT = Layout(340, 3, "0.01667")
BUCKETS = 16
TABLE = TablePlan(
    "Object",
    TableRule(TableKind.DIRECTOR, key="objectId", ra="ra", dec="dec"),
    (
        Column("objectId", "BIGINT", not_null=True),
        Column("ra", "DOUBLE", not_null=True),
        Column("dec", "DOUBLE", not_null=True),
        *(Column(f"f{each}", "DOUBLE") for each in range(12)),
        *(Column(f"g{each}", "FLOAT") for each in range(5)),
        Column("number", "INT"),
        Column("is_star", "TINYINT"),
    ),
)
PLAN = ReleasePlan("benchmark", "benchmark", LAYOUT, (TABLE,), (), "")


def write(path: Path, rows: int, begin: int = 0) -> None:
    """Write a catalogue of a patch of 25 square degrees, a quarter of a million rows at a time."""
    rng = np.random.default_rng(begin)
    writer = None
    for first in range(begin, begin + rows, 250_000):
        some = min(250_000, begin + rows - first)
        table = pa.table(
            {
                "objectId": np.arange(first, first + some),
                "ra": rng.uniform(50, 55, some),
                "dec": rng.uniform(-30, -25, some),
                **{f"f{each}": rng.normal(size=some) for each in range(12)},
                **{f"g{each}": rng.normal(size=some).astype("f4") for each in range(5)},
                "number": rng.integers(0, 1000, some).astype("i4"),
                "is_star": rng.integers(0, 2, some).astype(bool),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def locate(rows: int) -> None:
    """Find chunks and copies of points all over the sky."""
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, rows), np.degrees(np.arcsin(rng.uniform(-1, 1, rows)))
    chunker = Chunker(LAYOUT)
    begun = time.process_time()
    chunker.locate(ra, dec)
    copies = len(chunker.overlaps(ra, dec).row)
    took = time.process_time() - begun
    print(
        f"chunk and overlaps of {rows:,} points ({copies:,} copies): {rows / took / 1e6:.1f} M rows/CPU-s"
    )


def cut(path: Path, rows: int) -> None:
    """Do the whole job; say what it took."""
    staging = path.parent / "staging"
    begun, begun_wall = time.process_time(), time.monotonic()
    staged = stage_input(PLAN, TABLE, path, "0" * 64, staging, BUCKETS)
    half = time.process_time()
    files = [file for bucket in range(BUCKETS) for file in reduce_bucket(TABLE, bucket, staging)]
    took, wall = time.process_time() - begun, time.monotonic() - begun_wall
    assert sum(file.rows for file in files if not file.is_overlap) == rows
    megabytes = sum(file.size_bytes for file in files) / 1e6
    peak = peak_mib()
    print(
        f"{rows:>10,} rows (+{staged.overlap:,} copies) to {len(files)} files, {megabytes:,.0f} MB:"
        f" {half - begun:.1f} + {took - half + begun:.1f} CPU-s, {wall:.1f} s;"
        f" {rows / took / 1e3:,.0f} k rows/CPU-s, {megabytes / took:.0f} MB/CPU-s, peak {peak} MiB"
    )


def peak_mib() -> int:
    """Give the most memory that this process had; the kernel's other account begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def stage(path: str) -> None:
    """Cut one input."""
    stage_input(PLAN, TABLE, Path(path), Path(path).stem.ljust(64, "0"), staging_of(path), BUCKETS)


def reduce(which: tuple[str, int]) -> tuple[int, int]:
    """Write the chunk files of a bucket; give their rows, copies left out, and the peak memory."""
    path, bucket = which
    files = reduce_bucket(TABLE, bucket, staging_of(path))
    return sum(file.rows for file in files if not file.is_overlap), peak_mib()


def staging_of(path: str) -> Path:
    """Give the folder of all inputs."""
    return Path(path).parent / "staging"


def cut_by_many(paths: list[str], rows: int) -> None:
    """Do the whole job by a process for each input."""
    begun, begun_wall = os.times(), time.monotonic()
    with multiprocessing.get_context("spawn").Pool(len(paths)) as pool:
        pool.map(stage, paths, 1)
        found = pool.map(reduce, [(paths[0], bucket) for bucket in range(BUCKETS)], 1)
        pool.close()
        pool.join()
    wall, now = time.monotonic() - begun_wall, os.times()
    took = now.children_user + now.children_system - begun.children_user - begun.children_system
    assert sum(each for each, _ in found) == rows
    peak = max(peak for _, peak in found)
    print(
        f"{rows:>10,} rows by {len(paths)} processes, their start included: {took:.1f} CPU-s in"
        f" {wall:.1f} s, {took / wall:.1f} cores; {rows / took / 1e3:,.0f} k rows/CPU-s, peak {peak} MiB each"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 2_000_000])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cut", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cut:
        cut(Path(given.cut[0]), int(given.cut[1]))
        return
    locate(2_000_000)
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "input.parquet"
            write(path, rows)
            command = [sys.executable, __file__, "--cut", str(path), str(rows)]
            subprocess.run(command, check=True)
    with tempfile.TemporaryDirectory() as folder:
        each = max(given.rows) // given.workers
        paths = [f"{folder}/input{number}.parquet" for number in range(given.workers)]
        for number, name in enumerate(paths):
            write(Path(name), each, each * number)
        cut_by_many(paths, each * given.workers)


if __name__ == "__main__":
    main()
