"""Find the directors of a child's rows in releases of two sizes: rows per CPU-second and peak memory.

``python benchmarks/qserv_children.py [--tracts 8 40]``

A tract has 250,000 objects, whose keys begin with its number; its piece of the director's index is real, its
rows are not needed. A file of 1,000,000 forced sources is cut, in a process of its own: of one tract, but for one
row in a hundred that is of another, and with 100 orphans; then with keys from anywhere in the release. Finding
alone is measured beside a join of the whole index by DuckDB; at last the search for a key that comes twice.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
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
from qserv_partition import BUCKETS, PLAN, peak_mib  # type: ignore[import-not-found]

from dbb.hooks.qserv.director_index import DirectorIndex, IndexWriter, list_pieces
from dbb.hooks.qserv.reducing import check_unique
from dbb.hooks.qserv.spilling import open_duckdb
from dbb.hooks.qserv.staging import read_batches, stage_input
from dbb.model.qserv import Column, OnOrphan, TableKind, TablePlan, TableRule

TRACT_BITS = 44
OBJECTS = 250_000
ROWS = 1_000_000
ORPHANS = 100
CHILD = TablePlan(
    "ForcedSource",
    TableRule(
        TableKind.CHILD, director="Object", director_key="objectId",
        on_orphan=OnOrphan.QUARANTINE,
    ),
    (
        Column("objectId", "BIGINT", not_null=True),
        Column("visit", "BIGINT"),
        Column("detector", "INT"),
        Column("psfFlux", "FLOAT"),
        Column("psfFluxErr", "FLOAT"),
        Column("psfFlux_flag", "TINYINT"),
    ),
)  # fmt: skip


def keys_of(tract: np.ndarray | int, number: np.ndarray) -> np.ndarray:
    """Make keys as Rubin does: the tract first."""
    keys: np.ndarray = (np.asarray(tract, dtype=np.int64) << TRACT_BITS) + number
    return keys


def write_release(staging: Path, tracts: int) -> None:
    """Lay the index of a release down."""
    rng = np.random.default_rng(0)
    for tract in range(tracts):
        folder = staging / "stage" / "Object" / f"tract{tract}"
        folder.mkdir(parents=True)
        writer = IndexWriter(folder, staging)
        chunk = rng.integers(0, 8, OBJECTS) + 8 * tract
        place = rng.uniform(0, 1, OBJECTS)
        keys = keys_of(tract, rng.permutation(OBJECTS))
        writer.add(pa.chunked_array([keys]), chunk, chunk % 9, place, place)
        writer.close()
        writer.sort()
        (folder / "staged.json").touch()


def write_child(path: Path, tracts: int, *, anywhere: bool) -> None:
    """Write a file of forced sources, by visit: their objects come in no order."""
    rng = np.random.default_rng(1)
    tract = rng.integers(0, tracts, ROWS) if anywhere else np.full(ROWS, tracts // 2)
    if not anywhere:
        tract[::100] = tracts // 2 + 1
    number = rng.integers(0, OBJECTS, ROWS)
    number[50 : 50 + ORPHANS * 500 : 500] += OBJECTS
    columns = {
        "objectId": keys_of(tract, number),
        "visit": np.sort(rng.integers(0, 500, ROWS)),
        "detector": rng.integers(0, 189, ROWS).astype("i4"),
        "psfFlux": rng.normal(size=ROWS).astype("f4"),
        "psfFluxErr": rng.normal(size=ROWS).astype("f4"),
        "psfFlux_flag": rng.integers(0, 2, ROWS).astype(bool),
    }
    pq.write_table(pa.table(columns), path, row_group_size=250_000)


def work(what: str, staging: Path, child: Path) -> str:
    """Do one thing; say what it took."""
    begun = time.process_time()
    told, rows = "", ROWS
    if what == "ours":
        staged = stage_input(PLAN, CHILD, child, child.stem.ljust(64, "0"), staging, BUCKETS)
        assert (staged.rows, staged.quarantined) == (ROWS, ORPHANS)
        told = f", {staged.elsewhere:,} rows of another file, {staged.quarantined} orphans"
    elif what == "find":
        found = DirectorIndex(list_pieces(staging, "Object"))
        orphans = 0
        for batch in read_batches(child, 131_072):
            orphans += int((~found.find(batch["objectId"]).is_found).sum())
        assert orphans == ORPHANS
    elif what == "join":
        index = [str(piece.path) for piece in list_pieces(staging, "Object")]
        query = """
            select t.*, d.chunk, d.sub_chunk
            from read_parquet($child) t left join read_parquet($index) d on t.objectId = d.key
        """
        with open_duckdb(staging) as connection:
            answer = connection.sql(query, params={"child": str(child), "index": index})
            orphans = sum(batch["chunk"].null_count for batch in answer.to_arrow_reader(131_072))
        assert orphans == ORPHANS
    else:
        director = TableRule(TableKind.DIRECTOR, key="objectId", ra="ra", dec="dec")
        check_unique(dataclasses.replace(CHILD, name="Object", rule=director), staging)
        rows = sum(pq.read_metadata(each.path).num_rows for each in list_pieces(staging, "Object"))
    took = time.process_time() - begun
    return f"{took:.1f} CPU-s, {rows / took / 1e3:,.0f} k rows/CPU-s, peak {peak_mib()} MiB{told}"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracts", type=int, nargs="+", default=[8, 40])
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        what, staging, child = json.loads(given.work)
        print(work(what, Path(staging), Path(child)))
        return
    for tracts in given.tracts:
        with tempfile.TemporaryDirectory() as folder:
            staging = Path(folder) / "staging"
            write_release(staging, tracts)
            files = {name: Path(folder) / f"{name}.parquet" for name in ("tract", "anywhere")}
            for name, path in files.items():
                write_child(path, tracts, anywhere=name == "anywhere")
            for title, what, path in (
                ("keys of a tract, cut", "ours", files["tract"]),
                ("keys of a tract, only found", "find", files["tract"]),
                ("keys of a tract, only joined by DuckDB", "join", files["tract"]),
                ("keys from anywhere, cut", "ours", files["anywhere"]),
                ("keys from anywhere, only found", "find", files["anywhere"]),
                ("keys from anywhere, only joined by DuckDB", "join", files["anywhere"]),
                ("a director's key that comes twice", "twice", files["tract"]),
            ):
                command = [sys.executable, __file__]
                command += ["--work", json.dumps([what, str(staging), str(path)])]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                print(f"{tracts * OBJECTS:>10,} objects, {title}: {done.stdout.strip()}")


if __name__ == "__main__":
    main()
