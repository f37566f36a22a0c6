"""Triggers, run in an event loop of their own over a backbone in memory."""

import asyncio
import importlib
import threading

import pytest

from dbb.errors import CatalogUnavailable, LedgerUnavailable
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.calibration_budget import LateLook
from dbb.flows.calibration_groups import find_work
from dbb.flows.gating import apply_gate
from dbb.flows.inbox import keep_events
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.lfa import SqlLfaObjects
from dbb.model.calibration import CAL_PROC_TIME_S
from dbb.model.lfa import Announcement
from dbb.operators.calibration_tasks import deadline
from dbb.triggers import annex, arrivals, asking, calibrations, copies, deadlines, inbox
from dbb.triggers.annex import AnnexTrigger
from dbb.triggers.arrivals import ArrivalTrigger
from dbb.triggers.calibrations import GroupTrigger
from dbb.triggers.copies import CopiesTrigger
from dbb.triggers.inbox import InboxTrigger
from dbb_plugin import DbbPlugin
from support.calibration_world import CalibrationWorld
from support.tiny_camera import take_exposure
from support.world import NIGHT, World

FUTURE = "2999-01-01T00:00:00+00:00"
PAST = "2020-01-01T00:00:00+00:00"


@pytest.fixture
def world(monkeypatch):
    world = World()

    async def ask(_kind, question):
        return question(world.backbone())

    monkeypatch.setattr(arrivals, "ask", ask)
    monkeypatch.setattr(copies, "ask", ask)
    monkeypatch.setattr(inbox, "ask", ask)
    return world


@pytest.fixture
def between(monkeypatch):
    """Replace the pause between two looks by steps of the test; the last one ends the trigger."""

    class Enough(Exception):
        pass

    def install(*steps):
        left = list(steps)

        async def pause(_seconds):
            if not left:
                raise Enough
            left.pop(0)()

        monkeypatch.setattr(asyncio, "sleep", pause)

    install.enough = Enough
    return install


def events(trigger, enough=()):
    async def collect():
        found = []
        try:
            async for event in trigger.run():
                found.append(event.payload)  # noqa: PERF401 - what came before the end counts
        except enough:
            pass
        return found

    return asyncio.run(collect())


def register(world, numbers):
    units = [take_exposure(world.summit, number) for number in numbers]
    world.settle()
    backbone = world.backbone()
    receive_arrivals(backbone, NIGHT)
    land_units(backbone, units)
    apply_gate(backbone, units, {})
    register_units(backbone, units)
    return units


def nothing():
    pass


def test_an_exposure_that_has_come_to_rest_wakes_the_dag_once(world, between):
    def arrive():
        take_exposure(world.summit, 1)
        world.settle()

    between(arrive, nothing, nothing)
    assert events(ArrivalTrigger(), between.enough) == [{"fresh": 1}]


def test_an_exposure_that_is_still_arriving_wakes_nobody(world, between):
    between(lambda: take_exposure(world.summit, 1), nothing)
    assert events(ArrivalTrigger(), between.enough) == []


def test_more_files_of_an_exposure_wake_the_dag_again(world, between):
    def more():
        take_exposure(world.summit, 1)
        world.settle()

    between(more, more)
    assert len(events(ArrivalTrigger(), between.enough)) == 2


def publish_everywhere(world, units):
    publish_units(world.backbone(), units, "usdf")
    world.catalog.run_daemons()
    publish_units(world.backbone(), units, "frdf")


def test_an_exposure_that_may_be_released_wakes_the_dag(world, between):
    units = register(world, [1, 2])
    between(lambda: publish_everywhere(world, units), nothing)
    assert events(ArrivalTrigger(), between.enough) == [{"fresh": 2}, {"fresh": 2}]


def test_a_service_that_is_away_does_not_end_the_watch(world, between, monkeypatch):
    state = {"away": True}
    real = arrivals.find_news

    def find_news(backbone):
        if state["away"]:
            raise CatalogUnavailable.for_call("rules", "connection refused")
        return real(backbone)

    monkeypatch.setattr(arrivals, "find_news", find_news)

    def come_back():
        take_exposure(world.summit, 1)
        world.settle()
        state["away"] = False

    between(nothing, come_back)
    assert events(ArrivalTrigger(), between.enough) == [{"fresh": 1}]


def test_waiting_ends_when_every_copy_has_come(world, between):
    units = register(world, [1, 2])
    between(nothing, lambda: publish_everywhere(world, units))
    (counts,) = events(CopiesTrigger(units=units, until=FUTURE))
    assert counts == {"published": 2, "waiting": 0}


