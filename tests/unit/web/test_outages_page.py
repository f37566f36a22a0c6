"""The account of outages as page, command and document: the same numbers, and where an operator goes next."""

import html
import json
import re

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.outage_history import note_published
from dbb.hooks.maintenance import SqlMaintenance
from dbb.wiring.pages import open_outages
from support.tiny_camera import take_exposure
from support.world import NIGHT, run_night

HOUR = 3600


@pytest.fixture
def command(world, capsys):
    """Run a command; give its document, the lines it prints for people, and its exit code."""

    def run(*arguments):
        def make(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        settings = {"DBB_LEDGER_URL": "sqlite://"}
        code = main([*arguments, "--json"], settings, make)
        document = json.loads(capsys.readouterr().out)
        assert main([*arguments], settings, make) == code
        return document, "".join(capsys.readouterr()), code

    return run


@pytest.fixture
def broken(world):
    """Have an outage that was too long, one that was planned for the most part, and one that lasts."""
    take(world, 1)
    run_night(world)
    take(world, 2)
    world.clock.advance(25 * HOUR)
    run_night(world)
    take(world, 3)
    maintenance = SqlMaintenance(world.ledger)
    maintenance.begin("new disks")
    world.clock.advance(30 * HOUR)
    maintenance.end(1)
    world.clock.advance(HOUR)
    run_night(world)
    take(world, 4)
    receive_arrivals(world.backbone(), NIGHT)
    world.clock.advance(2.5 * HOUR)


def take(world, number):
    take_exposure(world.summit, number)
    world.settle()


def text_of(answer):
    assert answer.status_code == 200
    body = re.sub(r"<style>.*?</style>", "", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("is_noted", [False, True])
def test_page_command_and_document_say_the_same(client, world, command, is_noted):
    if is_noted:
        note_published(world.backbone(), open_outages(world.backbone()))
    document, printed, code = command("outages")
    assert client.get("/outages?format=json").json() == document
    told = text_of(client.get("/outages"))
    assert document["sentence"] in told
    assert document["sentence"] in printed
    assert code == 1
    assert [row["too_long"] for row in document["outages"]] == [False, False, True]
    assert [row["planned_hours"] for row in document["outages"]] == [0, 30, 0]
    for row in document["outages"]:
        shown = f"{row['hours']:,} h {row['planned_hours']:,} h {row['unplanned_hours']:,} h"
        assert shown in told
        assert f"{row['begun_at'][:19].replace('T', ' ')}" in told
        for number in (row["hours"], row["planned_hours"], row["unplanned_hours"]):
            assert f"{number}" in printed
    assert told.count("too long") == printed.count("yes") == 1
    assert told.count("lasts 2026-11") == 1


@pytest.mark.usefixtures("broken")
def test_the_page_leads_to_what_an_operator_does_next(client, world):
    answer = client.get("/outages")
    for address in ("now", "work", f"night/{NIGHT}"):
        assert f'href="{address}"' in answer.text.partition("<main>")[2]
        assert client.get(f"/{address}").status_code == 200
    assert "dbb doctor" in answer.text
    assert "docs/operate/production-outage.md" in answer.text
    run_night(world)
    assert "dbb doctor" not in client.get("/outages").text


@pytest.mark.usefixtures("broken")
def test_a_shorter_time_has_an_address_of_its_own(client, command):
    answer = client.get("/outages?days=1")
    assert 'href="outages?days=1&amp;format=json"' in answer.text
    assert "dbb outages --days 1" in answer.text
    document = client.get("/outages?days=1&format=json").json()
    assert document == command("outages", "--days", "1")[0]
    assert (document["days"], len(document["outages"])) == (1, 2)
    assert client.get("/outages?days=999999&format=json").json()["days"] == 999_999
    for wrong in ("x", "-1", "1e3"):
        assert client.get(f"/outages?days={wrong}").status_code == 400


def test_an_empty_ledger_is_empty_and_not_safe(client, command):
    assert "EMPTY" in text_of(client.get("/outages"))
    document, printed, code = command("outages")
    assert document["sentence"].startswith("EMPTY")
    assert document["sentence"] in printed
    assert code == 0
