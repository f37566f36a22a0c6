"""Level 1 images on real Rucio, Butler and PostgreSQL: published twice, expired twice, by the DAG too."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lsst.daf.butler import Butler

from dbb.expiry_rules import load_expiry
from dbb.flows.cargo import dataset_did, manifest_did
from dbb.flows.copies import count_copies, look_for_copies
from dbb.flows.expiring import EXPIRE, apply_expiry, finish_expiries, plan_expiry
from dbb.flows.parcels import take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.delivery import State
from dbb.model.expiry import ExpiryState
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.keeping import open_expiry, open_place
from sandbox import rest
from sandbox.layout import Layout
from sandbox.night import Night
from support.dag_runs import Runs
from support.held_dags import held

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
OLD = 20260901
PLACES = ("usdf", "frdf")


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox_airflow):
    """Let no run of the clock's take what is laid down here."""
    with held(sandbox_airflow, "parcel_transfer"):
        yield


@pytest.fixture(scope="module")
def night(sandbox_airflow):
    made = Night(Layout(root=ROOT, state=sandbox_airflow.state), print, "20250101")
    made.prepare()
    return made


@pytest.fixture
def settings(night):
    return Settings.load(environment=night.env)


@pytest.fixture
def backbone(settings):
    return open_backbone(settings, "integration test")


def folder(settings, place):
    return Path(urlsplit(settings.resolve(settings.endpoint(place).store_url)).path)


def cycle(settings):
    rest.call("POST", settings.value("DBB_RUCIO_CYCLE_URL"), timeout_s=120)
    time.sleep(0.2)  # the copy service works in its own time


def publish(settings, backbone):
    """Have a batch of Level 1 images of an old night published at both endpoints."""
    name, dataset = f"visit-{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
    unit = f"level1/{OLD}/{name}"
    ref = {"id": dataset, "dataset_type": "level1_summary", "run": f"u/{name}", "data_id": {}}
    with Butler.from_config(settings.resolve(settings.endpoint("usdf").butler)) as butler:
        universe = {"namespace": butler.dimensions.namespace, "version": butler.dimensions.version}
    kind = {"dimensions": [], "storage_class": "StructuredDataDict", "is_calibration": False}
    formatter = "lsst.daf.butler.formatters.json.JsonFormatter"
    manifest = {
        "files": {"summary.json": {"refs": [ref], "formatter": formatter}},
        "dataset_types": {"level1_summary": kind},
        "universe": universe,
        "records": [],
    }
    place = folder(settings, "usdf") / "incoming" / unit
    place.mkdir(parents=True)
    (place / "summary.json").write_bytes(b'{"sources": 3}')
    (place / "manifest.json").write_text(json.dumps(manifest))
    (place / "_READY").touch()
    assert take_parcels(backbone, [unit]) == {"taken": 1, "refused": 0}
    register_units(backbone, [unit])
    publish_units(backbone, [unit], "usdf")
    for _ in range(300):
        publish_units(backbone, look_for_copies(backbone, "frdf", [unit]).work, "frdf")
        if not count_copies(backbone, [unit])["waiting"]:
            break
        cycle(settings)
    assert served(settings, dataset) == [True, True]
    return unit, dataset


def served(settings, dataset):
    found = []
    for place in PLACES:
        with Butler.from_config(settings.resolve(settings.endpoint(place).butler)) as butler:
            found.append(butler.get_dataset(uuid.UUID(dataset)) is not None)
    return found


def has_files(settings, place, unit):
    return any(path.is_file() for path in (folder(settings, place) / unit).rglob("*"))


def test_rucios_reaper_takes_the_files_after_butler_let_go(settings, backbone, sandbox_airflow):
    rows, book = open_expiry(settings, "integration test"), load_expiry(settings)
    with held(sandbox_airflow, "expire"):
        unit, dataset = publish(settings, backbone)
        row = backbone.ledger.units([unit])[unit]
        for place in PLACES:
            here = open_place(settings, backbone, rows, place)
            now = dt.datetime.now(dt.UTC)
            plan = plan_expiry(here, rows, book, now)
            assert unit in [name for line in plan.of(EXPIRE) for name in line.names]
            apply_expiry(here, rows, book, now, plan.sha256, accept_large=True)
    assert served(settings, dataset) == [False, False]
    for place in PLACES:
        rse = backbone.rses[place]
        for _ in range(60):
            if not has_files(settings, place, unit):
                break
            cycle(settings)
        assert not has_files(settings, place, unit)
        here = open_place(settings, backbone, rows, place)
        finish_expiries(here, rows)
        assert rows.known(place, [unit])[unit].state is ExpiryState.GONE
        assert rse not in backbone.catalog.replicas([manifest_did(row)])[manifest_did(row)]
        assert rse not in backbone.catalog.locks([dataset_did(row)])[dataset_did(row)]
        assert backbone.ledger.deliveries([unit])[unit, place].state is State.RELEASED


def test_the_dag_takes_away_what_is_due_and_leaves_what_is_pinned(
    night, settings, backbone, sandbox_airflow
):
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    rows = open_expiry(settings, "integration test")
    with held(sandbox_airflow, "expire"):  # the clock's run would not wait for the pin
        due, dataset = publish(settings, backbone)
        pinned, kept = publish(settings, backbone)
        rows.pin(pinned, "", "precovery", "a candidate", until)
    for place in PLACES:
        runs = Runs(night, f"expire_{place}")
        assert set(runs.end(runs.trigger()).values()) <= {"success", "skipped"}
    assert served(settings, dataset) == [False, False]
    assert served(settings, kept) == [True, True]
    for place in PLACES:
        assert rows.known(place, [due])[due].state in (ExpiryState.ENDED, ExpiryState.GONE)
        assert backbone.ledger.deliveries([pinned])[pinned, place].state is State.PUBLISHED
