"""Delivered Parquet becomes a published catalogue by the DAG, on real Airflow and Rucio."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest

from dbb.flows.qserv_inputs import find_inputs
from dbb.flows.qserv_releases import list_release
from dbb.flows.qserv_views import Stage
from dbb.hooks.qserv.opening import make_plan
from dbb.settings import INCLUDE, Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.qserv import open_handoff, open_qserv_records
from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.night import Night
from sandbox.qserv_services import MariaDb, QservContract
from support.dag_runs import WITHIN_S, Runs

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(2400)]

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


def write_tables(folder):
    """Write a release of three tables, each in a folder of its own; give the files' bytes by name."""
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
    for name, table in tables.items():
        path = folder / "dp1" / name / "part.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path)
    files = folder.rglob("*.parquet")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def lay_down(night, unit, files):
    """Lay a parcel down at the archive, as its producer does."""
    folder = Path(urlsplit(night.env["DBB_STORE_USDF"]).path) / "incoming" / unit
    for name, data in {**files, "_READY": b""}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class Releases(Runs):
    """Follow the runs that look for whole releases."""

    def seen(self, state="success"):
        """Give the newest ended runs that an event woke, the newest first."""
        path = f"/dagRuns?run_type=asset_triggered&state={state}&order_by=-run_after&limit=50"
        return [
            f"/dagRuns/{quote(run['dag_run_id'], safe='')}"
            for run in self.call("GET", path)["dag_runs"]
        ]

    def until(self, ask):
        """Wait until there is an answer; give it."""
        return self._until(ask, WITHIN_S)

    def next_after(self, seen):
        """Wait for the end of the next run that an event wakes; give the states of its tasks."""
        found = self._until(lambda: [run for run in self.seen() if run not in seen], WITHIN_S)
        return self.end(found[0])


def delivered(runs):
    """List the runs of the handoff that nobody triggered by hand."""
    found = runs.call("GET", "/dagRuns?order_by=-run_after&limit=100")["dag_runs"]
    return [run for run in found if run["dag_run_id"].startswith("delivered__")]


def keys(contract, table):
    with pymysql.connect(**contract.czar()) as connection, connection.cursor() as cursor:
        cursor.execute(f"select diaObjectId from dp1.{table}")  # noqa: S608
        return Counter(row[0] for row in cursor.fetchall())


def take_back(night, settings):
    """Take the catalogue back, which a person has to approve."""
    back = Runs(night, "qserv_rollback")
    back.call("PATCH", "", {"is_paused": False})
    back.trigger()
    run, asked = back.question()
    assert "database dp1 (published)" in asked["body"]
    back.answer(run, "Approve")
    assert back.end(run)["roll_back"] == "success"
    handoff = open_handoff(settings, "usdf", "dp1", "integration test")
    assert handoff.server.catalog("dp1") is None
    assert open_qserv_records(settings).find("dp1", "usdf").stage is Stage.ROLLED_BACK


def test_a_release_is_handed_over_when_all_of_it_is_delivered_and_taken_back(
    night, settings, contract, tmp_path
):
    backbone, (overlay, _) = open_backbone(settings, "test"), make_plan(INCLUDE / "qserv", "dp1")
    if list(find_inputs(backbone, "usdf", overlay)):
        pytest.skip("an earlier session of the same sandbox delivered this release")
    rest = write_tables(tmp_path)
    half = {name: rest.pop(name) for name in list(rest) if "/DiaObject/" in name}
    day = "files/20260301"
    runs, looks = Runs(night, "parquet_to_qserv"), Releases(night, "qserv_releases")
    parcels = Runs(night, "parcel_transfer")
    for each in (runs, looks, parcels):
        each.call("PATCH", "", {"is_paused": False})
    records = open_qserv_records(settings)

    # Half of it wakes the look, and starts nothing; by hand it can be planned.
    seen = looks.seen()
    lay_down(night, f"{day}/dp1-a", half)
    parcels.end(parcels.trigger())  # the clock's run may have been sooner
    assert looks.next_after(seen)["start_handoff"] == "skipped"
    assert delivered(runs) == []
    planned = runs.end(runs.trigger(endpoint="usdf", release="dp1", dry_run=True))
    assert planned["plan_handoff"] == "success"
    assert planned["register_catalog"] == "skipped"
    assert records.find("dp1", "usdf") is None

    # All of it is there, and still nobody has said so; then the list comes.
    runs.call("PATCH", "", {"is_paused": True})
    seen = looks.seen()
    lay_down(night, f"{day}/dp1-b", rest)
    parcels.end(parcels.trigger())
    assert looks.next_after(seen)["start_handoff"] == "skipped"
    assert delivered(runs) == []
    told = list_release(backbone, "usdf", overlay)
    assert set(told.parcels) == {f"{day}/dp1-a", f"{day}/dp1-b"}
    lay_down(night, f"{day}/release-dp1", {"dp1/RELEASE.json": told.data})
    parcels.end(parcels.trigger())
    # Looks that other endpoints' parcels have woken may come before the one that finds it.
    (begun,) = looks.until(lambda: delivered(runs))
    assert begun["conf"] == {"endpoint": "usdf", "release": "dp1"}
    again = looks.end(looks.trigger())  # it is due as long as the handoff has not begun
    assert again == {"look_for_releases": "success", "start_handoff": "skipped"}

    began_s = time.monotonic()
    runs.call("PATCH", "", {"is_paused": False})
    states = runs.end(f"/dagRuns/{quote(begun['dag_run_id'], safe='')}", DONE_WITHIN_S)
    assert set(states.values()) == {"success"}
    took_s = time.monotonic() - began_s
    print(f"{OBJECTS} objects from plan to verified: {took_s:.0f} s")  # noqa: T201 - the figure
    assert records.find("dp1", "usdf").stage is Stage.VERIFIED
    assert keys(contract, "DiaObject") == Counter(range(OBJECTS))
    assert keys(contract, "ForcedSourceOnDiaObject") == Counter(dict.fromkeys(range(OBJECTS), 2))
    looks.end(looks.trigger())
    assert [run["dag_run_id"] for run in delivered(runs)] == [begun["dag_run_id"]]
    take_back(night, settings)
