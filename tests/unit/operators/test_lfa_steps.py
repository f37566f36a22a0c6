"""The steps of the annex over a backbone in memory."""

import datetime as dt
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

import dbb.operators.lfa as steps
from dbb.flows.lfa import announce
from dbb.model.day_obs import DayObs
from dbb.operators.lfa import (
    AskTheEfd,
    CopyObjects,
    ListTheBucket,
    LookForObjects,
    SealIntoParcels,
)
from dbb.settings import Settings
from dbb.wiring import annex as annex_wiring
from support.annex import event, lay, make_annex, state_of

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def annex(world, monkeypatch):
    made = make_annex(world)
    monkeypatch.setattr(steps, "open_annex", lambda: made)
    monkeypatch.setattr(steps, "open_for_run", lambda _context: world.backbone())
    monkeypatch.setattr(annex_wiring, "open_objects", lambda _settings: made.objects)
    return made


def look(context, day_obs=""):
    return LookForObjects(task_id="look", day_obs=day_obs).execute(context)


def test_an_object_goes_from_its_event_into_a_parcel(annex, context):
    lay(annex)
    announce(annex, [event()])
    (chunk,) = look(context)
    assert CopyObjects(task_id="copy", keys=chunk).execute(context)["checked"] == 1
    (unit,) = SealIntoParcels(task_id="seal").execute(context)
    assert state_of(annex).unit == unit
    assert look(context) == []


def test_with_nothing_to_do_the_rest_is_skipped(annex, context):  # noqa: ARG001
    with pytest.raises(DownstreamTasksSkipped):
        SealIntoParcels(task_id="seal").execute(context)


@pytest.mark.parametrize(
    ("run_type", "day_obs", "days"),
    [
        ("scheduled", "", 2),
        ("manual", "", 2),
        ("asset_triggered", "", 0),
        ("asset_triggered", "20261121", 1),
    ],
)
def test_the_clock_and_people_have_the_days_listed_and_events_do_not(
    annex, context, monkeypatch, run_type, day_obs, days
):
    listed = []
    monkeypatch.setattr(steps, "list_day", lambda _annex, day: listed.append(day))
    look(context | {"dag_run": SimpleNamespace(run_type=run_type)}, day_obs)
    assert len(listed) == days
    assert annex.objects.due(1) == []


def test_the_whole_bucket_is_listed(annex, context):
    lay(annex)
    assert ListTheBucket(task_id="list").execute(context)["new"] == 1


def ask(context, day_obs=""):
    return AskTheEfd(task_id="ask", day_obs=day_obs).execute(context)


def test_where_there_is_no_efd_the_step_is_skipped_and_says_so(annex, context, monkeypatch):  # noqa: ARG001
    monkeypatch.delenv("DBB_EFD_URL", raising=False)
    with pytest.raises(AirflowSkipException, match="DBB_EFD_URL"):
        ask(context)


def test_the_efd_is_asked_for_what_is_new_or_for_a_day(world, annex, context, monkeypatch):
    asked = []

    class NoEvents:
        name = "efd"

        def events(self, begin, end):
            asked.append((begin, end))
            yield from ()

    monkeypatch.setattr(annex_wiring, "open_efd", lambda _settings: NoEvents())
    assert ask(context) == {"events": 0, "new": 0, "unusable": 0}
    assert annex.objects.efd_asked_until("efd") == world.clock.now() == asked[-1][1]
    ask(context, "20261121")
    day = DayObs(20261121)
    assert asked[-1] == (day.begin, day.end)


def test_an_efd_is_opened_from_the_settings():
    settings = Settings.load(environment={"DBB_EFD_URL": "http://efd.example.org:8086"})
    efd = annex_wiring.open_efd(settings)
    assert efd is not None
    assert efd.name == "efd"
    assert annex_wiring.open_efd(Settings.load(environment={})) is None


def test_the_days_that_are_listed_are_yesterday_and_today(world):
    assert steps.current_days(world.backbone()) == [
        DayObs.at(world.clock.now() - dt.timedelta(days=1)), DayObs.at(world.clock.now())
    ]  # fmt: skip
