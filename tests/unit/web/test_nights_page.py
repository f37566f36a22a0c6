"""The first screen: one verdict, the way to a cause, and nothing green that nobody looked at."""

import re

import pytest

from support.night_pages import NIGHT_PAGE, listed, obs, publish, text_of
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import run_night


def test_the_first_screen_says_one_verdict_first(client, world):
    publish(world, 1, 2)
    answer = client.get("/nights")
    assert "SAFE — all 2 exposures of night 2026-11-21" in text_of(answer)
    assert "May the summit buffer be released? Yes" in text_of(answer)
    assert (
        answer.text.index("<h1") < answer.text.index('class="strip"') < answer.text.index("<table")
    )


def test_the_nights_document_is_that_of_the_command_line(client, world, dbb):
    publish(world, 1)
    take_exposure(world.summit, 2, detectors=DETECTORS[:1])
    world.settle()
    run_night(world)
    assert client.get("/nights?format=json").json() == dbb("nights")
    asked = client.get("/nights?last=20261123&number=5&format=json").json()
    assert asked == dbb("nights", "--last", "20261123", "--number", "5")


def test_a_red_night_is_two_clicks_from_its_cause(client, world):
    unit = take_exposure(world.summit, 3)
    name = image_name(unit, DETECTORS[0])
    world.summit.put(name, world.summit.data(name)[:-100])
    publish(world, 1)
    first = client.get("/nights")
    assert "ACT — 1 item" in text_of(first)
    (button,) = re.findall(r'<a href="([^"]+)" class="button">', first.text)
    second = client.get(f"/{button}")
    assert listed(second)[0] == obs(3)
    third = client.get(f"/exposure/{obs(3)}")
    (refusal,) = world.ledger.refusals()
    for answer in (second, third):
        assert refusal.reason in text_of(answer)


def test_a_page_left_open_turns_itself_unknown(client, world):
    publish(world, 1)
    for address in ("/nights", NIGHT_PAGE):
        answer = client.get(address)
        assert re.search(r'class="fresh"><h1', answer.text)
        assert re.search(
            r'class="aged"><p class="verdict act".*UNKNOWN: this was read', answer.text
        )
    assert "119s forwards" in answer.text  # step-end at the end of the second: 120


def test_what_nobody_looked_at_is_never_green(client, world):
    publish(world, 1)
    world.clock.advance(121)
    for address in ("/nights", NIGHT_PAGE):
        (headline,) = re.findall(r'<h1 class="([^"]+)"', client.get(address).text)
        assert headline == "verdict act"
    assert 'class="cell good"' not in client.get("/nights?number=1&last=20261121").text


@pytest.mark.parametrize("query", ["number=0", "number=x", "number=401", "last=x", "number=-1"])
def test_nights_that_cannot_be_are_refused(client, query):
    assert client.get(f"/nights?{query}").status_code == 400
