"""What every page keeps: bad input is told, nothing is unescaped, and everybody can read it."""

import re

import pytest

from dbb.flows.standing import Standing
from dbb.flows.verdict import Verdict
from dbb.model.delivery import State
from dbb.web.markup import safe, sentence, tag
from dbb.web.signs import sign_of
from support.night_pages import NIGHT_PAGE, obs, publish, text_of
from support.tiny_camera import take_exposure
from support.world import run_night

# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/night/2026", 400, "bad-day-obs"),
        ("/night/20261131", 400, "bad-day-obs"),
        (f"{NIGHT_PAGE}?first=x", 400, "unsafe-name"),
        (f"{NIGHT_PAGE}?first=MC_O_20261122_000001", 400, "unsafe-name"),
        (f"{NIGHT_PAGE}?format=xml", 400, "unsafe-name"),
        ("/exposure/x", 400, "unsafe-name"),
        ("/exposure/MC_O_20261131_000001", 400, "bad-day-obs"),
        ("/exposure/MC_O_20261121_000009", 404, "unknown-item"),
        ("/nothing/here", 404, "unknown-item"),
        ("/", 404, "unknown-item"),
    ],
)
def test_what_cannot_be_shown_is_said_with_its_code_and_what_to_do(client, address, status, code):
    answer = client.get(address)
    assert answer.status_code == status
    assert code in text_of(answer)
    assert f"docs/operate/{code}.md" in text_of(answer)
    if "format" not in address:
        joint = "&" if "?" in address else "?"
        error = client.get(f"{address}{joint}format=json").json()["error"]
        assert error["code"] == code
        assert error["next_action"]


# -- hostile names ---------------------------------------------------------------------------------

EVIL = "<script>alert('1')</script>"


def test_a_file_with_a_hostile_name_is_shown_as_text(client, world):
    publish(world, 1)
    world.summit.put("LSSTCam/20261121/<img src=x onerror=alert(1)>\u202e\x1b[2J", b"x")
    world.settle()
    run_night(world)
    answer = client.get(NIGHT_PAGE)
    assert "onerror" in text_of(answer)
    assert "<img" not in answer.text
    assert not {"\u202e", "\x1b"} & set(answer.text)


@pytest.mark.parametrize(
    "address", [f"/night/{EVIL}", f"/exposure/{EVIL}", f"/{EVIL}", f"{NIGHT_PAGE}?first={EVIL}"]
)
def test_a_hostile_address_is_shown_as_text(client, address):
    answer = client.get(address)
    assert answer.status_code in (400, 404)
    assert "<script" not in answer.text


def test_words_of_a_run_or_a_reason_are_escaped(client, world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, State.SUSPECT, f'{EVIL}" onload="x')
    for address in (NIGHT_PAGE, f"/exposure/{obs(1)}"):
        answer = client.get(address)
        assert "<script" not in answer.text
        assert ' onload="' not in answer.text


def test_everything_is_escaped_that_is_not_html_already():
    assert tag("a", EVIL, href='"><b>') == (
        '<a href="&quot;&gt;&lt;b&gt;">&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;</a>'
    )
    assert sentence("do `<b>` now") == "do <code>&lt;b&gt;</code> now"
    assert safe(None) == ""


# -- for everybody ---------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [*Verdict, *Standing, *State, ""])
def test_no_sign_speaks_by_its_colour_alone(word):
    symbol, told = re.fullmatch(
        r'<span class="sign (?:good|wait|act|none)">'
        r'<span aria-hidden="true">(.)</span> ([a-zA-Z ]+)</span>',
        sign_of(word),
    ).groups()
    assert symbol
    assert told == (word or "not yet")


def test_a_page_runs_no_script_and_loads_nothing(client, world):
    publish(world, 1)
    for address in (NIGHT_PAGE, f"/exposure/{obs(1)}", "/nothing"):
        answer = client.get(address)
        assert not re.search(r"<(script|img|link|iframe|form|object)\b|\son\w+=", answer.text)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_page_can_be_read_aloud(client, world):
    publish(world, 1)
    for address in (NIGHT_PAGE, f"/exposure/{obs(1)}", "/nothing"):
        text = client.get(address).text
        assert '<html lang="en">' in text
        assert text.count("<h1") == text.count("<main") == 1
        assert re.search(r"<title>.+</title>", text)
        assert text.count("<table") == text.count("<caption")
        assert all("scope=" in cell for cell in re.findall(r"<th\b[^>]*>", text))
