"""Kill the transfer before and after every operation of every port; run again; look.

The sweep is run first on the flow as it is, then on two flows with a planted bug: a harness that
has never been red proves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest

from dbb.flows import publishing, releasing
from dbb.model.delivery import State
from dbb.model.manifest import Manifest
from support.faults import Killed, Schedule, every_crash
from support.tiny_camera import DETECTORS, image_name, take_exposure, unit_name
from support.world import World, run_night

ENDPOINTS = ("usdf", "frdf")
UNITS = [unit_name(number) for number in (1, 2)]
BAD = unit_name(3)


def new_world() -> World:
    """Two good exposures and one with a damaged file."""
    world = World()
    for number in (1, 2, 3):
        take_exposure(world.summit, number)
    name = image_name(BAD, "R22_S11")
    world.summit.put(name, world.summit.data(name)[:-9])
    world.settle()
    return world


def look(world: World) -> list[str]:
    """Look as an ordinary reader does, at any moment; name what is wrong."""
    wrong = []
    for endpoint in ENDPOINTS:
        store = world.stores[endpoint]
        for place in world.repositories[endpoint].datasets.values():
            name = place.partition("#")[0].removeprefix(f"{store.url}/")
            if name not in store.names:
                wrong.append(f"{endpoint} serves {name}, which is not there")
                continue
            manifest = Manifest.parse(store.data(name.replace(".zip", ".manifest.json")))
            found = hashlib.sha256(store.data(name)).hexdigest()
            if found != manifest.bundle.sha256:
                wrong.append(f"{endpoint} serves {name} with wrong bytes")
        served = len(world.repositories[endpoint].datasets)
        if served % len(DETECTORS):
            wrong.append(f"{endpoint} serves a part of an exposure")
        for unit in UNITS:
            is_there = any(
                unit.rsplit("/", 1)[-1] in place
                for place in world.repositories[endpoint].datasets.values()
            )
            if world.state(unit, endpoint) is State.PUBLISHED and not is_there:
                wrong.append(f"the ledger publishes {unit} at {endpoint}, Butler does not")
    for unit in UNITS:
        at_source = sum(name.startswith(f"{unit}/") for name in world.summit.names)
        copies = sum(world.state(unit, endpoint) is State.PUBLISHED for endpoint in ENDPOINTS)
        if at_source < 2 * len(DETECTORS) + 1 and copies < 2:
            wrong.append(f"{unit} left the summit with {copies} published copies")
    return wrong


def check_end(world: World) -> list[str]:
    """Look when the next attempt has ended: everything once, nothing lost."""
    wrong = look(world)
    for unit in UNITS:
        states = [world.state(unit, endpoint) for endpoint in (*ENDPOINTS, "summit")]
        if states != [State.PUBLISHED, State.PUBLISHED, State.RELEASED]:
            wrong.append(f"{unit} ended as {states}")
        events = [(e.endpoint, e.new_state) for e in world.ledger.events(unit)]
        wrong += [f"{unit} was published twice"] * (
            len([event for event in events if event[1] is State.PUBLISHED]) != len(ENDPOINTS)
        )
    for endpoint in ENDPOINTS:
        if len(world.repositories[endpoint].datasets) != len(UNITS) * len(DETECTORS):
            wrong.append(f"{endpoint} serves {len(world.repositories[endpoint].datasets)} datasets")
    refusals = world.ledger.refusals()
    if [(item.unit, item.code) for item in refusals] != [(BAD, "truncated-file")]:
        wrong.append(f"quarantine holds {[(item.unit, item.code) for item in refusals]}")
    elif refusals[0].kept_as not in world.summit.names:
        wrong.append("the refused file is lost")
    if any(name.startswith(tuple(UNITS)) for name in world.summit.names):
        wrong.append("files are left at the summit")
    return wrong


def sweep(run: Callable[[World, Schedule], object], only: str = "") -> Iterator[list[str]]:
    """Kill at every operation, before and after; give what went wrong, kill by kill."""
    for schedule in every_crash(lambda counting: run(new_world(), counting), only):
        world = new_world()
        with pytest.raises(Killed):
            run(world, schedule)
        for store in world.stores.values():
            store.crash()
        wrong = [f"{schedule}: {fault}" for fault in look(world)]
        run(world, Schedule())
        yield wrong + [f"{schedule}, then again: {fault}" for fault in check_end(world)]


def test_killed_anywhere_and_run_again_each_exposure_is_published_exactly_once():
    outcomes = list(sweep(run_night))
    assert [fault for wrong in outcomes for fault in wrong] == []
    assert len(outcomes) > 150


def test_the_sweep_is_red_when_the_ledger_publishes_before_butler(monkeypatch):
    ingest = publishing._ingest

    def publish_first(backbone, rows, endpoint):
        units = [row.unit for row in rows]
        backbone.ledger.advance(units, endpoint, State.REGISTERED, State.PUBLISHED, "too early")
        return ingest(backbone, rows, endpoint)

    monkeypatch.setattr(publishing, "_ingest", publish_first)
    found = (fault for wrong in sweep(run_night, "MemoryRepository") for fault in wrong)
    assert any("Butler does not" in fault for fault in found)


def test_the_sweep_is_red_when_the_summit_is_released_too_early(monkeypatch):
    def release_what_landed(backbone, units):
        return [row for row in backbone.ledger.units(units).values() if row.manifest_sha256]

    monkeypatch.setattr(releasing, "find_releasable", release_what_landed)
    found = (fault for wrong in sweep(_hasty_night, "delete") for fault in wrong)
    assert any("left the summit" in fault for fault in found)


def _hasty_night(world, schedule):
    from dbb.flows.arrivals import receive_arrivals
    from dbb.flows.landing import land_units
    from support.world import NIGHT

    backbone = world.backbone(schedule)
    units = receive_arrivals(backbone, NIGHT).work
    land_units(backbone, units)
    releasing.release_units(backbone, units)
    return run_night(world, schedule)
