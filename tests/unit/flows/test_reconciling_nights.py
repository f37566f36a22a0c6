"""Which nights are compared at an endpoint, and when."""

import dataclasses

import pytest

from dbb.errors import BadDayObs
from dbb.flows.reconciling import choose_nights, reconcile_night
from dbb.model.day_obs import DayObs
from support.fake_nights import open_sources
from support.reconciled import settled
from support.world import NIGHT, World


def test_tonight_is_never_compared():
    world = World()
    with pytest.raises(BadDayObs, match="not over"):
        reconcile_night(open_sources(world), NIGHT)
    world.clock.advance((NIGHT.end - world.clock.now()).total_seconds() + 1800)
    with pytest.raises(BadDayObs, match="not over"):
        reconcile_night(open_sources(world), NIGHT)
    assert choose_nights(open_sources(world), "usdf", 3, 3) == []


def test_recent_nights_those_with_findings_and_the_longest_unseen_are_chosen():
    world, unit = settled()
    base = world.ledger.units([unit])[unit]
    nights = [20261001, 20261002, 20261003, 20261004]
    for day in nights:
        name = f"LSSTCam/{day}/MC_O_{day}_000001"
        obs_id = f"MC_O_{day}_000001"
        row = dataclasses.replace(base, unit=name, day_obs=day, obs_id=obs_id, manifest_sha256="")
        world.ledger.note_units([row])
    sources = open_sources(world)
    reconcile_night(sources, DayObs(20261001))
    world.stores["frdf"].put("raw/LSSTCam/20261003/stray", b"x")
    world.clock.advance(3600)
    reconcile_night(sources, DayObs(20261003))
    chosen = choose_nights(sources, "frdf", 1, 1)
    assert chosen == [DayObs(20261002), DayObs(20261003), NIGHT]
    for night in chosen:
        reconcile_night(sources, night)
        world.clock.advance(60)
    assert choose_nights(sources, "frdf", 1, 1) == [DayObs(20261003), DayObs(20261004), NIGHT]
    reconcile_night(sources, DayObs(20261004))
    assert choose_nights(sources, "frdf", 1, 1) == [DayObs(20261001), DayObs(20261003), NIGHT]


def test_what_one_endpoint_lacks_or_waits_for_is_no_turn_of_another():
    world, unit = settled()
    base = world.ledger.units([unit])[unit]
    for day in (20261001, 20261002):
        name, obs_id = f"LSSTCam/{day}/MC_O_{day}_000001", f"MC_O_{day}_000001"
        row = dataclasses.replace(base, unit=name, day_obs=day, obs_id=obs_id, manifest_sha256="")
        world.ledger.note_units([row])
    sources = open_sources(world)
    reconcile_night(sources, DayObs(20261001), ["usdf"])  # frdf's workers are away
    assert choose_nights(sources, "usdf", 0, 1) == [DayObs(20261002)]
    assert choose_nights(sources, "frdf", 0, 1) == [DayObs(20261001)]
    world.clock.advance(3600)
    world.stores["frdf"].put("raw/LSSTCam/20261002/stray", b"x")
    world.clock.advance(3600)
    reconcile_night(sources, DayObs(20261002), ["frdf"])
    assert choose_nights(sources, "frdf", 0, 0) == [DayObs(20261002)]
    assert choose_nights(sources, "usdf", 0, 0) == []
