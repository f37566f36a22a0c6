"""Delivered Parquet becomes a published catalogue by the DAG, on real Airflow and Rucio."""

from __future__ import annotations

import time
import uuid
import warnings
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest

from dbb.flows.parcels import take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.qserv_inputs import find_inputs
from dbb.flows.qserv_views import Stage
from dbb.flows.registration import register_units
from dbb.hooks.qserv.opening import make_plan
from dbb.settings import INCLUDE, Settings
from dbb.wiring import open_backbone, open_handoff, open_qserv_records
from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.night import Night
from sandbox.qserv_services import MariaDb, QservContract
from support.dag_runs import Runs

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
OBJECTS = 200
DONE_WITHIN_S = 420


@pytest.fixture(scope="module")
def night(sandbox_airflow):
    made = Night(Layout(root=ROOT, state=sandbox_airflow.state), print, "20250101")
    made.prepare()
    return made


@pytest.fixture(scope="module")
def contract(night):
    """Start the sandbox's own stand-in for Qserv, whose address Airflow's tasks know."""
    allotted = Allotted.load(night.layout.allotted_file)
    mariadb, server = MariaDb(night.layout, allotted), QservContract(night.layout, allotted)
    if server.missing():
        pytest.skip(server.missing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # they outlive the call that starts them
        mariadb.start()
        server.start()
    yield server
    server.stop()
    mariadb.stop()


@pytest.fixture
def settings(night):
    return Settings.load(environment=night.env)


def catalogue(table, rows, **columns):
    """Make rows of a table of DP1, with what is given and nulls or zeros for the rest."""
    plan = make_plan(INCLUDE / "qserv", "dp1")[1].table(table)
    kinds = {"BIGINT": pa.int64(), "INT": pa.int32(), "SMALLINT": pa.int16(), "TINYINT": pa.bool_(),
             "FLOAT": pa.float32(), "DOUBLE": pa.float64(), "DATETIME(6)": pa.timestamp("us")}  # fmt: skip
    return pa.table(
        {
            column.name: pa.array(
                columns.get(column.name, [None] * rows), kinds.get(column.type, pa.string())
            )
            for column in plan.columns
        }
    )


def deliver(settings, night):
    """Lay a release of three tables down as permanent files, and publish it at the archive; once."""
    backbone = open_backbone(settings, "integration test")
    overlay, _ = make_plan(INCLUDE / "qserv", "dp1")
    if list(find_inputs(backbone, "usdf", overlay)):
        return  # an earlier session of the same sandbox did: the same rows again would be refused
    ids = np.arange(OBJECTS)
    rng = np.random.default_rng(3)
    tables = {
        "DiaObject": catalogue(
            "DiaObject", OBJECTS, diaObjectId=ids,
            ra=rng.uniform(10, 10.4, OBJECTS), dec=rng.uniform(-5, -4.6, OBJECTS),
        ),
        "ForcedSourceOnDiaObject": catalogue(
            "ForcedSourceOnDiaObject", 2 * OBJECTS, diaObjectId=ids.repeat(2),
            visit=[1, 2] * OBJECTS, detector=[0] * 2 * OBJECTS,
        ),
        "Visit": catalogue("Visit", 5, visit=np.arange(5)),
    }  # fmt: skip
    unit = f"files/20260301/dp1-{uuid.uuid4().hex[:8]}"
    folder = Path(urlsplit(night.env["DBB_STORE_USDF"]).path) / "incoming" / unit
    for name, table in tables.items():
        path = folder / "dp1" / name / "part.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path)
    (folder / "_READY").touch()
    take_parcels(backbone, [unit])
    register_units(backbone, [unit])
    publish_units(backbone, [unit], "usdf")


def keys(contract, table):
    with pymysql.connect(**contract.czar()) as connection, connection.cursor() as cursor:
        cursor.execute(f"select diaObjectId from dp1.{table}")  # noqa: S608
        return Counter(row[0] for row in cursor.fetchall())


def test_delivered_parquet_is_planned_loaded_published_and_taken_back(night, settings, contract):
    deliver(settings, night)
    runs = Runs(night, "parquet_to_qserv")
    runs.call("PATCH", "", {"is_paused": False})
    planned = runs.end(runs.trigger(dry_run=True))
    assert planned["plan_handoff"] == "success"
    assert planned["register_catalog"] == "skipped"
    records = open_qserv_records(settings)
    assert records.find("dp1", "usdf") is None

    began_s = time.monotonic()
    states = runs.end(runs.trigger(), DONE_WITHIN_S)
    assert set(states.values()) == {"success"}
    took_s = time.monotonic() - began_s
    print(f"{OBJECTS} objects from plan to verified: {took_s:.0f} s")  # noqa: T201 - the figure
    assert records.find("dp1", "usdf").stage is Stage.VERIFIED
    assert keys(contract, "DiaObject") == Counter(range(OBJECTS))
    assert keys(contract, "ForcedSourceOnDiaObject") == Counter(dict.fromkeys(range(OBJECTS), 2))

    back = Runs(night, "qserv_rollback")
    back.call("PATCH", "", {"is_paused": False})
    back.trigger()
    run, asked = back.question()
    assert "database dp1 (published)" in asked["body"]
    back.answer(run, "Approve")
    assert back.end(run)["roll_back"] == "success"
    handoff = open_handoff(settings, "usdf", "dp1", "integration test")
    assert handoff.server.catalog("dp1") is None
    assert records.find("dp1", "usdf").stage is Stage.ROLLED_BACK
