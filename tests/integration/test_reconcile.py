"""Reconciliation over the real parts: what is planted in each is named by ``dbb audit``, and only that."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import time
from itertools import islice
from uuid import uuid4

import pytest
from lsst.daf.butler import Butler
from sqlalchemy import create_engine, text

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.cargo import dataset_did, manifest_did, stored_name
from dbb.flows.manifests import read_manifest
from dbb.hooks.butler_setup import name_driver
from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.ports.catalog import RuleWish
from dbb.settings import Settings
from dbb.wiring.keeping import open_sources
from sandbox import rest
from support.butler_listing_conformance import ListingConformance
from support.butler_site import Site
from support.held_dags import held
from support.night_parts import *  # noqa: F403
from support.real_night import Later, finished_night, store_folder

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]
EXPOSURES = 6


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox):
    """Let the clock's runs see and mend nothing of what is planted here."""
    with held(sandbox, "reconcile", "repair", "scrub"):
        yield


@pytest.fixture
def dbb(environment, backbone, capsys):
    """Run the command with a clock that is ahead; give exit code and document."""
    clock = Later()
    later = dataclasses.replace(backbone, clock=clock)

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: later)

        code = main([*arguments, "--json"], environment, make_context)
        return code, json.loads(capsys.readouterr().out)

    run.clock = clock
    return run


def plant(backbone, environment, rucio, night, units):
    """Damage one unit in each record; name what must be found."""
    rows = backbone.ledger.units(units)
    stores = {name: store_folder(environment, name) for name in ("summit", "usdf", "frdf")}
    gone, lacking, ruled, stray_replica, left, _ = units

    (stores["frdf"] / stored_name(Did("raw", Unit.parse(gone).bundle_name))).unlink()

    with Butler.from_config(environment["DBB_BUTLER_FRDF"], writeable=True) as butler:
        ids = [entry.ref["id"] for entry in read_manifest(backbone, rows[lacking]).images]
        refs = [butler.get_dataset(each) for each in islice(ids, 3)]
        butler.pruneDatasets(refs, purge=True, unstore=True, disassociate=True)

    rules = backbone.catalog.ensure_rules([dataset_did(rows[ruled])], RuleWish("CHILE", "Nightly"))
    for _ in range(50):
        if (
            backbone.catalog.rules(list(rules.values()))[rules[dataset_did(rows[ruled])]].state
            == "ok"
        ):
            break
        rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)
        time.sleep(0.2)

    manifest = manifest_did(rows[stray_replica])
    data = (stores["usdf"] / stored_name(manifest)).read_bytes()
    known = rucio.get_metadata(manifest.scope, str(manifest.name))
    rucio.add_replicas(
        "CHILE",
        [
            {
                "scope": manifest.scope,
                "name": str(manifest.name),
                "bytes": len(data),
                "adler32": known["adler32"],
            }
        ],
    )

    entry = read_manifest(backbone, rows[left]).entries[0]
    back = f"{Unit.parse(left).folder}/{entry.name}"
    _lay(stores["summit"] / back, b"it came again")

    dark = f"raw/LSSTCam/{night}/core.4711"
    _lay(stores["usdf"] / dark, b"nobody's")

    stray = f"Dataset/LSSTCam/raw/Obs/{night}/stray-{uuid4().hex[:6]}"
    rucio.add_dataset("raw", stray)
    expected = {
        ("frdf", "file-gone", gone),
        ("frdf", "butler-lacks", lacking),
        ("chile", "rule-unwanted", ruled),
        ("chile", "file-unwanted", ruled),  # Rucio brings what the rule wants
        ("chile", "replica-unwanted", stray_replica),
        ("summit", "source-left", left),
        ("usdf", "file-dark", dark),
        ("usdf", "dataset-dark", f"raw:{stray}"),
    }
    return expected, list(rules.values())


def _lay(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time.time() - 3600,) * 2)


def test_what_is_planted_in_the_real_parts_is_named_and_nothing_else(
    backbone, environment, rucio, dbb
):
    night, units = finished_night(backbone, environment, EXPOSURES)
    code, told = dbb("audit", "--day-obs", str(night))
    assert (code, told["findings"]) == (0, [])
    assert [scan["silent"] for scan in told["scans"]] == [[]] * 5

    expected, rules = plant(backbone, environment, rucio, night, units)
    dbb.clock.ahead += dt.timedelta(minutes=1)
    code, told = dbb("audit", "--day-obs", str(night))
    assert code == 0
    assert {each["state"] for each in told["findings"]} == {"suspected"}
    dbb.clock.ahead += dt.timedelta(minutes=11)
    code, told = dbb("audit", "--day-obs", str(night))
    assert code == 1
    states = {(each["endpoint"], each["discrepancy"]): each["state"] for each in told["findings"]}
    assert set(states.values()) == {"confirmed"}, states
    named = {(each["endpoint"], each["discrepancy"], each["subject"]) for each in told["findings"]}
    assert named == expected
    lacks = next(each for each in told["findings"] if each["discrepancy"] == "butler-lacks")
    assert (lacks["evidence"]["number"], lacks["evidence"]["of"]) == (3, 205)

    sources = open_sources(Settings.load(environment=environment), backbone)
    known = [
        each
        for place in sources.endpoints
        for each in sources.findings.nights(place, night.next().value)
        if each.day_obs == night.value
    ]
    assert sum(each.open for each in known) == len(expected)
    assert all(each.scanned_at is not None for each in known)

    backbone.catalog.drop_rules(rules)
    (store_folder(environment, "usdf") / f"raw/LSSTCam/{night}/core.4711").unlink()
    dbb.clock.ahead += dt.timedelta(minutes=1)
    assert dbb("audit", "--day-obs", str(night), "--endpoint", "usdf")[0] == 1
    code, told = dbb("audit", "--list", "--all", "--day-obs", str(night), "--endpoint", "usdf")
    states = {each["discrepancy"]: each["state"] for each in told["findings"]}
    assert states == {"file-dark": "closed", "dataset-dark": "confirmed"}


class TestListingOverPostgres(ListingConformance):
    """The listing of a Butler repository whose registry is on PostgreSQL."""

    @pytest.fixture
    def site(self, sandbox, tmp_path):
        url = name_driver(sandbox.env["DBB_BUTLER_DB_USDF"])
        namespace = f"test_{uuid4().hex}"
        yield Site.create(tmp_path, url, namespace)
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(f'DROP SCHEMA IF EXISTS "{namespace}" CASCADE'))
        engine.dispose()
