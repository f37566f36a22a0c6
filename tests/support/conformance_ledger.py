"""What every ledger must do, whatever database it lies in: run with a fixture ``ledger``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import threading
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dbb.digests import digest_bytes
from dbb.errors import BadDocument, ConflictingDuplicate, ForbiddenTransition, SchemaOutOfDate
from dbb.flows.inbox import keep_events
from dbb.flows.scrubbing import Run
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.keeping import SqlKeeping
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.lfa import SqlLfaObjects
from dbb.hooks.nights import SqlNights
from dbb.hooks.page_views import SqlViews
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.lfa import Announcement
from dbb.model.loss import LossAccount
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile
from dbb.model.quarantine import Decision, Refusal
from dbb.ports import UnitRow
from support.fake_clock import FixedClock
from support.fake_images import MemoryInspector
from support.tiny_camera import unit_name

NOW = dt.datetime(2026, 11, 22, 4, 0, 0, 123456, tzinfo=dt.UTC)
UNIT, OTHER = unit_name(1), unit_name(2)


def row(name: str = UNIT) -> UnitRow:
    return UnitRow(
        unit=name,
        kind="raw",
        instrument="LSSTCam",
        day_obs=20261121,
        obs_id=name.rsplit("/", 1)[-1],
        part=1,
        expected=3,
        arrived=2,
        missing=(),
        changed_at=NOW,
    )


def manifest(name: str = UNIT, sha256: str = "a" * 64) -> Manifest:
    digest = Digest(5, sha256, "00000001", "00000002")
    return Manifest(
        unit=Unit.parse(name),
        scope="raw",
        bundle=digest,
        entries=(Entry(SafeName("x.fits"), digest, {"id": str(uuid.UUID(int=1))}),),
        missing=("R22_S11",),
        universe={},
        records={},
    )


def facts(name: str = UNIT):
    header = {"EXPTIME": 30, "FILTER": "r_57", "IMGTYPE": "science"}
    return MemoryInspector().translate(name, header, Unit.parse(name))


def opened(ledger: SqlLedger, *names: str) -> list[str]:
    units = list(names or (UNIT,))
    ledger.note_units([row(name) for name in units])
    ledger.expect(units, "usdf", "seen")
    return units


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


# -- parcels, waiting, events, objects -------------------------------------------------------------


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
    inbox = SqlInbox(ledger, FixedClock())
    said = b'{"scope": "raw", "name": "a/b", "dst-rse": "FRDF", "request-id": "%d"}'
    assert keep_events(inbox, [said % 1, said % 2, said % 1, b"poison"], "kafka")["kept"] == 3
    assert keep_events(inbox, [said % 1, said % 2], "hermes")["kept"] == 0
    number, newest = inbox.newest("FRDF")
    assert (number, newest is None) == (2, False)
    inbox.settle([each.event_id for each in inbox.fresh("FRDF", 1)])
    assert inbox.newest("FRDF")[0] == 1
    assert [each.code for each in inbox.find("poison", "", 9)] == ["poison-event"]
    assert inbox.newest("UKDF") == (0, None)


def test_an_object_of_the_annex_goes_one_way_only(ledger):
    objects = SqlLfaObjects(ledger, FixedClock())
    said = Announcement.of_listing("bucket", "DREAM:1/dream/2026/11/21/x.fits")
    assert objects.announce([(said, "replicate", True)] * 2) == 1
    late = BadDocument.for_document("x", "too late")
    at = FixedClock().now()
    objects.wait(said.key, late, at)
    (known,) = objects.by_key([said.key])
    objects.check(known, digest_bytes(b"x"), "0" * 32, "1 tag")
    objects.refuse(known, late, "", at)
    objects.wait(said.key, late, at)
    objects.assign([said.key], "lfa/20261121/objects-1")
    objects.assign([said.key], "lfa/20261121/objects-2")
    objects.seal("lfa/20261121/objects-1")
    (found,) = objects.of_day(20261121, "sealed")
    assert (found.state, found.unit, found.size_bytes) == ("sealed", "lfa/20261121/objects-1", 1)
    assert (found.code, found.md5, found.stamp) == ("", "0" * 32, "1 tag")
    objects.send_back(said.key, late)
    assert [each.key for each in objects.of_unit(found.unit)] == [said.key]
    assert (objects.due(9), objects.loose(9), objects.units_to_seal()) == ([], [], [])
    assert objects.announce([(said, "replicate", True)]) == 0
    assert objects.folders() == ["DREAM:1/dream"]


def test_an_object_of_the_annex_is_merged_compared_and_looked_for_in_turn(ledger):
    clock = FixedClock()
    objects = SqlLfaObjects(ledger, clock)
    keys = [f"DREAM/dream/2026/11/21/{number}.fits" for number in range(3)]
    for key in keys:
        objects.announce([(Announcement.of_listing("bucket", key), "replicate", False)])
        clock.advance(1)
    assert [each.key for each in objects.due(2)] == keys[:2]
    objects.wait(keys[0], None, clock.now() + dt.timedelta(hours=1))
    assert [each.key for each in objects.due(9)] == keys[1:]
    assert objects.note_stamps({keys[0]: "1 tag", "unknown": "1 tag"}) == 0
    assert len(objects.due(9)) == 3
    (known,) = objects.by_key(keys[:1])
    objects.check(known, digest_bytes(b"x"), "0" * 32, "1 tag")
    assert objects.note_stamps({keys[0]: "1 tag"}) == 0
    topic = "lsst.sal.Novelty.logevent_largeFileObjectAvailable"
    for fields in ({"byteSize": 1}, {"checkSum": "1" * 32, "byteSize": 2, "id": "a"}):
        for key in keys[:2]:
            said = Announcement.of_event(topic, {"url": f"s3://bucket/{key}", **fields})
            assert objects.announce([(said, "ingest", True)]) == 0
    first, second = objects.by_key(keys[:2])
    assert (first.csc, first.declared_bytes, bool(first.doubt)) == ("DREAM", 2, True)
    assert (second.csc, second.declared_md5, second.doubt) == ("Novelty", "1" * 32, "")
    assert [each.key for each in objects.doubtful(9)] == keys[:1]
    objects.settle(known, "2" * 32, "1 other")
    assert [each.key for each in objects.doubtful(9)] == keys[:1], "it was declared meanwhile"
    objects.settle(first, "2" * 32, "1 other")
    assert objects.doubtful(9) == []
    assert objects.note_stamps({keys[0]: "2 tag"}) == 1
    assert objects.note_stamps({keys[0]: "2 tag"}) == 1
    objects.note_dataset(keys[0], "an-id", None)
    assert objects.holders(["an-id", "none"]) == {"an-id": keys[0]}
    assert objects.newest() == clock.now() - dt.timedelta(seconds=1)


def test_up_to_when_the_efd_was_asked_goes_forward_only(ledger):
    objects = SqlLfaObjects(ledger, FixedClock())
    assert objects.efd_asked_until("efd") is None
    later = FixedClock().now()
    for at in (later - dt.timedelta(hours=1), later, later - dt.timedelta(hours=2)):
        objects.note_efd_asked("efd", at)
    assert objects.efd_asked_until("efd") == later


def test_which_regions_a_unit_touches_is_kept_for_a_version(ledger):
    opened(ledger, UNIT, OTHER)
    both = [UNIT, OTHER]
    ledger.note_regions({UNIT: frozenset({"uk", "deep"}), OTHER: None}, "1")
    assert ledger.regions_of(both, "1") == {UNIT: frozenset({"uk", "deep"}), OTHER: None}
    assert ledger.regions_of(both, "2") == {}
    ledger.note_regions({UNIT: frozenset()}, "2")
    assert ledger.regions_of(both, "2") == {UNIT: frozenset()}
    assert ledger.regions_of(both, "1") == {OTHER: None}


def published(ledger, *names):
    for name in opened(ledger, *names):
        ledger.seal_unit(name, manifest(name), facts(name))
    road = [State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED]
    for old, new in itertools.pairwise(road):
        ledger.advance(names, "usdf", old, new, "on")


def test_readings_are_summed_by_day_and_the_oldest_is_next(ledger):
    clock = ledger._clock
    readings = SqlKeeping(ledger, clock)
    first, later = clock.now(), clock.now() + dt.timedelta(days=2)
    published(ledger, UNIT)
    clock.advance(2 * 86400)
    published(ledger, OTHER)
    size = ledger.units([UNIT])[UNIT].size_bytes
    ages = [(age.oldest_at, age.copies, age.size_bytes) for age in readings.ages("usdf")]
    assert ages == [(first, 1, size), (later, 1, size)]
    clock.advance(86400)
    now = clock.now()
    assert [unit.unit for unit in readings.oldest("usdf", now, 5)] == [UNIT, OTHER]
    assert [unit.unit for unit in readings.oldest("usdf", now, 1)] == [UNIT]
    assert [unit.unit for unit in readings.oldest("usdf", later, 5)] == [UNIT]
    readings.note_read([UNIT], "usdf")
    assert [unit.unit for unit in readings.oldest("usdf", now, 5)] == [OTHER]
    assert readings.ages("frdf") == []


def test_a_reading_is_noted_of_published_copies_only(ledger):
    readings = SqlKeeping(ledger, ledger._clock)
    published(ledger, UNIT)
    before = ledger.deliveries([UNIT])[UNIT, "usdf"].verified_at
    ledger.advance([UNIT], "usdf", State.PUBLISHED, State.SUSPECT, "damaged meanwhile")
    ledger._clock.advance(60)
    readings.note_read([UNIT], "usdf")
    assert ledger.deliveries([UNIT])[UNIT, "usdf"].verified_at == before
    assert readings.ages("usdf") == []


def test_what_runs_read_is_summed(ledger):
    clock = ledger._clock
    readings = SqlKeeping(ledger, clock)
    for number in (1, 2):
        readings.note_run("usdf", clock.now(), Run(number, number * 100, 1, "budget"))
        clock.advance(3600)
    assert readings.runs("usdf", clock.now() - dt.timedelta(days=1)) == (2, 3, 300, 2)
    assert readings.runs("usdf", clock.now() - dt.timedelta(minutes=90)) == (1, 2, 200, 1)
    assert readings.runs("frdf", clock.now()) == (0, 0, 0, 0)


def test_what_moves_at_an_endpoint_is_counted(ledger):
    readings = SqlKeeping(ledger, ledger._clock)
    since = ledger._clock.now()
    opened(ledger, UNIT, OTHER)
    assert readings.in_work("usdf", since) == 0
    ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "came")
    assert readings.in_work("usdf", since) == 1
    assert readings.in_work("usdf", since + dt.timedelta(minutes=1)) == 0


def test_what_is_broken_or_left_half_way_is_found(ledger):
    broken = SqlKeeping(ledger, ledger._clock)
    published(ledger, UNIT, OTHER)
    now = ledger._clock.now()
    assert broken.broken("usdf", now) == []
    ledger.advance([UNIT], "usdf", State.PUBLISHED, State.SUSPECT, "rot")
    assert [item.unit for item in broken.broken("usdf", now)] == [UNIT]
    ledger.advance([UNIT], "usdf", State.SUSPECT, State.ARRIVED, "came back")
    assert broken.broken("usdf", now) == []
    assert [item.unit for item in broken.broken("usdf", now + dt.timedelta(hours=1))] == [UNIT]


def test_the_account_of_losses_follows_the_copies(ledger):
    losses = SqlKeeping(ledger, ledger._clock)
    day = dt.timedelta(days=1)
    assert losses.account("summit", day) == LossAccount(0, 0, 0, 0, 0)
    published(ledger, UNIT)
    images = len(manifest().images)
    assert losses.account("summit", day) == LossAccount(images, 0, 0, images, images)
    ledger.advance([UNIT], "usdf", State.PUBLISHED, State.MISSING, "gone")
    assert losses.account("summit", day) == LossAccount(images, 0, images, 0, 0)
    ledger.advance([UNIT], "usdf", State.MISSING, State.LOST, "gone for good")
    assert losses.account("summit", day) == LossAccount(images, images, 0, 0, 0)


def test_what_arrives_at_a_buffer_is_summed_by_day(ledger):
    rows = SqlKeeping(ledger, ledger._clock)
    published(ledger, UNIT)
    size = ledger.units([UNIT])[UNIT].size_bytes
    now = ledger._clock.now()
    assert rows.busiest_day("usdf", now - dt.timedelta(days=7)) == size
    assert rows.busiest_day("usdf", now + dt.timedelta(seconds=1)) == 0
    assert rows.held("usdf") == []


__all__ = [name for name in dir() if name.startswith("test_")]


# -- what the pages ask ----------------------------------------------------------------------------


def test_a_nights_deliveries_are_those_of_its_units(ledger):
    ledger.note_units([row(), row(OTHER)])
    for endpoint in ("usdf", "frdf"):
        ledger.expect([UNIT, OTHER], endpoint, "wanted")
    ledger.advance([UNIT], "usdf", State.EXPECTED, State.ARRIVED, "seen")
    ledger.note_waiting({OTHER: "a link"}, "frdf")
    found = {(item.unit, item.endpoint): item for item in ledger.deliveries_of_night(20261121)}
    assert found == ledger.deliveries([UNIT, OTHER])
    assert ledger.deliveries_of_night(20261122) == []


def test_the_newest_word_stands_and_a_young_one_is_not_replaced(ledger):
    ledger.note("look/summit", "{}")
    first = ledger.noted(["look/summit", "none"])
    assert [item.name for item in first.values()] == ["look/summit"]
    ledger.note("look/summit", '{"new": 1}', every_s=3600)
    assert ledger.noted(["look/summit"]) == first
    ledger.note("look/summit", '{"new": 2}')
    assert ledger.noted(["look/summit"])["look/summit"].document == '{"new": 2}'


def test_units_that_stand_alike_are_counted_together(ledger):
    ledger.note_units([row(), row(OTHER), row(unit_name(3))])
    for endpoint in ("usdf", "frdf", "ukdf"):
        ledger.expect([UNIT, OTHER], endpoint, "wanted")
    nights = SqlNights(ledger)
    found = nights.alike(20261121, 20261121, ["LSSTCam"], [unit_name(3)])
    assert [(each.units, each.exposures, each.expected) for each in found] == [(2, 2, 6)]
    assert [state for _, state, _ in found[0].states] == [State.EXPECTED] * 3
    assert [name for name, _, _ in found[0].states] == ["frdf", "ukdf", "usdf"]
    whole = nights.alike(20261121, 20261121, ["LSSTCam"], [])
    assert sorted(each.units for each in whole) == [1, 2]
    assert nights.newest_night(["LSSTCam"]) == 20261121
    assert nights.newest_night(["none"]) is None
    assert nights.touched(dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) == {20261121}
    assert nights.touched(dt.datetime(2100, 1, 1, tzinfo=dt.UTC)) == set()


def test_what_waits_moves_and_is_there_is_counted(ledger):
    ledger.note_units([row(), row(OTHER)])
    ledger.expect([UNIT, OTHER], "frdf", "wanted")
    ledger.note_waiting({UNIT: "a link", OTHER: "a link"}, "frdf")
    views, long_ago = SqlViews(ledger), dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    (waiting,) = views.waiting()
    assert (waiting.endpoint, waiting.waits_for, waiting.deliveries) == ("frdf", "a link", 2)
    ledger.advance([UNIT], "frdf", State.EXPECTED, State.ARRIVED, "seen")
    assert views.moved("frdf", State.ARRIVED, long_ago) == (1, 0)
    assert views.last_moved("frdf", State.ARRIVED) is not None
    assert views.last_moved("frdf", State.LOST) is None
    assert views.last_scrub("frdf") is None
    assert {each.state for each in views.arrivals(20261121, 20261121, ["frdf"])} == {
        "arrived",
        "expected",
    }
    assert views.copies() == {0: 2}
    assert views.expiries(long_ago).pins == 0
