"""Now, lag, buffers, loss budget and replicas: the command line's numbers, and words for each colour."""

import dataclasses
import html
import re

import pytest

from dbb.flows.calibration_budget import Budget, Share
from dbb.flows.lag_report import LagReport, lag_report
from dbb.model.calibration import Attempt, AttemptState, Step
from dbb.model.delivery import State
from dbb.model.drill import Drill, DrillKind
from dbb.web.bars import bar
from dbb.web.lag_page import lag_html
from dbb.wiring.pages import open_views
from support.tiny_camera import take_exposure
from support.world import run_night

PAGES = ["now", "lag", "buffers", "budget", "replicas", "outages"]


def text_of(answer):
    assert answer.status_code == 200
    body = re.sub(r"<style>.*?</style>", "", answer.text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def publish(world, *numbers):
    units = [take_exposure(world.summit, number) for number in numbers]
    world.settle()
    run_night(world)
    return units


@pytest.mark.parametrize("page", PAGES)
def test_the_document_is_that_of_the_command_line(client, world, dbb, page):
    publish(world, 1, 2, 3)
    canaries = open_views(world.backbone()).canaries
    canaries.reach(canaries.begin().number, "bundle")
    said = dbb(page)
    assert client.get(f"/{page}?format=json").json() == said
    sentence = said.get("sentence")
    if sentence:
        assert sentence in re.sub(r"\s+", " ", text_of(client.get(f"/{page}")))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_an_empty_ledger_says_so(client, page):
    (headline,) = re.findall(r"<h1[^>]*>(.*?)</h1>", client.get(f"/{page}").text)
    assert re.search(r"UNKNOWN|EMPTY|SAFE|WAITING", headline)
    assert page == "replicas" or "SAFE" not in headline


@pytest.mark.parametrize("page", PAGES)
def test_each_colour_has_a_word_and_a_symbol(client, world, page):
    publish(world, 1)
    text = client.get(f"/{page}").text
    for sign in re.findall(r'<span class="sign \w+">(.*?)</span></?', text):
        assert re.search(r'aria-hidden="true">\S', sign)
    for picture in re.findall(r"<svg.*?>", text):
        assert 'role="img"' in picture
        assert "aria-label=" in picture


# -- now -------------------------------------------------------------------------------------------


def test_who_is_silent_is_named(client, world):
    publish(world, 1)
    assert "look at summit" not in text_of(client.get("/now")).partition("Signs of life")[0]
    world.clock.advance(121)
    told = text_of(client.get("/now"))
    assert "ACT — silent: look at summit" in re.sub(r"\s+", " ", told)


def test_what_waits_is_counted_with_its_reason(client, world):
    units = publish(world, 1, 2)
    world.ledger.note_waiting(dict.fromkeys(units, "RATE_LIMIT <b>of</b> the link"), "frdf")
    answer = client.get("/now")
    assert "2 deliveries wait" in text_of(answer)
    assert "RATE_LIMIT &lt;b&gt;" in answer.text


def test_the_rate_of_a_link_is_that_of_the_last_hour(client, world):
    publish(world, 1, 2)
    (row,) = [
        row for row in client.get("/now?format=json").json()["links"] if row["endpoint"] == "frdf"
    ]
    assert row["units_in_hour"] == 2
    assert row["bytes_in_hour"] == sum(
        unit.size_bytes for unit in world.ledger.units_of_night("LSSTCam", 20261121)
    )
    world.clock.advance(3601)
    rows = client.get("/now?format=json").json()["links"]
    assert {row["units_in_hour"] for row in rows} == {0}


# -- lag -------------------------------------------------------------------------------------------


def test_lags_are_those_of_the_nights_own_report(client, world):
    publish(world, 1, 2)
    mine = client.get("/lag?format=json").json()["nights"]
    (night,) = [client.get("/night/20261121?format=json").json()["lags"]]
    assert [(row["endpoint"], row["p50_s"], row["max_s"]) for row in mine if row["published"]] == [
        (row["endpoint"], row["p50_s"], row["max_s"]) for row in night
    ]


def test_what_is_not_public_after_a_day_is_late(client, world):
    units = publish(world, 1)
    world.ledger.advance(units, "frdf", State.PUBLISHED, State.SUSPECT, "test")
    world.clock.advance(86401)
    told = text_of(client.get("/lag"))
    assert "ACT — 1 late beyond 24 h" in re.sub(r"\s+", " ", told)
    assert client.get("/lag?last=x").status_code == 400


def test_the_calibration_budget_shows_what_is_left_while_it_runs(world):
    report = lag_report(world.backbone())
    attempt = Attempt(**dict.fromkeys([f.name for f in dataclasses.fields(Attempt)], ""))
    attempt = dataclasses.replace(attempt, unit="calib/<x>", state=AttemptState.BEGUN)
    budget = Budget((Share(Step.WAIT, 60, 30.0, False), Share(Step.PROCESS, 900, 950.0, True)))
    running = LagReport(report.as_of, (), ((attempt, budget),))
    page = lag_html(running, "")
    assert "980 s of 1,200 s are spent, 220 s are left" in page
    assert "calib/&lt;x&gt;" in page
    assert "▲</span> late" in page
    assert running.to_json()["calibrations"][0]["left_s"] == 220


# -- buffers, budget, replicas ---------------------------------------------------------------------


def test_a_buffer_that_nobody_measured_of_late_is_unknown(client, world, dbb):
    dbb("buffers")
    assert "UNKNOWN" not in text_of(client.get("/buffers")).partition("Buffers")[0]
    world.clock.advance(2 * 3600 + 1)
    assert "UNKNOWN — no buffer was measured" in re.sub(
        r"\s+", " ", text_of(client.get("/buffers"))
    )


def test_what_was_measured_can_be_read_without_measuring(world, dbb):
    first = dbb("buffers")
    take_exposure(world.summit, 1)
    assert dbb("buffers", "--noted")["buffers"] == first["buffers"]
    assert dbb("buffers")["buffers"] != first["buffers"]


def test_a_lost_image_spends_the_budget_and_the_old_sum_says_when_it_was_made(client, world, dbb):
    units = publish(world, 1)
    dbb("budget")
    assert "SAFE" in text_of(client.get("/budget"))
    for endpoint in ("usdf", "frdf"):
        world.ledger.advance(units, endpoint, State.PUBLISHED, State.SUSPECT, "test")
        world.ledger.advance(units, endpoint, State.SUSPECT, State.LOST, "test")
    assert "SAFE" in text_of(client.get("/budget"))  # the sum is of a moment ago, and says so
    dbb("budget")
    assert "ACT — 3 lost" in re.sub(r"\s+", " ", text_of(client.get("/budget")))
    world.clock.advance(4 * 3600)
    assert "ACT" in text_of(client.get("/budget"))


def test_a_sum_that_is_old_is_unknown_and_never_green(client, world, dbb):
    publish(world, 1)
    dbb("budget")
    dbb("replicas")
    world.clock.advance(3 * 3600 + 1)
    for page in ("budget", "replicas"):
        (headline,) = re.findall(r'<h1 class="([^"]+)"', client.get(f"/{page}").text)
        assert headline == "verdict act"


def test_a_drill_that_failed_stands_in_the_budget(client, world):
    drills = open_views(world.backbone()).drills
    now = world.clock.now()
    drills.note(Drill(DrillKind.ENDPOINT, "<i>scratch</i>", now, now, 3, 6, 9, 1.0, ("x",)))
    text = client.get("/budget").text
    assert "&lt;i&gt;scratch" in text
    assert "▲</span> failed" in text


def test_copies_are_counted_by_number_and_by_the_age_of_their_reading(client, world):
    units = publish(world, 1, 2, 3)
    world.ledger.advance(units[:1], "frdf", State.PUBLISHED, State.SUSPECT, "test")
    world.clock.advance(8 * 86400)
    document = client.get("/replicas?format=json").json()
    assert document["units_by_copies"] == {"1": 1, "2": 2}
    assert document["units_below"] == 1
    (archive,) = [row for row in document["endpoints"] if row["endpoint"] == "usdf"]
    assert {age: copies for age, copies in archive["ages"].items() if copies} == {"30 d": 3}


def test_a_page_writes_nothing(client, world):
    publish(world, 1)
    before = world.ledger.rows(
        "page/noted", names=["sum/budget", "sum/replicas", "sum/outages", "buffers"]
    )
    for page in PAGES:
        client.get(f"/{page}")
    after = world.ledger.rows(
        "page/noted", names=["sum/budget", "sum/replicas", "sum/outages", "buffers"]
    )
    assert before == after == []


def test_a_bar_is_never_longer_than_the_whole():
    drawn = bar([(0.7, "good"), (5.0, "act")], "<too> long")
    widths = [float(width) for width in re.findall(r'width="([\d.]+)"', drawn)[1:]]
    assert sum(widths) == 240
    assert "&lt;too&gt; long" in drawn
