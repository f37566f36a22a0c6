"""Healing over the real parts: what is damaged at any endpoint is right again without a person."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import time
from itertools import islice

import pytest
from lsst.daf.butler import Butler

from dbb.errors import PlanRefused
from dbb.flows.cargo import dataset_did, manifest_did, stored_name
from dbb.flows.copies import look_for_copies
from dbb.flows.healing import apply_mending, is_large, plan_mending
from dbb.flows.manifests import read_manifest
from dbb.flows.publishing import publish_units
from dbb.flows.reconciling import reconcile_night
from dbb.flows.repairing import finish_repairs
from dbb.flows.verifying import verify_units
from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.settings import Settings
from dbb.wiring.keeping import open_keeping, open_sources
from sandbox import rest
from support.held_dags import held
from support.night_parts import *  # noqa: F403
from support.real_night import Later, finished_night, store_folder

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(1200)]
PLACES = ("usdf", "frdf")


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox):
    """Let the clock's runs find and mend nothing of what is damaged here."""
    with held(sandbox, "reconcile", "repair", "scrub"):
        yield


def files_of(environment, units):
    """Read every byte of units at both endpoints."""
    found = {}
    for place in PLACES:
        root = store_folder(environment, place)
        for unit in map(Unit.parse, units):
            for name in (unit.bundle_name, unit.manifest_name):
                path = root / f"raw/{name}"
                found[place, name] = path.read_bytes() if path.exists() else None
    return found


def bundle_path(environment, place, unit):
    return store_folder(environment, place) / stored_name(Did("raw", Unit.parse(unit).bundle_name))


def damage(backbone, environment, rucio, night, units):
    """Damage a unit each in a store, in Rucio, in Butler; flip a bit that only a reading finds."""
    gone, gone_at_archive, short, rotten, lacking, unavailable, ruleless = units
    rows = backbone.ledger.units(units)
    bundle_path(environment, "frdf", gone).unlink()
    bundle_path(environment, "usdf", gone_at_archive).unlink()
    path = bundle_path(environment, "usdf", short)
    path.write_bytes(path.read_bytes()[:-512])
    path = bundle_path(environment, "frdf", rotten)
    data = path.read_bytes()
    path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    with Butler.from_config(environment["DBB_BUTLER_FRDF"], writeable=True) as butler:
        ids = [entry.ref["id"] for entry in read_manifest(backbone, rows[lacking]).images]
        refs = [butler.get_dataset(each) for each in islice(ids, 3)]
        butler.pruneDatasets(refs, purge=True, unstore=True, disassociate=True)
    manifest = manifest_did(rows[unavailable])
    named = {"scope": manifest.scope, "name": str(manifest.name)}
    rucio.declare_bad_file_replicas([{**named, "rse": "USDF"}], reason="test")
    lock = backbone.catalog.locks([dataset_did(rows[ruleless])])[dataset_did(rows[ruleless])]
    backbone.catalog.drop_rules([lock["FRDF"].rule_id])
    dark = store_folder(environment, "usdf") / f"raw/LSSTCam/{night}/core.4711"
    dark.write_bytes(b"nobody's")
    os.utime(dark, (time.time() - 3600,) * 2)
    return dark


def cycle(environment):
    rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)
    time.sleep(0.2)


def open_findings(sources, night):
    found = sources.findings.find(night.value, night.value)
    return {(each.sighting.endpoint, str(each.sighting.discrepancy)) for each in found}


