"""Random histories: work that goes on gives no finding, and each thing planted gives exactly its own."""

import random

import pytest

from dbb.flows import reconcile_store
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.reconcile_night import Night
from dbb.flows.reconciling import reconcile_night
from dbb.flows.registration import register_units
from dbb.flows.releasing import read_again, release_units
from dbb.model.delivery import State
from dbb.model.finding import Discrepancy, FindingState
from support.baton import Baton, Interleaved
from support.discrepancies import CASES
from support.fake_nights import open_sources
from support.staged_units import bring
from support.tiny_camera import DETECTORS, take_exposure, unit_name
from support.world import NIGHT, World

SEEDS = range(18)
PACES = (0.08, 0.5, 4)
"""Operations of the ingest during one of the reconciler's."""

OLD, NEW = 3, 4
"""Exposures that are done before, and that come while the night is compared."""


def new_world(folder, draw):
    """A past night of which a part is done; the rest will be brought back late."""
    world = World(ledger_url=f"sqlite:///{folder}/ledger.db")
    for number in range(1, OLD + NEW + 1):
        if draw.random() < 0.4:
            world.sky.touched[f"MC_O_20261121_{number:06d}"] = frozenset({"uk"})
    bring(world, range(1, OLD + 1))
    world.clock.advance(24 * 3600)
    return world


def ingest(world, draw):
    """What the DAGs do: files come in any order, runs follow each other, daemons work between."""

    def act(schedule):
        backbone = world.backbone(schedule)
        coming = list(range(OLD + 1, OLD + NEW + 1))
        while coming:
            for _ in range(min(len(coming), draw.choice((1, 2)))):
                late = draw.random() < 0.3
                detectors = DETECTORS[1:] if late else DETECTORS
                take_exposure(world.summit, coming.pop(), detectors=detectors)
            world.settle(draw.uniform(2, 30))
            _run(backbone, world)
            if draw.random() < 0.3:
                world.settle(4000)  # an exposure that lacks a detector goes on without it
                _run(backbone, world)
        for number in range(OLD + 1, OLD + NEW + 1):
            take_exposure(world.summit, number)  # late detectors, and duplicates of the others
        for _ in range(3):
            world.settle(30)
            _run(backbone, world)

    return act


def _run(backbone, world):
    work = receive_arrivals(backbone, NIGHT).work
    land_units(backbone, work)
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, work)], {})
    register_units(backbone, work)
    publish_units(backbone, work, "usdf")
    for endpoint in world.policy.receivers:
        world.catalog.run_daemons()
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)
    read_again(backbone, work)
    release_units(backbone, work)


def compare_while_it_goes_on(folder, seed):
    """Compare again and again while exposures come in; give what was ever seen, and the world."""
    draw = random.Random(seed)  # noqa: S311 - a history that can be repeated
    world = new_world(folder, draw)
    baton = Baton(ingest(world, random.Random(seed + 1)))  # noqa: S311
    seen = set()
    scans = 0
    try:
        while not baton.is_over:
            sources = open_sources(world, Interleaved(baton, draw, PACES[seed % len(PACES)]))
            for scan in reconcile_night(sources, NIGHT):
                assert not scan.silent
                seen |= {(each.endpoint, each.discrepancy, each.subject) for each in scan.sightings}
            scans += 1
            world.clock.advance(draw.uniform(0, 5))
    finally:
        baton.finish()
    assert baton.operations > 100
    assert scans > 3
    return seen, world


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_night_gives_no_finding_while_it_is_being_ingested(tmp_path, seed):
    seen, world = compare_while_it_goes_on(tmp_path, seed)
    assert seen == set()
    world.clock.advance(24 * 3600)
    scans = reconcile_night(open_sources(world), NIGHT)
    assert [each for scan in scans for each in scan.sightings] == []
    names = [unit_name(number) for number in range(1, OLD + NEW + 1)]
    found = world.ledger.deliveries(names)
    assert {found[name, "frdf"].state for name in names} == {
        State.PUBLISHED
    }  # it was no idle night


@pytest.mark.parametrize("guard", ["is_quiet", "has_rested", "is_old"])
def test_a_reconciler_without_one_of_its_guards_gives_false_alarms(tmp_path, monkeypatch, guard):
    monkeypatch.setattr(Night, guard, lambda *_: True)
    seen = set()
    for seed in SEEDS:
        (tmp_path / str(seed)).mkdir()
        seen |= compare_while_it_goes_on(tmp_path / str(seed), seed)[0]
        if seen:
            break
    assert seen


# -- what is planted is found ----------------------------------------------------------------------

DONE = [case for case in CASES if case.stage == "done"]


def plant(seed):
    """Do damage of several kinds to different units of a finished night."""
    draw = random.Random(seed)  # noqa: S311 - a history that can be repeated
    world = World()
    units = bring(world, range(1, 9))
    world.clock.advance(24 * 3600)
    chosen = draw.sample(DONE, draw.randrange(1, 6))
    damaged = draw.sample(units, len(chosen))
    expected = {
        (case.endpoint, case.discrepancy, case.plant(world, unit))
        for case, unit in zip(chosen, damaged, strict=True)
    }
    world.clock.advance(draw.uniform(1000, 100_000))
    return world, expected


def found_twice(world):
    """Compare two times, a day apart; give what is confirmed."""
    for _ in range(2):
        reconcile_night(open_sources(world), NIGHT)
        world.clock.advance(24 * 3600)
    return {
        (each.sighting.endpoint, each.sighting.discrepancy, each.sighting.subject)
        for each in open_sources(world).findings.find()
        if each.state is FindingState.CONFIRMED
    }


@pytest.mark.parametrize("seed", range(40))
def test_all_that_is_planted_is_confirmed_by_its_name_and_nothing_else(seed):
    world, expected = plant(seed)
    assert found_twice(world) == expected


def test_a_reconciler_that_overlooks_sizes_is_caught(monkeypatch):
    original = reconcile_store.lacking_files
    monkeypatch.setattr(reconcile_store, "lacking_files", lambda *given: (original(*given)[0], []))
    missed = set()
    for seed in range(40):
        world, expected = plant(seed)
        missed |= {kind for _, kind, _ in expected - found_twice(world)}
    assert missed == {Discrepancy.FILE_SIZE}
