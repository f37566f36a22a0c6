"""The alarms, and what is held and catches up: the command line's documents, and nothing green that nobody looked at."""

import html
import re

import pytest

from dbb.cli import catchup, maintenance
from dbb.flows.alarm_checks import find_decisions
from dbb.flows.alarm_log import LOOK_LASTS
from dbb.flows.alarming import Watch, look
from dbb.flows.catching_up import start_catch_up
from dbb.flows.maintenance import Working, drain, resume
from dbb.flows.work import LASTS, ask_airflow
from dbb.wiring.pages import open_views
from support.memory_airflow import MemoryAirflow
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import NIGHT, run_night


class Mailbox:
    """Take every alarm."""

    name = "mail to operators"

    def send(self, _alarm):
        """Take it."""


@pytest.fixture
def airflow():
    return MemoryAirflow()


@pytest.fixture
def dbb(dbb, world, airflow, monkeypatch):
    rows = open_views(world.backbone()).maintenance
    monkeypatch.setattr(maintenance, "_open", lambda _: (airflow, rows))
    monkeypatch.setattr(catchup, "_open_airflow", lambda _: airflow)
    return dbb


@pytest.fixture
def watch(world):
    return Watch(
        open_views(world.backbone()).alarms,
        world.clock,
        {"decision": lambda: find_decisions(world.backbone())},
        [Mailbox()],
        lambda alarm: f"http://airflow/dbb/{alarm.link}",
    )


def text_of(answer):
    assert answer.status_code == 200
    body = re.sub(r"<style>.*?</style>", "", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def refuse_one(world):
    world.summit.put(image_name(take_exposure(world.summit, 1), DETECTORS[0]), b"not FITS")
    world.settle()
    run_night(world)


# -- alarms ----------------------------------------------------------------------------------------


def test_no_alarm_is_safe_only_when_somebody_looked_of_late(client, world, watch):
    assert "UNKNOWN — no alarm is open, but nobody has looked ever" in text_of(
        client.get("/alarms")
    )
    look(watch)
    assert "SAFE — no alarm is open." in text_of(client.get("/alarms"))
    world.clock.advance(LOOK_LASTS.total_seconds() + 1)
    assert "UNKNOWN" in text_of(client.get("/alarms"))


def test_an_open_alarm_says_what_since_when_what_next_and_who_was_told(client, world, watch):
    refuse_one(world)
    (alarm,) = look(watch)
    answer = client.get("/alarms")
    told = text_of(answer)
    assert "ACT — 1 alarm is open." in told
    assert alarm.what in told
    assert "".join(alarm.next_action.replace("`", "").split()) in "".join(told.split())
    assert f"{alarm.since_at:%Y-%m-%d %H:%M:%S}" in told
    assert "mail to operators, raised" in told
    assert f'href="{alarm.link.partition("/dbb/")[2]}"' in answer.text
    assert "http://" not in answer.text


def test_what_is_over_goes_to_the_log_with_its_end(client, world, watch):
    refuse_one(world)
    look(watch)
    world.ledger.decide([each.refusal_id for each in world.ledger.refusals()], "rejected", "me")
    world.clock.advance(60)
    look(watch)
    told = text_of(client.get("/alarms"))
    assert "SAFE" in told
    assert "What is over" in told
    assert "mail to operators, ended" in told
    assert "What is over" not in text_of(client.get("/alarms?number=0"))
    assert client.get("/alarms?number=x").status_code == 400


def test_the_alarms_document_is_that_of_the_command_line(client, world, watch, dbb):
    refuse_one(world)
    look(watch)
    document = client.get("/alarms?format=json").json()
    assert document == dbb("alarms", "list", "--all")
    assert client.get("/alarms?number=0&format=json").json() == dbb("alarms", "list")
    (alarm,) = document["alarms"]
    assert [(each["channel"], each["news"]) for each in alarm["told"]] == [
        ("mail to operators", "raised")
    ]


# -- maintenance and catching up -------------------------------------------------------------------


def test_nothing_is_known_of_catching_up_until_airflow_was_asked(client, world, airflow):
    assert "UNKNOWN — nothing is held" in text_of(client.get("/work"))
    rows = open_views(world.backbone()).maintenance
    ask_airflow(world.backbone(), rows, airflow, airflow)
    assert "SAFE — nothing is held; nothing catches up." in text_of(client.get("/work"))
    world.clock.advance(LASTS.total_seconds() + 1)
    assert "UNKNOWN" in text_of(client.get("/work"))


def test_a_maintenance_says_what_is_held_by_whom_and_what_still_runs(client, world, airflow, dbb):
    rows = open_views(world.backbone()).maintenance
    drain(airflow, rows, "new disks", 0, lambda _: None)
    told = text_of(client.get("/work"))
    assert "ACT — maintenance 1 holds 1 DAG: new disks" in told
    assert "Nobody has asked Airflow yet what still runs." in told
    airflow.left = [Working("raw_tonight", "run", "bundle", "running")]
    ask_airflow(world.backbone(), rows, airflow, airflow)
    told = text_of(client.get("/work"))
    assert "raw_tonight" in told
    assert "bundle of raw_tonight (running)" in told
    document = client.get("/work?format=json").json()
    assert document["maintenance"] == dbb("maintenance", "status")
    resume(airflow, rows)
    assert client.get("/work?format=json").json()["maintenance"]["maintenance"] is None


def test_a_backfill_says_which_nights_are_done_and_which_are_left(client, world, airflow, dbb):
    refuse_one(world)
    start_catch_up(airflow, NIGHT, NIGHT.next(), 1)
    ask_airflow(world.backbone(), open_views(world.backbone()).maintenance, airflow, airflow)
    document = client.get("/work?format=json").json()
    assert document["catchup"] == dbb("catchup", "status")
    told = text_of(client.get("/work"))
    assert "WAITING — nothing is held; backfill 1 is running, 1 night done, 1 left." in told
    assert 'href="night/20261121"' in client.get("/work").text


def test_a_backfill_that_left_nothing_is_not_looked_at_again(world, airflow):
    start_catch_up(airflow, NIGHT.next(), NIGHT.next(), 1)
    airflow.change_backfill(1, "cancel")
    backbone = world.backbone()
    rows = open_views(backbone).maintenance
    ask_airflow(backbone, rows, airflow, airflow)
    refuse_one(world)
    asked = []
    world.summit.list_files = lambda *_: asked.append(1) or []
    ask_airflow(backbone, rows, airflow, airflow)
    assert asked == []
