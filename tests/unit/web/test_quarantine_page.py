"""The quarantine's page: by code, many at once, plan before apply, and only by those who may."""

import html
import re
import time

import pytest

from dbb.model.quarantine import Decision
from dbb.web.access import FORM_S, make_token
from support.night_pages import publish
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import run_night

PLAN, APPLY = "/quarantine/plan", "/quarantine/apply"


def spoil(world, *numbers):
    for number in numbers:
        unit = take_exposure(world.summit, number)
        name = image_name(unit, DETECTORS[0])
        world.summit.put(name, world.summit.data(name)[:-100])
    world.summit.put("LSSTCam/20261121/strange", b"x")
    world.settle()
    run_night(world)
    return world.ledger.refusals()


def fields(text):
    """Give the hidden fields of a page's form."""
    found = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def decisions(world):
    return sorted(str(item.decision) for item in world.ledger.refusals(decision=None))


def ask(client, **chosen):
    token = fields(client.get("/quarantine").text)["token"]
    return client.post(PLAN, data={"token": token, "action": "reject", "why": "a test", **chosen})


def test_what_is_held_stands_by_code_the_most_first(client, world):
    spoil(world, 1, 2)
    text = client.get("/quarantine").text
    assert "3 items of 2 codes held" in html.unescape(text)
    codes = re.findall(r"<h2>([\w-]+): (\d+)</h2>", text)
    assert [int(number) for _, number in codes] == [2, 1]


def test_planning_changes_nothing(client, world):
    items = spoil(world, 1, 2)
    answer = ask(client, id=[items[0].refusal_id])
    assert answer.status_code == 200
    assert "Nothing is changed yet" in answer.text
    assert decisions(world) == ["held"] * 3


def test_what_was_planned_is_applied_and_signed(client, world):
    items = spoil(world, 1, 2)
    code = max((item.code for item in items), key=[item.code for item in items].count)
    planned = ask(client, code=[code])
    done = client.post(APPLY, data=fields(planned.text))
    assert done.status_code == 200
    assert "2 of 2 decided" in done.text
    rejected = world.ledger.refusals(decision=Decision.REJECTED)
    assert {item.code for item in rejected} == {code}
    assert {item.decided_by for item in rejected} == {"anne: a test"}


def test_a_released_file_goes_back_on_its_way(client, world):
    items = spoil(world, 1)
    item = next(item for item in items if item.name and item.code != "unsafe-name")
    planned = ask(client, id=[item.refusal_id], action="release")
    assert "1 of 1 decided" in client.post(APPLY, data=fields(planned.text)).text
    assert world.summit.stat(item.name) is not None


def test_one_that_cannot_be_decided_does_not_hold_up_the_rest(client, world):
    items = spoil(world, 1, 2)
    broken = next(item for item in items if item.kept_as)
    planned = ask(client, id=[item.refusal_id for item in items], action="release")
    world.summit.delete([broken.kept_as])
    done = client.post(APPLY, data=fields(planned.text))
    assert "2 of 3 decided" in done.text
    assert "decision-impossible" in done.text


def test_a_plan_that_has_changed_meanwhile_is_refused(client, world):
    items = spoil(world, 1)
    planned = ask(client, id=[items[0].refusal_id])
    form = fields(planned.text) | {"id": [item.refusal_id for item in items]}
    answer = client.post(APPLY, data=form)
    assert answer.status_code == 409
    assert "plan-refused" in answer.text
    assert decisions(world) == ["held"] * len(items)


def test_applying_twice_changes_nothing_more(client, world):
    items = spoil(world, 1)
    form = fields(ask(client, id=[items[0].refusal_id]).text)
    client.post(APPLY, data=form)
    assert "unknown-item" in client.post(APPLY, data=form).text


FOREIGN = {
    "none": lambda: "",
    "no token": lambda: "x",
    "no time": lambda: "1.2",
    "another user's": lambda: make_token("bob"),
    "too old": lambda: make_token("anne", time.time() - FORM_S - 1),
    "not yet": lambda: make_token("anne", time.time() + 3600),
    "changed": lambda: make_token("anne")[:-1] + "g",
}
"""Made when they are sent: a token is good for an hour, and a run of all tests may last longer."""


@pytest.mark.parametrize("address", [PLAN, APPLY])
@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_a_form_that_is_not_from_here_is_turned_away(client, world, address, make):
    token = make()
    items = spoil(world, 1)
    form = {"token": token, "action": "reject", "why": "x", "id": [items[0].refusal_id]}
    assert client.post(address, data=form).status_code == 403
    assert decisions(world) == ["held"] * len(items)


def test_another_sites_form_is_turned_away_even_with_a_token(client, world):
    spoil(world, 1)
    form = {"token": make_token("anne"), "action": "reject", "why": "x"}
    answer = client.post(PLAN, data=form, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


def test_what_is_no_form_is_refused(client):
    for address in (PLAN, APPLY):
        assert client.post(address, json={"token": make_token("anne")}).status_code == 400


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"action": "burn"}, 400),
        ({"why": "  "}, 400),
        ({"id": ["no-such-item"]}, 404),
        ({"id": []}, 404),
    ],
)
def test_what_cannot_be_decided_is_said(client, world, change, status):
    items = spoil(world, 1)
    answer = ask(client, **({"id": [items[0].refusal_id]} | change))
    assert answer.status_code == status


def test_a_viewer_sees_what_is_held_and_is_offered_nothing(viewer, world):
    spoil(world, 1)
    text = viewer.get("/quarantine").text
    assert "2 items of 2 codes held" in text
    assert "<form" not in text
    assert "may look here, and not decide" in text


def test_hostile_names_and_reasons_are_text_on_every_page(client, world):
    world.summit.put("LSSTCam/20261121/<img src=x onerror=alert(1)>\"'`\u202e", b"x")
    world.settle()
    run_night(world)
    (item,) = world.ledger.refusals()
    planned = ask(client, id=[item.refusal_id], why='"><script>x</script>')
    done = client.post(APPLY, data=fields(planned.text) | {"action": ["reject"]})
    for answer in (client.get("/quarantine"), planned, done):
        assert answer.status_code == 200
        assert not re.search(r"<script|<img|\u202e", answer.text)
    (item,) = world.ledger.refusals(decision=Decision.REJECTED)
    assert item.decided_by == 'anne: "><script>x</script>'


def test_a_night_or_a_code_is_chosen_by_the_address(client, world):
    items = spoil(world, 1)
    code = items[0].code
    document = client.get(f"/quarantine?code={code}&format=json").json()
    assert {item["code"] for item in document["refusals"]} == {code}
    assert client.get("/quarantine?day_obs=20261120&format=json").json()["refusals"] == []


def test_the_quarantines_document_is_that_of_the_command_line(client, world, dbb):
    world.summit.put("LSSTCam/20261121/strange name", b"x")
    publish(world, 1)
    assert client.get("/quarantine?format=json").json() == dbb("quarantine", "list")
    asked = client.get("/quarantine?day_obs=20261121&code=unsafe-name&format=json").json()
    assert asked == dbb("quarantine", "list", "20261121", "--code", "unsafe-name")
