"""The canary: through everything, measured, named where it sticks, and nothing left behind."""

import datetime as dt

import pytest

from dbb.errors import CanaryStuck, CatalogUnavailable, StoreUnavailable
from dbb.flows.canary import PERIOD_S, overdue, tidy
from dbb.hooks.canary_rows import SqlCanaries
from dbb.hooks.keeping import SqlKeeping
from support.canary_world import Aviary
from support.faults import Killed, every_crash
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night

STAGES = [
    "lay down", "bundle", "register in Rucio", "publish at usdf", "read at usdf", "copy to frdf",
    "publish at frdf", "read at frdf",
]  # fmt: skip


@pytest.fixture
def world():
    return World()


@pytest.fixture
def aviary(world):
    return Aviary(world)


def rows(world):
    return SqlCanaries(world.ledger)


def test_a_canary_goes_all_the_way_and_each_stage_is_timed(world, aviary):
    canary = aviary.fly()
    assert canary.outcome == "through"
    stages = rows(world).stages(canary)
    assert sorted(stages) == sorted(STAGES)
    assert list(stages.values()) == sorted(stages.values())
    assert stages["lay down"] < stages["read at frdf"]
    assert canary.removed_at is not None
    assert aviary.left() == []


def test_after_many_canaries_nothing_is_left_and_nothing_has_seen_them(world, aviary):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    before = {
        "files": {name: list(store.names) for name, store in world.stores.items()},
        "served": {name: dict(each.datasets) for name, each in world.repositories.items()},
        "known": (dict(world.catalog.files), dict(world.catalog.datasets)),
        "ledger": seen(world),
    }
    for _ in range(20):
        assert aviary.fly().outcome == "through"
        world.clock.advance(PERIOD_S)
    assert aviary.left() == []
    assert before == {
        "files": {name: list(store.names) for name, store in world.stores.items()},
        "served": {name: dict(each.datasets) for name, each in world.repositories.items()},
        "known": (dict(world.catalog.files), dict(world.catalog.datasets)),
        "ledger": seen(world),
    }
    assert len(rows(world).newest(100)) == 20
    assert rows(world).left() == []


def seen(world):
    """Gather what the ledger's figures are made of: units, refusals, losses, copies."""

    account = SqlKeeping(world.ledger).account("summit", dt.timedelta(days=3650))
    units = world.ledger.units_of_night("LSSTCam", NIGHT.value)
    others = world.ledger.units_of_night("DBBCanary", 20170102)
    return units, others, world.codes(), account, world.ledger.count_published("usdf")


@pytest.mark.parametrize(
    ("break_it", "step"),
    [
        (lambda world: broken_rucio(world, "register"), "register in Rucio"),
        (lambda world: broken_store(world, "summit"), "lay down"),
        (
            lambda world: world.repositories["frdf"].refused.update(Everything("no")),
            "publish at frdf",
        ),
        (lambda world: broken_rucio(world, "run_daemons"), "copy to frdf"),
    ],
)
def test_a_canary_that_sticks_names_the_step_and_leaves_nothing(
    world, aviary, monkeypatch, break_it, step
):
    for target, name, replacement in break_it(world) or ():
        monkeypatch.setattr(target, name, replacement)
    with pytest.raises(CanaryStuck, match=f"stuck at {step}"):
        aviary.fly()
    (canary,) = rows(world).newest(1)
    assert (canary.outcome, canary.stuck_at) == ("stuck", step)
    assert canary.reason
    assert overdue(rows(world), world.clock.now()).code == "canary-stuck"
    monkeypatch.undo()
    world.repositories["frdf"].refused = {}
    assert aviary.fly().outcome == "through"
    assert aviary.left() == []
    assert overdue(rows(world), world.clock.now()) is None


class Everything(dict):
    """Have an answer for every unit."""

    def __init__(self, why):
        super().__init__({f"DBBCanary/20170102/DC_O_20170102_{n:06d}": why for n in range(1, 9)})


def broken_rucio(world, call):
    def away(*_, **__):
        raise CatalogUnavailable.for_call(call, "away")

    return [(world.catalog, call, (lambda *_: None) if call == "run_daemons" else away)]


def broken_store(world, name):
    def away(*_, **__):
        raise StoreUnavailable.for_store(name, "away")

    return [(world.stores[name], "create", away)]


def test_bytes_that_read_otherwise_are_found(aviary, monkeypatch):
    read = Aviary.read
    monkeypatch.setattr(
        Aviary, "read", lambda self, place, name: read(self, place, name)[:-1] + b"?"
        if place == "frdf" else read(self, place, name),
    )  # fmt: skip
    with pytest.raises(CanaryStuck, match=r"stuck at read at frdf.*other bytes"):
        aviary.fly()


def test_no_canary_for_two_periods_is_told(world, aviary):
    assert overdue(rows(world), world.clock.now()) is None
    aviary.fly()
    world.clock.advance(2 * PERIOD_S + 60)
    assert "no canary has come since" in str(overdue(rows(world), world.clock.now()))


def test_copies_that_rucio_does_not_delete_are_told_after_a_day(world, aviary, monkeypatch):
    monkeypatch.setattr(world.catalog, "drop_rules", lambda _: None)
    canary = aviary.fly()
    assert canary.outcome == "through"
    assert canary.removed_at is None
    cage = aviary.cage()
    assert tidy(cage, world.clock.now()) == [canary.number]
    world.clock.advance(90_000)
    with pytest.raises(CanaryStuck, match="remove"):
        tidy(cage, world.clock.now())


def test_killed_anywhere_the_next_run_cleans_up_and_comes_through():
    """Kill before and after each operation of each port; the next run leaves nothing of either."""
    number = 0
    for schedule in every_crash(lambda schedule: Aviary(World()).fly(schedule)):
        number += 1
        if number % 8:  # each eighth kill: the sweep stays within seconds
            continue
        world = World()
        aviary = Aviary(world)
        with pytest.raises(Killed):
            aviary.fly(schedule)
        world.clock.advance(PERIOD_S)
        assert aviary.fly().outcome == "through", schedule
        assert aviary.left() == [], schedule
        assert rows(world).left() == [], schedule
    assert number > 50


def test_a_removal_that_forgets_the_registry_turns_the_tests_red(world, aviary, monkeypatch):
    """Plant a bug: the files go, and the datasets stay."""
    for repository in world.repositories.values():
        monkeypatch.setattr(repository, "withdraw", lambda _: None)
    canary = aviary.fly()
    assert canary.removed_at is None
    assert aviary.left() != []
