"""Measure what the handoff adds to the loading of a contribution, beside the server's own time for it.

::

    python benchmarks/qserv_load.py [--patches 5 10] [--rows 4000]

A square patch of the sky is cut and loaded in one transaction into the stand-in for Qserv, over a real MariaDB, with
a ledger in SQLite. Counted are our requests, the statements that the ledger sees, our CPU time and the wall
time of `load_batch`, and of each contribution how long the server read and loaded it, by its own clock.
Patches of two sizes tell whether a contribution costs more where there are more of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("plugins", "include", "tests")]

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from qserv_partition import PLAN, TABLE  # type: ignore[import-not-found]
from sqlalchemy import event

from dbb.flows.qserv_handoff import file_chunks, reconcile_rows, register_catalog, stage_inputs
from dbb.flows.qserv_ingesting import load_batch
from dbb.flows.qserv_views import Handoff, HandoffRow, InputRow, Stage
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.records import SqlQserv
from dbb.hooks.qserv.workshop import StagingFolder
from dbb.hooks.sql import migrate
from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.qserv_services import MariaDb, QservContract
from support.fake_clock import FixedClock

POLL_S = 0.5


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=float, nargs="+", default=[5.0, 10.0], help="degrees")
    parser.add_argument("--rows", type=int, default=4000, help="rows of a square degree")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(measure(**json.loads(given.one)))
        return
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(ROOT, Path(folder))
        layout.make()
        allotted = Allotted.load(layout.allotted_file)
        mariadb, server = MariaDb(layout, allotted), QservContract(layout, allotted)
        mariadb.start()
        server.start()
        try:
            for number, side_deg in enumerate(given.patches):
                one = {
                    "folder": f"{folder}/{number}", "url": server.url(), "key": server.auth_key,
                    "side_deg": side_deg, "rows": round(given.rows * side_deg**2),
                }  # fmt: skip
                subprocess.run([sys.executable, __file__, "--one", json.dumps(one)], check=True)
        finally:
            server.stop()
            mariadb.stop()


def measure(folder: str, url: str, key: str, side_deg: float, rows: int) -> str:
    """Cut a patch, load it, and say what it took."""
    place = Path(folder)
    place.mkdir()
    source = write(place / "input.parquet", side_deg, rows)
    engine = open_engine(f"sqlite:///{folder}/ledger.db")
    migrate(engine)
    statements: Counter[str] = Counter()
    event.listen(engine, "before_cursor_execute", lambda *told: note(statements, *told[2:]))
    client = QservClient(url, key)
    asked = count_requests(client)
    records = SqlQserv(SqlLedger(engine, FixedClock(), "benchmark"))
    plan = dataclasses.replace(PLAN, database=f"patch{round(side_deg)}")
    row = HandoffRow("benchmark", "here", plan.database, "", Stage.PLANNED)
    workshop = StagingFolder(place / "staging", f"file://{folder}/staging")
    handoff = Handoff(row, plan, client, records, workshop)
    records.begin(row)
    records.note_inputs(handoff.name, [source])
    stage_inputs(handoff, [source], {source.sha256: f"{folder}/input.parquet"})
    files = file_chunks(handoff)
    register_catalog(handoff)

    asked.clear()
    statements.clear()
    begun, begun_wall = time.process_time(), time.monotonic()
    load_batch(handoff, TABLE.name, 0, lambda: time.sleep(POLL_S))
    took, wall = time.process_time() - begun, time.monotonic() - begun_wall
    sent, written = Counter(asked), sum(statements[verb] for verb in ("insert", "update", "delete"))

    reconcile_rows(handoff)
    (attempt,) = records.attempts(handoff.name)
    told = client._get(  # noqa: SLF001 - the server's own times, which the handoff does not ask for
        f"/ingest/trans/{attempt.transaction}", {"contrib": "1", "contrib_long": "1"}
    )["databases"][plan.database]["transactions"][0]["contrib"]["files"]
    once = Counter((each["chunk"], each["overlap"]) for each in told)
    assert len(told) == files == len(once), "a chunk and overlap has more than one contribution"
    reading = sum(each["read_time"] - each["start_time"] for each in told) / files
    loading = sum(each["load_time"] - each["read_time"] for each in told) / files
    size = sum(each["num_bytes"] for each in told) / files
    client.close()
    engine.dispose()
    submits = sent.pop("POST /ingest/file-async")
    return (
        f"{rows:>9,} rows in {files} contributions of {size / 1000:,.0f} kB, one for each chunk and overlap:"
        f" {submits / files:.2f} submitting and {sent.total() / files:.2f} other requests each"
        f" ({', '.join(f'{number} {what}' for what, number in sorted(sent.items()))}),"
        f" {written / files:.2f} rows written and {statements['select'] / files:.2f} statements read in the ledger;"
        f" ours {took / files * 1000:.1f} CPU-ms, {wall / files * 1000:.0f} ms of wall;"
        f" the server's {reading:.0f} ms reading and {loading:.0f} ms loading"
    )


def note(statements: Counter[str], sql: str, rows: Any, _: Any, is_many: bool) -> None:  # noqa: FBT001
    """Count a statement by its verb, one of many rows for each row."""
    words = (line for line in sql.splitlines() if line.strip() and not line.startswith("--"))
    statements[next(words).split()[0].lower()] += len(rows) if is_many else 1


def count_requests(client: QservClient) -> list[str]:
    """Note each request, numbers and names left out."""
    asked: list[str] = []
    send = client._session.request  # noqa: SLF001 - counted from outside

    def request(verb: str, url: str, **more: Any) -> requests.Response:
        words = url.partition("://")[2].partition("?")[0].split("/")[1:]
        asked.append(f"{verb} /" + "/".join("N" if word.isdigit() else word for word in words))
        return send(verb, url, **more)

    client._session.request = request  # type: ignore[method-assign,assignment]  # noqa: SLF001
    return asked


def write(path: Path, side_deg: float, rows: int) -> InputRow:
    """Write a catalogue of a square patch."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "objectId": np.arange(rows),
        "ra": rng.uniform(50, 50 + side_deg, rows),
        "dec": rng.uniform(-10, side_deg - 10, rows),
        "number": rng.integers(0, 1000, rows).astype("i4"),
        "is_star": rng.integers(0, 2, rows).astype(bool),
    }
    for column in TABLE.columns:
        kind = {"DOUBLE": "f8", "FLOAT": "f4"}.get(column.type)
        if kind and column.name not in columns:
            columns[column.name] = rng.normal(size=rows).astype(kind)
    pq.write_table(pa.table(columns), path)
    return InputRow(TABLE.name, path.name, "0" * 64, path.stat().st_size)


if __name__ == "__main__":
    main()
