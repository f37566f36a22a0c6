"""What every ledger must do, whatever database it lies in: run with a fixture ``ledger``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dbb.digests import digest_bytes
from dbb.errors import ConflictingDuplicate, ForbiddenTransition, SchemaOutOfDate
from dbb.flows.inbox import keep_events
from dbb.hooks.inbox import SqlInbox
from dbb.model.delivery import State
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile
from dbb.model.quarantine import Decision, Refusal
from support.fake_clock import FixedClock
from support.ledger_units import NOW, OTHER, UNIT, facts, manifest, opened, row
from support.tiny_camera import unit_name


def test_a_unit_reads_back_as_it_was_noted(ledger):
    ledger.note_units([row()])
    assert ledger.units([UNIT, "unknown"]) == {UNIT: row()}
    assert ledger.units_of_night("LSSTCam", 20261121) == [row()]
    assert ledger.units_of_night("LATISS", 20261121) == []


def test_noting_a_unit_again_never_touches_what_is_sealed(ledger):
    opened(ledger)
    ledger.note_units([dataclasses.replace(row(), arrived=3)])
    assert ledger.units([UNIT])[UNIT].arrived == 3
    ledger.seal_unit(UNIT, manifest(), facts())
    sealed = ledger.units([UNIT])[UNIT]
    ledger.note_units([dataclasses.replace(row(), arrived=9, expected=9)])
    assert ledger.units([UNIT])[UNIT] == sealed
    assert sealed.missing == ("R22_S11",)
    assert sealed.bundle == manifest().bundle


def test_a_sealed_unit_changes_only_until_a_copy_is_verified(ledger):
    opened(ledger)
    ledger.seal_unit(UNIT, manifest(), facts())
    ledger.seal_unit(UNIT, manifest(), facts())
    ledger.seal_unit(UNIT, manifest(sha256="b" * 64), facts())
    ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "landed")
    ledger.advance([UNIT], "usdf", State.ARRIVED, State.VERIFIED, "read back")
    ledger.seal_unit(UNIT, manifest(sha256="b" * 64), facts())
    with pytest.raises(ConflictingDuplicate):
        ledger.seal_unit(UNIT, manifest(sha256="c" * 64), facts())
    assert ledger.units([UNIT])[UNIT].bundle.sha256 == "b" * 64


def test_facts_read_back_as_they_were_translated(ledger):
    opened(ledger)
    odd = dataclasses.replace(facts(), can_see_sky=None, airmass=None)
    ledger.seal_unit(UNIT, manifest(), odd)
    assert ledger.facts_of([UNIT]) == {UNIT: odd}


def test_expecting_twice_is_once(ledger):
    opened(ledger)
    ledger.expect([UNIT], "usdf", "again")
    delivery = ledger.deliveries([UNIT])[UNIT, "usdf"]
    assert (delivery.state, delivery.version, delivery.reason) == (State.EXPECTED, 0, "seen")
    assert len(ledger.events(UNIT)) == 1


def test_a_delivery_moves_only_from_the_state_that_was_named(ledger):
    units = opened(ledger, UNIT, OTHER)
    assert ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "came") == {UNIT}
    assert ledger.advance(units, "usdf", State.EXPECTED, State.ARRIVED, "came") == {OTHER}
    assert ledger.advance(units, "usdf", State.EXPECTED, State.ARRIVED, "came") == set()
    assert ledger.advance(units, "frdf", State.EXPECTED, State.ARRIVED, "came") == set()


def test_a_forbidden_step_is_refused_before_the_database_is_asked(ledger):
    opened(ledger)
    with pytest.raises(ForbiddenTransition):
        ledger.advance([UNIT], "usdf", State.EXPECTED, State.PUBLISHED, "no")


def test_reading_back_is_remembered_with_its_time(ledger):
    opened(ledger)
    ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "landed")
    assert ledger.deliveries([UNIT])[UNIT, "usdf"].verified_at is None
    ledger.advance([UNIT], "usdf", State.ARRIVED, State.VERIFIED, "read back")
    ledger.advance([UNIT], "usdf", State.VERIFIED, State.REGISTERED, "known")
    assert ledger.deliveries([UNIT])[UNIT, "usdf"].verified_at == FixedClock().now()


def test_each_step_is_one_event_and_the_history_cannot_be_changed(ledger):
    opened(ledger)
    ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "landed")
    events = ledger.events(UNIT)
    assert [(e.version, e.old_state, e.new_state, e.actor) for e in events] == [
        (0, "", State.EXPECTED, "test"),
        (1, "expected", State.ARRIVED, "test"),
    ]
    for change in ("update delivery_event set reason = 'x'", "delete from delivery_event"):
        with pytest.raises(DBAPIError, match="append-only"), ledger.engine.begin() as connection:
            connection.execute(text(change))


def test_only_what_is_published_is_available(ledger):
    opened(ledger)
    ledger.seal_unit(UNIT, manifest(), facts())
    road = [State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED]
    for old, new in itertools.pairwise(road):
        with ledger.engine.begin() as connection:
            assert connection.execute(text("select * from available")).all() == []
        ledger.advance([UNIT], "usdf", old, new, "on")
    with ledger.engine.begin() as connection:
        assert connection.execute(text("select unit from available")).scalars().all() == [UNIT]


def test_what_an_endpoint_serves_is_counted_in_units_and_bytes(ledger):
    opened(ledger)
    ledger.seal_unit(UNIT, manifest(), facts())
    assert ledger.count_published("usdf") == (0, 0)
    road = [State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED]
    for old, new in itertools.pairwise(road):
        ledger.advance([UNIT], "usdf", old, new, "on")
    assert ledger.count_published("usdf") == (1, ledger.units([UNIT])[UNIT].size_bytes)
    assert ledger.count_published("frdf") == (0, 0)


def test_a_rule_that_was_ended_is_forgotten(ledger):
    opened(ledger)
    ledger.set_rules({UNIT: "0" * 32}, "usdf")
    assert ledger.deliveries([UNIT])[UNIT, "usdf"].rule_id == "0" * 32
    ledger.set_rules({UNIT: None}, "usdf")
    assert ledger.deliveries([UNIT])[UNIT, "usdf"].rule_id is None


def test_a_refusal_is_one_row_however_often_it_happens(ledger):
    refusal = Refusal("r1", UNIT, 20261121, "summit", "x", "q/x", "code", "why", "do", NOW)
    ledger.refuse([refusal])
    ledger.refuse([dataclasses.replace(refusal, found_at=NOW + dt.timedelta(days=1))])
    assert ledger.refusals() == [refusal]
    assert ledger.refusals(unit=UNIT, day_obs=20261121) == [refusal]
    assert ledger.refusals(unit=OTHER) == ledger.refusals(day_obs=20261120) == []


def test_a_decision_is_taken_once(ledger):
    refusal = Refusal("r1", UNIT, 20261121, "summit", "x", "q/x", "code", "why", "do", NOW)
    ledger.refuse([refusal])
    assert ledger.decide(["r1"], Decision.REJECTED, "ana") == 1
    assert ledger.decide(["r1"], Decision.RELEASED, "bo") == 0
    assert ledger.refusals() == []
    [decided] = ledger.refusals(decision=None)
    assert (decided.decision, decided.decided_by) == (Decision.REJECTED, "ana")


def test_migrating_twice_is_once(ledger):
    assert ledger.migrate() == 0
    ledger.check()


def test_a_ledger_that_lacks_a_migration_below_its_newest_is_refused(ledger):
    with ledger.engine.begin() as connection:
        connection.execute(text("delete from schema_migration where version = 7"))
    with pytest.raises(SchemaOutOfDate, match="lacks migrations: 7;"):
        ledger.check()


def test_a_ledger_of_another_schema_is_refused(ledger):
    with ledger.engine.begin() as connection:
        connection.execute(text("insert into schema_migration values (999, 'future', '')"))
    with pytest.raises(SchemaOutOfDate):
        ledger.check()


def test_of_many_workers_one_wins_each_step(ledger):
    units = opened(ledger, *(unit_name(number) for number in range(1, 21)))
    wins: list[set[str]] = []

    def work():
        wins.append(ledger.advance(units, "usdf", State.EXPECTED, State.ARRIVED, "me"))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(wins) == 4
    assert sorted(unit for won in wins for unit in won) == units


def parcel(data: bytes = b"x") -> Parcel:
    return Parcel(
        unit="files/20261121/weather-1",
        kind=Kind.FILE,
        instrument="",
        program="",
        day_obs=20261121,
        files=(ParcelFile(SafeName("20261121/weather-1/log.txt"), digest_bytes(data)),),
    )


def test_a_parcel_is_one_unit_and_changes_only_until_a_copy_is_verified(ledger):
    first, other = parcel(), parcel(b"y")
    ledger.seal_parcel(first)
    ledger.seal_parcel(other)
    ledger.seal_parcel(first)
    row = ledger.units([first.unit])[first.unit]
    assert (row.manifest_sha256, row.bundle, row.files) == (first.sha256, None, 2)
    assert row.size_bytes == 1 + len(first.data)
    ledger.expect([first.unit], "usdf", "test")
    ledger.advance([first.unit], "usdf", State.EXPECTED, State.ARRIVED, "test")
    ledger.advance([first.unit], "usdf", State.ARRIVED, State.VERIFIED, "test")
    ledger.seal_parcel(first)
    with pytest.raises(ConflictingDuplicate):
        ledger.seal_parcel(other)
    assert ledger.days_of_kind(Kind.FILE) == [20261121]
    assert [each.unit for each in ledger.units_of_kind(Kind.FILE, 20261121)] == [first.unit]


def test_a_copy_that_waits_keeps_the_time_of_its_first_reason(ledger):
    unit = parcel().unit
    ledger.seal_parcel(parcel())
    ledger.expect([unit], "frdf", "test")
    assert [each.unit for each in ledger.open_deliveries("frdf")] == [unit]
    ledger.note_waiting({unit: "link down"}, "frdf")
    first = ledger.open_deliveries("frdf")[0].stuck_at
    ledger.note_waiting({unit: "no space"}, "frdf")
    (found,) = ledger.open_deliveries("frdf")
    assert (found.waits_for, found.stuck_at) == ("no space", first)
    ledger.advance([unit], "frdf", State.EXPECTED, State.ARRIVED, "test")
    (found,) = ledger.open_deliveries("frdf")
    assert (found.waits_for, found.stuck_at) == ("", None)


def test_an_event_is_kept_once_and_settled_once(ledger):
    inbox = SqlInbox(ledger)
    said = b'{"scope": "raw", "name": "a/b", "dst-rse": "FRDF", "request-id": "%d"}'
    assert keep_events(inbox, [said % 1, said % 2, said % 1, b"poison"], "kafka")["kept"] == 3
    assert keep_events(inbox, [said % 1, said % 2], "hermes")["kept"] == 0
    number, newest = inbox.newest("FRDF")
    assert (number, newest is None) == (2, False)
    inbox.settle([each.event_id for each in inbox.fresh("FRDF", 1)])
    assert inbox.newest("FRDF")[0] == 1
    assert [each.code for each in inbox.find("poison", "", 9)] == ["poison-event"]
    assert inbox.newest("UKDF") == (0, None)


def test_which_regions_a_unit_touches_is_kept_for_a_version(ledger):
    opened(ledger, UNIT, OTHER)
    both = [UNIT, OTHER]
    ledger.note_regions({UNIT: frozenset({"uk", "deep"}), OTHER: None}, "1")
    assert ledger.regions_of(both, "1") == {UNIT: frozenset({"uk", "deep"}), OTHER: None}
    assert ledger.regions_of(both, "2") == {}
    ledger.note_regions({UNIT: frozenset()}, "2")
    assert ledger.regions_of(both, "2") == {UNIT: frozenset()}
    assert ledger.regions_of(both, "1") == {OTHER: None}
