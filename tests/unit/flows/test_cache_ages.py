"""How old what caches hold is."""

import datetime as dt

from dbb.flows.cache_ages import LASTS, note_cache_ages, read_cache_ages
from dbb.flows.expiring_units import UnitsPlace
from dbb.hooks.expiry import SqlExpiry
from dbb.model.day_obs import DayObs
from dbb.model.expiry import By, Rule
from dbb.model.kind import Kind
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night

RULE = Rule("month", ("frdf",), Kind.RAW, 30, By.OBSERVATION)


def look(world, rules):
    backbone = world.backbone()
    place = UnitsPlace(backbone, SqlExpiry(world.ledger), "frdf")
    note_cache_ages(backbone, place, rules)
    return read_cache_ages(backbone, ["frdf", "ukdf"])


def test_the_oldest_and_when_it_goes_are_told_long_before(tmp_path):
    world = World(ledger_url=f"sqlite:///{tmp_path}/ledger.db")
    units = [take_exposure(world.summit, number) for number in (1, 2)]
    world.settle()
    run_night(world)
    (age,) = look(world, [RULE])
    sizes = [row.size_bytes for row in world.ledger.units(units).values()]
    assert (age["endpoint"], age["rule"], age["items"], age["bytes"]) == (
        "frdf",
        "month",
        2,
        sum(sizes),
    )
    assert age["oldest_at"] == NIGHT.end.isoformat(timespec="seconds")
    assert age["next_at"] == (NIGHT.end + dt.timedelta(days=30)).isoformat(timespec="seconds")
    assert not age["is_old"]
    world.clock.advance(LASTS.total_seconds() + 1)
    assert read_cache_ages(world.backbone(), ["frdf"])[0]["is_old"]


def test_what_no_rule_selects_and_an_empty_cache_have_no_age():
    world = World()
    (age,) = look(world, [RULE])
    assert (age["items"], age["oldest_at"], age["next_at"]) == (0, None, None)
    assert look(world, []) == []
    assert DayObs(20261121) == NIGHT
