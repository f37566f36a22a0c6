"""Healing: each kind of finding ends by its remedy, what is lost is named, and brakes hold."""

import contextlib

import pytest

from dbb.errors import PlanRefused, StoreUnavailable
from dbb.flows.cargo import stored_name
from dbb.flows.copies import look_for_copies
from dbb.flows.deciding import Signature, release_refusal
from dbb.flows.healing import (
    MOST_UNITS,
    apply_mending,
    find_for_person,
    is_large,
    plan_healing,
    plan_mending,
)
from dbb.flows.healing_steps import DELIVER, FETCH, INGEST, QUARANTINE
from dbb.flows.publishing import publish_units
from dbb.flows.reconcile_views import CONFIRM_AFTER
from dbb.flows.reconciling import reconcile_night
from dbb.flows.repairing import HOLD, LOSE, finish_repairs
from dbb.hooks.keeping import SqlKeeping
from dbb.hooks.ledger import SqlLedger
from dbb.model.delivery import State
from dbb.model.finding import Discrepancy, Remedy
from dbb.model.plan import Line, Plan
from support.discrepancies import CASES
from support.fake_nights import open_sources
from support.faults import Killed, every_crash
from support.staged_units import bring, bundle, document
from support.world import NIGHT, World

ORDER_OF_REPAIR = ("frdf", "ukdf", "chile")
DAY_S = 24 * 3600
PLACES = ("usdf", "frdf", "ukdf")


def settled(stage="done"):
    """A world in which a night is over: three exposures done, a fourth as far as a stage."""
    world = World()
    world.sky.touched["MC_O_20261121_000001"] = frozenset({"uk"})
    bring(world, range(1, 4))
    (unit,) = bring(world, range(4, 5), stage)
    world.clock.advance(DAY_S)
    return world, unit


def confirm(world):
    for _ in range(2):
        reconcile_night(open_sources(world), NIGHT)
        world.clock.advance(CONFIRM_AFTER.total_seconds() + 1)


def rows_of(world):
    return SqlKeeping(world.ledger)


def mend(world, **options):
    """Plan and apply, as the DAG does."""
    sources, rows = open_sources(world), rows_of(world)
    finish_repairs(sources.backbone, rows)
    plan = plan_mending(sources, rows, ORDER_OF_REPAIR)
    apply_mending(sources, rows, ORDER_OF_REPAIR, plan.sha256, **options)
    return plan


def go_on(world):
    """What the daemons and the endpoints' own DAGs do meanwhile."""
    world.catalog.run_daemons()
    backbone = world.backbone()
    for endpoint in world.policy.receivers:
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)


def open_findings(world):
    found = open_sources(world).findings.find()
    return {
        (each.sighting.endpoint, each.sighting.discrepancy, each.sighting.subject) for each in found
    }


def until_well(world, rounds=6):
    """Mend, wait and look again until nothing is found; give all actions that were planned."""
    actions = []
    for _ in range(rounds):
        actions += [(line.action, line.subject) for line in mend(world).lines]
        go_on(world)
        world.clock.advance(3 * DAY_S)
        reconcile_night(open_sources(world), NIGHT)
        world.clock.advance(CONFIRM_AFTER.total_seconds() + 1)
        reconcile_night(open_sources(world), NIGHT)
        if not open_findings(world):
            break
    return actions


HEALED = [case for case in CASES if case.discrepancy.remedy is not Remedy.PERSON]
FOR_PERSON = [case for case in CASES if case.discrepancy.remedy is Remedy.PERSON]
WHOLE = (State.PUBLISHED, State.RELEASED, None)


def copies(world):
    """Give every byte at the endpoints, except what was set aside."""
    return {
        (place, name): world.stores[place].data(name)
        for place in PLACES
        for name in world.stores[place].names
        if not name.startswith("quarantine/")
    }


@pytest.mark.parametrize("case", HEALED, ids=str)
def test_each_finding_is_set_right_without_a_person(case):
    world, unit = settled(case.stage)
    before = copies(world)
    case.plant(world, unit)
    world.clock.advance(3600)
    confirm(world)
    assert open_findings(world)
    until_well(world)
    if case.discrepancy is Discrepancy.MANIFEST_UNREADABLE:  # spoilt wherever it was published
        assert world.state(unit, "usdf") is State.LOST
        assert "copies-lost" in world.codes(unit)
        return
    assert open_findings(world) == set()
    assert world.state(unit, "usdf") is State.PUBLISHED
    if case.stage == "done":
        after = copies(world)
        wanted_now = {key for key in after if key[0] == "ukdf"}  # a policy that was widened
        assert {key: after[key] for key in before} == before
        assert after.keys() - before.keys() <= wanted_now


