"""A small release, ready to be handed over to a Qserv."""

import dataclasses
import hashlib
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dbb.flows.qserv_handoff import (
    file_chunks,
    index_catalog,
    order_inputs,
    preflight,
    publish_catalog,
    reconcile_rows,
    register_catalog,
    stage_inputs,
    verify_published,
)
from dbb.flows.qserv_ingesting import load_batch
from dbb.flows.qserv_views import Handoff, HandoffRow, InputRow, Stage
from dbb.hooks.qserv.planning import plan_sha256
from dbb.hooks.qserv.workshop import StagingFolder
from support.qserv_tables import FORCED, LAYOUT, OBJECT, PLAN, VISIT, objects

TRANSACTIONS = 2


def make_plan(database: str):
    tables = (
        dataclasses.replace(
            OBJECT, rule=dataclasses.replace(OBJECT.rule, transactions=TRANSACTIONS)
        ),
        FORCED,
        VISIT,
    )
    return dataclasses.replace(PLAN, database=database, tables=tables, layout=LAYOUT)


def write_inputs(folder: Path, rows: int = 400) -> tuple[list[InputRow], dict[str, str]]:
    """Write two files of objects, forced photometry and visits."""
    half = rows // 2
    tables = {
        "Object a": objects(half),
        "Object b": objects(half, seed=2, first=half),
        "ForcedSource a": pa.table(
            {"objectId": np.arange(rows).repeat(3), "flux": np.ones(rows * 3, np.float32)}
        ),
        "Visit a": pa.table({"visit": np.arange(7), "band": list("ugrizyu")}),
    }
    return write_tables(folder, tables)


def write_tables(
    folder: Path, tables: dict[str, pa.Table]
) -> tuple[list[InputRow], dict[str, str]]:
    """Write files; a name is that of the table, a blank, and a word."""
    inputs, paths = [], {}
    for name, table in tables.items():
        path = folder / f"{name.replace(' ', '_')}.parquet"
        pq.write_table(table, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        inputs.append(InputRow(name.split()[0], path.name, sha256, path.stat().st_size))
        paths[sha256] = str(path)
    return inputs, paths


def make_handoff(database, server, records, staging: Path, czar=None, served="", **more) -> Handoff:
    plan = make_plan(database)
    row = HandoffRow("tiny", database, database, plan_sha256(plan), Stage.PLANNED)
    workshop = StagingFolder(staging, served or f"file://{staging}", buckets=3)
    return Handoff(row, plan, server, records, workshop, czar, **more)


def with_tables(handoff, *tables):
    return dataclasses.replace(handoff, plan=dataclasses.replace(handoff.plan, tables=tables))


def prepare(handoff: Handoff, inputs, paths) -> None:
    """Do all that comes before loading."""
    preflight(handoff)
    handoff.records.begin(handoff.row)
    handoff.records.note_inputs(handoff.name, inputs)
    for some in order_inputs(handoff, inputs):
        stage_inputs(handoff, some, paths)
    file_chunks(handoff)
    register_catalog(handoff)


def hand_over(handoff: Handoff, inputs, paths, wait) -> None:
    """Do all of it."""
    prepare(handoff, inputs, paths)
    load_all(handoff, wait)
    finish(handoff)


def load_all(handoff: Handoff, wait) -> None:
    for table, batch in handoff.records.batches(handoff.name):
        load_batch(handoff, table, batch, wait)


def finish(handoff: Handoff):
    reconcile_rows(handoff)
    publish_catalog(handoff)
    index_catalog(handoff)
    return verify_published(handoff)


def wait():
    time.sleep(0.05)
