"""The canary over the real parts: POSIX stores, Rucio with its daemons, every Butler, PostgreSQL."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from dbb.flows.canary import look_after, settle, tidy
from dbb.model.names import Did
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone, open_catalog
from dbb.wiring.watching import open_cage
from sandbox import rest
from sandbox.prepare import prepare
from support.held_dags import held

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

LIMIT_S = 300.0


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox):
    """Let no canary of the clock's fly: each one begins by removing what is left of others."""
    with held(sandbox, "canary"):
        yield


@pytest.fixture(scope="module")
def environment(sandbox, tmp_path_factory):
    """The sandbox's addresses, with a summit of this module's own."""
    env = {**sandbox.env, "DBB_STORE_SUMMIT": tmp_path_factory.mktemp("summit").as_uri()}
    prepare(Settings.load(environment=env))
    return env


@pytest.fixture(scope="module")
def settings(environment):
    return Settings.load(environment=environment)


def cycle(environment):
    """Have Rucio's daemons work once."""
    rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)
    time.sleep(0.2)  # the copy service works in its own time


def now():
    return dt.datetime.now(dt.UTC)


def fly(settings, environment):
    """Do what a run of the DAG does."""
    cage = open_cage(settings, "integration test")
    tidy(cage, now())
    canary = cage.rows.begin()
    while not settle(cage, canary, look_after(cage, canary), now(), LIMIT_S):
        cycle(environment)
    return cage, next(each for each in cage.rows.newest(9) if each.number == canary.number)


def clear(cage, environment):
    """Remove what is left of canaries, which Rucio takes some cycles for."""
    for _ in range(100):
        if not tidy(cage, now()):
            break
        cycle(environment)
    assert cage.rows.left() == []


def test_canaries_go_to_every_endpoint_and_leave_nothing(settings, environment):
    clear(open_cage(settings, "integration test"), environment)  # the clock's last one, too
    before = {place: files_at(settings, place) for place in settings.raw.publishers}
    canaries = []
    for _ in range(2):
        cage, canary = fly(settings, environment)
        assert canary.outcome == "through"
        stages = cage.rows.stages(canary)
        print(f"canary {canary.number}: {stages}")  # noqa: T201 - the figure
        assert {f"read at {place}" for place in settings.raw.publishers} <= set(stages)
        canaries.append(canary)
    clear(cage, environment)
    assert {place: files_at(settings, place) for place in settings.raw.publishers} == before
    backbone = open_backbone(settings, "integration test")
    assert not list(backbone.source.list_files("DBBCanary/"))
    assert backbone.ledger.units_of_night("DBBCanary", 20170102) == []
    catalog = open_catalog(settings)
    for canary in canaries:
        dataset = Did("raw", canary.unit.rucio_dataset)
        for _ in range(100):
            files = [Did("raw", canary.unit.bundle_name), Did("raw", canary.unit.manifest_name)]
            if not catalog.locks([dataset])[dataset] and not any(catalog.replicas(files).values()):
                break
            cycle(environment)
        assert catalog.locks([dataset])[dataset] == {}
        assert not any(catalog.replicas(files).values())


def files_at(settings, place):
    store = open_backbone(settings, "integration test").store(place)
    return sorted(file.name for file in store.list_files("raw/DBBCanary/"))