@pytest.mark.parametrize("case", FOR_PERSON, ids=str)
def test_what_a_person_decides_is_told_and_left_alone(case):
    world, unit = settled(case.stage)
    case.plant(world, unit)
    world.clock.advance(3600)
    confirm(world)
    before = copies(world)
    assert not plan_healing(open_sources(world))
    assert {each.sighting.discrepancy for each in find_for_person(open_sources(world))} == {
        case.discrepancy
    }
    assert copies(world) == before


def test_what_one_scan_saw_is_not_acted_on():
    world, unit = settled()
    world.stores["frdf"].delete([stored_name(bundle(unit))])
    reconcile_night(open_sources(world), NIGHT)
    assert not plan_healing(open_sources(world))


def test_what_was_mended_since_is_not_acted_on():
    world, unit = settled()
    name = stored_name(bundle(unit))
    data = world.stores["frdf"].data(name)
    world.stores["frdf"].delete([name])
    confirm(world)
    world.stores["frdf"].put(name, data)
    assert not plan_healing(open_sources(world))


def test_planning_confirms_nothing_so_that_the_plan_made_again_is_the_same():
    world, unit = settled()
    world.stores["frdf"].delete([stored_name(bundle(unit))])
    confirm(world)
    world.stores["frdf"].put(f"raw/{unit}/core", b"dark")
    world.clock.advance(3600)
    reconcile_night(open_sources(world), NIGHT)
    world.clock.advance(CONFIRM_AFTER.total_seconds() + 1)
    first = plan_healing(open_sources(world))
    assert plan_healing(open_sources(world)).sha256 == first.sha256
    assert [line.action for line in first.lines] == [FETCH]


def test_a_dark_file_is_moved_with_a_row_and_can_be_put_back():
    world, unit = settled()
    name = f"raw/{unit}/core.4711"
    world.stores["frdf"].put(name, b"nobody's")
    world.clock.advance(3600)
    confirm(world)
    (line,) = mend(world).lines
    assert (line.action, line.subject, line.names) == (QUARANTINE, "frdf", (name,))
    (refusal,) = world.ledger.refusals(day_obs=NIGHT.value)
    assert (refusal.code, refusal.endpoint, refusal.name) == ("dark-file", "frdf", name)
    assert world.stores["frdf"].data(refusal.kept_as) == b"nobody's"
    assert world.stores["frdf"].stat(name) is None
    release_refusal(world.backbone(), refusal, Signature("test", "it is mine"))
    assert world.stores["frdf"].data(name) == b"nobody's"


def test_nothing_is_taken_away_that_too_few_publish_elsewhere():
    world, unit = settled()
    name = stored_name(bundle(unit))
    world.stores["ukdf"].put(name, world.stores["usdf"].data(name))
    world.clock.advance(DAY_S)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, State.SUSPECT, "test")
    confirm(world)
    assert not [line for line in plan_healing(open_sources(world)).lines if line.subject == "ukdf"]
    assert world.stores["ukdf"].stat(name) is not None


def spoil(world, unit, endpoint):
    name = stored_name(bundle(unit))
    world.stores[endpoint].put(name, world.stores[endpoint].data(name)[:-7])


def test_a_unit_all_of_whose_copies_are_bad_is_lost_by_name_and_served_nowhere():
    world, unit = settled()
    keys = [entry.ref["id"] for entry in document(world, unit).images if entry.ref]
    for endpoint in ("usdf", "frdf"):
        spoil(world, unit, endpoint)
    confirm(world)
    planned = [mend(world) for _ in range(3)]
    assert [(line.subject, line.names) for line in planned[0].of(FETCH)] == [
        ("frdf", (unit,)), ("usdf", (unit,)),
    ]  # fmt: skip
    assert [line.names for plan in planned for line in plan.of(LOSE)] == [(unit,)]
    assert world.state(unit, "usdf") is State.LOST
    for endpoint in ("usdf", "frdf"):
        assert world.repositories[endpoint].locate(keys) == {}
    go_on(world)
    assert world.state(unit, "frdf") is not State.PUBLISHED


def test_copies_that_agree_with_each_other_and_not_with_the_ledger_are_not_called_lost():
    world, unit = settled()
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql(
            "update unit set manifest_sha256 = ? where unit = ?", ("0" * 64, unit)
        )
    for endpoint in ("usdf", "frdf"):
        world.ledger.advance([unit], endpoint, State.PUBLISHED, State.SUSPECT, "test")
    (line,) = plan_mending(open_sources(world), rows_of(world), ORDER_OF_REPAIR).lines
    assert (line.action, line.names) == (HOLD, (unit,))
    assert "agree" in line.detail


def test_a_stale_plan_is_refused_and_changes_nothing():
    world, unit = settled()
    spoil(world, unit, "frdf")
    confirm(world)
    sources, rows = open_sources(world), rows_of(world)
    old = plan_mending(sources, rows, ORDER_OF_REPAIR)
    world.stores["frdf"].put(f"raw/{unit}/core", b"dark")
    world.clock.advance(3600)
    confirm(world)
    with pytest.raises(PlanRefused):
        apply_mending(sources, rows, ORDER_OF_REPAIR, old.sha256)
    assert world.state(unit, "frdf") is State.PUBLISHED