def test_waiting_ends_with_patience_and_tells_what_is_missing(world):
    units = register(world, [1, 2])
    (counts,) = events(CopiesTrigger(units=units, until=PAST))
    assert counts["waiting"] == 2


def test_waiting_outlasts_a_ledger_that_is_away(world, between, monkeypatch):
    units = register(world, [1])
    real = copies.count_copies
    answers = [LedgerUnavailable.for_cause("connection refused")]

    def count_copies(*arguments):
        if answers:
            raise answers.pop()
        return real(*arguments)

    monkeypatch.setattr(copies, "count_copies", count_copies)
    between(lambda: publish_everywhere(world, units))
    (counts,) = events(CopiesTrigger(units=units, until=FUTURE))
    assert counts["published"] == 1


@pytest.mark.parametrize(
    "trigger",
    [
        ArrivalTrigger(poll_s=7.0, saved=2, rest_s=9.0),
        InboxTrigger(rse="FRDF", poll_s=7.0, saved=2, rest_s=9.0),
        CopiesTrigger(units=["a"], until=FUTURE, poll_s=1.0),
    ],
)
def test_a_trigger_is_made_anew_from_what_airflow_stores(trigger):
    path, arguments = trigger.serialize()
    assert path == f"{type(trigger).__module__}.{type(trigger).__name__}"
    assert type(trigger)(**arguments).serialize() == (path, arguments)


def test_events_of_its_rse_wake_an_endpoint_and_no_other(world, between):
    said = b'{"scope": "raw", "name": "a", "dst-rse": "%s", "request-id": "%d"}'

    def come(rse, number):
        world.clock.advance(1)
        keep_events(world.inbox, [said % (rse, number)], "hermes")

    between(lambda: come(b"UKDF", 1), lambda: come(b"FRDF", 2), nothing, lambda: come(b"FRDF", 3))
    assert events(InboxTrigger(rse="FRDF"), between.enough) == [{"events": 1}, {"events": 2}]


def test_an_inbox_that_is_away_does_not_end_the_watch(world, between, monkeypatch):
    answers = [LedgerUnavailable.for_cause("connection refused")]
    real = world.inbox.newest

    def newest(rse):
        if answers:
            raise answers.pop()
        return real(rse)

    monkeypatch.setattr(world.inbox, "newest", newest)
    keep_events(world.inbox, [b'{"scope": "raw", "name": "a", "dst-rse": "FRDF"}'], "hermes")
    between(nothing)
    assert events(InboxTrigger(rse="FRDF"), between.enough) == [{"events": 1}]


def test_questions_are_answered_outside_the_event_loop_each_kind_in_its_own_thread(monkeypatch):
    monkeypatch.setattr(asking, "_backbone", lambda kind: f"backbone of {kind}")

    def where(backbone):
        return backbone, threading.get_ident()

    async def ask_all():
        return [await asking.ask(kind, where) for kind in ("arrivals", "annex", "annex")]

    arrivals_, first, second = asyncio.run(ask_all())
    assert arrivals_[0] == "backbone of arrivals"
    assert first == second
    assert len({arrivals_[1], first[1], threading.get_ident()}) == 3


def test_a_source_that_does_not_answer_keeps_no_other_kind_waiting(monkeypatch):
    monkeypatch.setattr(asking, "_backbone", lambda _kind: None)
    lists_on = threading.Event()

    async def ask_both():
        slow = asyncio.create_task(asking.ask("arrivals", lambda _: lists_on.wait(60)))
        answered = await asking.ask("annex", lambda _: "at once")
        assert not slow.done()
        lists_on.set()
        return answered, await slow

    assert asyncio.run(ask_both()) == ("at once", True)


# -- objects of the annex ----------------------------------------------------------------------------


@pytest.fixture
def objects(world, monkeypatch):
    found = SqlLfaObjects(world.ledger)

    async def ask_newest():
        return found.newest()

    monkeypatch.setattr(annex, "ask_newest", ask_newest)
    return found


def announce_object(world, objects, number):
    world.clock.advance(1)
    said = Announcement.of_listing("bucket", f"DREAM/dream/2026/11/21/{number}.fits")
    objects.announce([(said, "replicate", True)])


def test_the_annex_is_woken_once_for_what_was_announced_meanwhile(world, objects, between):
    between(
        lambda: announce_object(world, objects, 1),
        lambda: None,
        lambda: [announce_object(world, objects, number) for number in (2, 3)],
        lambda: None,
    )
    assert len(events(AnnexTrigger(), between.enough)) == 2