def test_what_is_damaged_at_any_endpoint_is_right_again_without_a_person(
    backbone, environment, rucio
):
    night, units = finished_night(backbone, environment, 7)
    settings = Settings.load(environment=environment)
    clock = Later()
    later = dataclasses.replace(backbone, clock=clock)
    sources = open_sources(settings, later)
    rows = open_keeping(settings, "integration test")
    whole = files_of(environment, units)
    assert None not in whole.values()

    began = time.monotonic()
    dark = damage(backbone, environment, rucio, night, units)
    for _ in range(5):
        cycle(environment)  # Rucio deletes what no rule wants, before anybody looks
    rotten = [backbone.ledger.units(units)[units[3]]]
    (reading,) = verify_units(later, rotten, ["frdf"], record=True)  # the scrub's turn
    assert reading.error is not None
    seen = set()
    planned = set()
    for _ in range(60):
        reconcile_night(sources, night)
        seen |= open_findings(sources, night)
        clock.ahead += dt.timedelta(minutes=15)  # the DAGs' schedule
        finish_repairs(later, rows)
        plan = plan_mending(sources, rows, settings.sources_of_repair)
        planned |= {(line.action, line.subject) for line in plan.lines}
        with contextlib.suppress(PlanRefused):  # Rucio moved something: the next run plans anew
            apply_mending(sources, rows, settings.sources_of_repair, plan.sha256, accept_large=True)
        cycle(environment)
        for endpoint in later.policy.receivers:
            publish_units(later, look_for_copies(later, endpoint, units).work, endpoint)
        if not plan and not open_findings(sources, night) and files_of(environment, units) == whole:
            break
    took_s = time.monotonic() - began
    assert files_of(environment, units) == whole
    assert open_findings(sources, night) == set()
    assert {
        ("frdf", "file-gone"), ("usdf", "file-gone"), ("usdf", "file-size"), ("usdf", "file-dark"),
        ("frdf", "butler-lacks"),
    } <= seen  # fmt: skip
    assert {("fetch anew", "frdf"), ("fetch anew", "usdf"), ("set aside", "usdf")} <= planned
    found = backbone.ledger.deliveries(units)
    assert {str(found[unit, place].state) for unit in units for place in PLACES} == {"published"}
    assert not dark.exists()
    (refusal,) = backbone.ledger.refusals(day_obs=night.value)
    assert refusal.code == "dark-file"
    kept = store_folder(environment, "usdf") / refusal.kept_as
    assert kept.read_bytes() == b"nobody's"
    for place in PLACES:
        root = environment[f"DBB_BUTLER_{place.upper()}"]
        with Butler.from_config(root, collections="LSSTCam/raw/all") as butler:
            where = f"instrument='LSSTCam' and exposure.day_obs={night}"
            refs = butler.query_datasets("raw", where=where, limit=None)
            assert len(refs) == 7 * 197
            butler.get(refs[0])
    print(f"damage of eight kinds was set right in {took_s:.1f} s of work")  # noqa: T201 - the figure


def test_a_replica_that_is_missing_or_cut_short_is_back_within_the_hour_by_the_clock_of_the_dags(
    backbone, environment
):
    """The DAGs' schedules on a clock that is ahead: the damage comes just after a scan, the worst moment."""
    night, units = finished_night(backbone, environment, 4)
    settings = Settings.load(environment=environment)
    clock = Later()
    later = dataclasses.replace(backbone, clock=clock)
    sources, rows = open_sources(settings, later), open_keeping(settings, "integration test")
    whole = files_of(environment, units)
    reconcile_night(sources, night)
    for place, unit in (("frdf", units[0]), ("usdf", units[1])):
        bundle_path(environment, place, unit).unlink()
    for place, unit in (("frdf", units[2]), ("usdf", units[3])):
        path = bundle_path(environment, place, unit)
        path.write_bytes(path.read_bytes()[:-512])
    minutes = 0
    while minutes < 60:
        minutes += 5
        clock.ahead += dt.timedelta(minutes=5)
        if minutes % 15 == 0:  # `reconcile_…`, each quarter of an hour
            reconcile_night(sources, night)
        if minutes % 15 == 10:  # `repair`, ten minutes after it
            finish_repairs(later, rows)
            plan = plan_mending(sources, rows, settings.sources_of_repair)
            assert not is_large(sources, plan)
            apply_mending(sources, rows, settings.sources_of_repair, plan.sha256)
        for _ in range(20):  # Rucio's daemons go round all the time
            cycle(environment)
        for endpoint in later.policy.receivers:  # `deliver_…` is woken by Rucio
            publish_units(later, look_for_copies(later, endpoint, units).work, endpoint)
        found = backbone.ledger.deliveries(units)
        states = {str(found[unit, place].state) for unit in units for place in PLACES}
        if minutes > 30 and states == {"published"} and files_of(environment, units) == whole:
            break
    assert states == {"published"}
    assert files_of(environment, units) == whole
    print(f"two missing and two short replicas: back {minutes} minutes after the damage")  # noqa: T201