@pytest.mark.parametrize(("number", "large"), [(10, False), (11, True)])
def test_more_than_ten_and_one_per_cent_need_a_person(number, large):
    world = World()
    units = bring(world, range(1, 13))
    world.clock.advance(DAY_S)
    for unit in units[:number]:
        world.stores["frdf"].delete([stored_name(bundle(unit))])
    confirm(world)
    sources, rows = open_sources(world), rows_of(world)
    plan = plan_mending(sources, rows, ORDER_OF_REPAIR)
    assert is_large(sources, plan) is large
    if large:
        with pytest.raises(PlanRefused):
            apply_mending(sources, rows, ORDER_OF_REPAIR, plan.sha256)
        assert {world.state(unit, "frdf") for unit in units} == {State.PUBLISHED}
    apply_mending(sources, rows, ORDER_OF_REPAIR, plan.sha256, accept_large=large)
    assert [world.state(unit, "frdf") for unit in units].count(State.MISSING) == number


def test_more_than_the_largest_number_needs_a_person_even_of_a_large_archive(monkeypatch):
    world, _ = settled()
    monkeypatch.setattr(SqlLedger, "count_published", lambda *_: (10_000_000, 0))
    lines = (Line(FETCH, "frdf", units=MOST_UNITS), Line(DELIVER, "frdf", units=10 * MOST_UNITS))
    assert not is_large(open_sources(world), Plan(lines))
    more = (*lines, Line(INGEST, "frdf", units=1))
    assert is_large(open_sources(world), Plan(more))


def test_a_unit_that_butler_refuses_costs_the_others_nothing():
    world, unit = settled()
    other = bring(world, range(5, 6))[0]
    world.clock.advance(DAY_S)
    for each in (unit, other):
        key = next(entry.ref["id"] for entry in document(world, each).images if entry.ref)
        del world.repositories["frdf"].datasets[key]
    world.repositories["frdf"].refused[unit] = "no"
    confirm(world)
    (line,) = mend(world).lines
    assert (line.action, line.names) == (INGEST, (unit, other))
    assert world.state(unit, "frdf") is State.SUSPECT
    assert world.codes(unit) == ["ingest-refused"]
    assert world.state(other, "frdf") is State.PUBLISHED


def test_a_silent_store_defers_what_needs_it():
    world, unit = settled()
    world.stores["frdf"].delete([stored_name(bundle(unit))])
    confirm(world)

    def silent(prefix):
        raise StoreUnavailable.for_store("frdf", prefix)

    world.stores["frdf"].list_files = silent
    assert not plan_healing(open_sources(world))


@pytest.mark.parametrize(
    "case", [c for c in HEALED if c.discrepancy is not Discrepancy.MANIFEST_UNREADABLE], ids=str
)
def test_healing_killed_at_any_step_ends_the_same(case):
    def start():
        world, unit = settled(case.stage)
        case.plant(world, unit)
        world.clock.advance(3600)
        confirm(world)
        return world, unit

    def run(schedule):
        world, unit = start()
        sources, rows = open_sources(world, schedule), rows_of(world)
        plan = plan_mending(open_sources(world), rows, ORDER_OF_REPAIR)
        with contextlib.suppress(Killed):
            apply_mending(sources, rows, ORDER_OF_REPAIR, plan.sha256)
        return world, unit

    for schedule in list(every_crash(run))[::7]:  # every seventh moment: the cases are many
        world, unit = run(schedule)
        until_well(world)
        assert open_findings(world) == set(), schedule
        assert world.state(unit, "usdf") is State.PUBLISHED


@pytest.mark.parametrize("place", ["usdf", "frdf"])
@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "cut short"])
def test_a_bad_replica_is_back_within_the_hour_by_the_schedules_of_the_dags(place, is_gone):
    """`reconcile_…` at :05, :20, :35, :50 and `repair` ten minutes later; the damage comes just after a scan."""
    world, unit = settled()
    before = copies(world)
    reconcile_night(open_sources(world), NIGHT)
    if is_gone:
        world.stores[place].delete([stored_name(bundle(unit))])
    else:
        spoil(world, unit, place)
    minutes = 0
    while minutes < 60:
        minutes += 5
        world.clock.advance(300)
        if minutes % 15 == 0:
            reconcile_night(open_sources(world), NIGHT)
        if minutes % 15 == 10:
            mend(world)
        go_on(world)
        if copies(world) == before and world.state(unit, place) is State.PUBLISHED and minutes > 30:
            break
    assert copies(world) == before
    assert world.state(unit, place) is State.PUBLISHED