def test_an_object_that_is_known_or_copied_wakes_nobody(world, objects, between):
    announce_object(world, objects, 1)
    between(
        lambda: announce_object(world, objects, 1),
        lambda: objects.wait("DREAM/dream/2026/11/21/1.fits", None, world.clock.now()),
    )
    assert len(events(AnnexTrigger(), between.enough)) == 1


def test_the_annex_is_looked_at_again_after_an_outage(world, objects, between, monkeypatch):
    announce_object(world, objects, 1)
    real = annex.ask_newest

    async def down():
        raise LedgerUnavailable.for_cause("connection refused")

    monkeypatch.setattr(annex, "ask_newest", down)
    between(lambda: monkeypatch.setattr(annex, "ask_newest", real), lambda: None)
    assert len(events(AnnexTrigger(), between.enough)) == 1


def test_the_triggerer_makes_the_annexs_trigger_anew(objects):  # noqa: ARG001
    path, arguments = AnnexTrigger(poll_s=1, saved=3, rest_s=2).serialize()
    assert path == "dbb.triggers.annex.AnnexTrigger"
    assert AnnexTrigger(**arguments).serialize()[1] == {"poll_s": 1, "saved": 3, "rest_s": 2}


# -- calibrations ----------------------------------------------------------------------------------


def test_a_complete_group_of_any_camera_wakes_the_dag_once(monkeypatch, between):
    seen = {"LSSTCam": [], "LATISS": []}

    async def ask(_kind, question):
        return question(World().backbone())

    monkeypatch.setattr(calibrations, "ask", ask)
    monkeypatch.setattr(
        calibrations, "find_work", lambda _backbone, camera, night, _campaign: [
            f"{camera}/{night}/{each}" for each in seen[camera] if night == NIGHT.value
        ]
    )  # fmt: skip
    between(
        lambda: seen["LSSTCam"].append("bias-O1"),
        lambda: seen["LATISS"].append("bias-O1"),
        nothing,
    )
    trigger = GroupTrigger(instruments=["LSSTCam", "LATISS"], campaign="daily")
    path, given = trigger.serialize()
    assert path == "dbb.triggers.calibrations.GroupTrigger"
    assert events(GroupTrigger(**given), between.enough) == [{"groups": 1}] * 2


def test_an_alert_tells_of_each_late_group_once_and_waits_for_the_next(
    monkeypatch, between, caplog
):
    looks = [
        LateLook(("group=a step=wait",), frozenset({"a"}), 30.0),
        LateLook(("unit=b step=process",), frozenset({"b"}), None),
    ]
    asked = []

    async def ask(_kind, question):
        return question(None)

    def look(_backbone, told):
        asked.append(set(told))
        return looks.pop(0)

    monkeypatch.setattr(deadlines, "ask", ask)
    monkeypatch.setattr(deadlines, "late_steps", look)
    between(nothing)
    asyncio.run(deadlines.tell_of_late_step({"dag_run": {"dag_run_id": "r1"}}))
    assert asked == [set(), {"a"}]
    assert [record.getMessage() for record in caplog.records] == [
        "action=deadline dag_run=r1 group=a step=wait",
        "action=deadline dag_run=r1 unit=b step=process",
    ]


def test_the_deadline_counts_from_the_end_of_acquisition_or_from_now(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DBB_LEDGER_URL", url)
    world = CalibrationWorld(tmp_path, url)
    world.take("bias", 1, 2)
    world.move_raws()
    find_work(world.backbone(), "LSSTCam", NIGHT.value, "daily")
    (group,) = world.calibrations.groups()
    reference = deadlines.EndOfAcquisition()
    monkeypatch.setattr("dbb.wiring.base.SystemClock.now", lambda _: world.clock.now())
    assert reference._evaluate_with(session=None) == group.ended_at
    world.clock.advance(3 * 86_400)  # nothing of the night before
    assert reference._evaluate_with(session=None) == world.clock.now()
    monkeypatch.setenv("DBB_LEDGER_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert reference._evaluate_with(session=None) == world.clock.now()


def test_the_alert_is_a_function_that_is_there_and_its_reference_is_announced():
    alert = deadline()
    module, _, name = alert.callback.path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is deadlines.tell_of_late_step
    assert type(alert.reference) in DbbPlugin().deadline_references
    assert alert.interval.total_seconds() < CAL_PROC_TIME_S
