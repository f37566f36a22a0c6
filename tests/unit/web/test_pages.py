"""What the pages show: the verdict first, the command line's numbers, and nothing unescaped."""

import dataclasses
import html
import json
import re
import time

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.deciding import Signature, release_refusal
from dbb.flows.freshness import note_look
from dbb.flows.night import Standing, Verdict, night_report
from dbb.hooks.instruments import load_instruments
from dbb.model.delivery import State
from dbb.ports import UnitRow
from dbb.web.focal_plane import focal_plane
from dbb.web.markup import safe, sentence, tag
from dbb.web.selection import Selection
from dbb.web.signs import sign_of
from support.tiny_camera import DETECTORS, TINY, image_name, put_detector, take_exposure
from support.world import NIGHT, run_night

NIGHT_PAGE = "/night/20261121"


def obs(number):
    return f"MC_O_20261121_{number:06d}"


def publish(world, *numbers, **options):
    for number in numbers:
        take_exposure(world.summit, number, **options)
    world.settle()
    run_night(world)


def text_of(answer):
    """Give what a person reads."""
    body = re.sub(r"<style>.*?</style>", "", answer.text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", body))


def listed(answer):
    """Name the exposures of the night's table, in order."""
    return re.findall(r'href="\.\./exposure/([^"]+)"', answer.text)


@pytest.fixture
def dbb(world, capsys):
    """Run the command line over the same world; give its document."""

    def run(*arguments):
        main(
            [*arguments, "--json"],
            {"DBB_LEDGER_URL": "sqlite://"},
            lambda settings, output: Context(settings, output, lambda _: world.backbone()),
        )
        return json.loads(capsys.readouterr().out)

    return run


# -- a night ---------------------------------------------------------------------------------------


def test_the_verdict_comes_first(client, world):
    publish(world, 1, 2)
    answer = client.get(NIGHT_PAGE)
    said = night_report(world.backbone(), NIGHT).sentence
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert answer.text.index("<h1") < answer.text.index("<table")


def test_the_page_says_when_the_ledger_was_read(client, world):
    publish(world, 1)
    now = world.clock.now()
    assert f"Read from the ledger at {now:%Y-%m-%d %H:%M:%S}" in text_of(client.get(NIGHT_PAGE))


def test_the_document_is_that_of_the_command_line(client, world, dbb):
    publish(world, 1)
    take_exposure(world.summit, 2, detectors=DETECTORS[:1])
    world.summit.put("LSSTCam/20261121/strange name", b"x")
    world.settle()
    run_night(world)
    assert client.get(f"{NIGHT_PAGE}?format=json").json() == dbb("night", "20261121")
    page = client.get(f"/exposure/{obs(1)}?format=json").json()
    assert page == dbb("exposure", obs(1))


def test_exposures_that_need_somebody_stand_on_top(client, world):
    publish(world, 1)
    take_exposure(world.summit, 2, detectors=DETECTORS[:1])
    unit = take_exposure(world.summit, 3)
    name = image_name(unit, DETECTORS[0])
    world.summit.put(name, world.summit.data(name)[:-100])
    world.settle()
    run_night(world)
    answer = client.get(NIGHT_PAGE)
    assert listed(answer) == [obs(3), obs(2), obs(1)]
    (refusal,) = world.ledger.refusals()
    assert refusal.code in text_of(answer)
    assert refusal.reason in text_of(answer)


def test_a_link_from_a_task_shows_its_exposures_and_the_whole_nights_verdict(client, world):
    publish(world, 1, 2, 3, 4)
    answer = client.get(f"{NIGHT_PAGE}?first={obs(2)}&last={obs(3)}")
    assert listed(answer) == [obs(2), obs(3)]
    assert "4 of 4 exposures are published" in text_of(answer)
    assert "Listed below: 2 of 4" in text_of(answer)
    document = client.get(f"{NIGHT_PAGE}?first={obs(2)}&last={obs(3)}&format=json").json()
    assert [row["obs_id"] for row in document["rows"]] == [obs(2), obs(3)]
    assert document["counts"]["exposures"] == 4


@pytest.mark.parametrize("query", [f"first={obs(2)}", f"last={obs(2)}"])
def test_one_bound_alone_means_one_exposure(client, world, query):
    publish(world, 1, 2, 3)
    assert listed(client.get(f"{NIGHT_PAGE}?{query}")) == [obs(2)]


def test_a_later_part_of_an_exposure_belongs_to_its_chunk_and_has_a_link_of_its_own(client, world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3700)
    run_night(world)
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    run_night(world)
    answer = client.get(f"{NIGHT_PAGE}?first={obs(1)}")
    assert sorted(listed(answer)) == [obs(1), f"{obs(1)}.2"]
    assert client.get(f"/exposure/{obs(1)}.2").status_code == 200


def test_a_chunk_of_several_instruments_follows_the_policys_order(world):
    backbone = dataclasses.replace(
        world.backbone(),
        policy=dataclasses.replace(world.policy, instruments=("LSSTCam", "LATISS")),
        instruments={
            "LATISS": dataclasses.replace(TINY, name="LATISS", camera_code="AT"),
            "LSSTCam": TINY,
        },
    )
    now = world.clock.now()
    names = [("LSSTCam", obs(1)), ("LSSTCam", obs(2)), ("LATISS", "AT_O_20261121_000001")]
    world.ledger.note_units(
        [
            UnitRow(
                f"{instrument}/20261121/{name}", "raw", instrument, 20261121, name, 1, 3, 3, (), now
            )
            for instrument, name in names
        ]
    )
    chosen = Selection.parse(backbone, NIGHT, obs(2), "AT_O_20261121_000001")
    rows = chosen.choose(night_report(backbone, NIGHT).rows)
    assert {line.row.obs_id for line in rows} == {obs(2), "AT_O_20261121_000001"}


def test_neighbouring_nights_are_one_step_away(client, world):
    note_look(world.backbone())
    answer = client.get(NIGHT_PAGE)
    assert 'href="20261120"' in answer.text
    assert 'href="20261122"' in answer.text
    assert "EMPTY" in text_of(answer)
    for edge in ("20170102", "99991231"):
        assert client.get(f"/night/{edge}").status_code == 200


# -- an exposure -----------------------------------------------------------------------------------


def test_an_exposures_page_tells_its_story(client, world):
    publish(world, 1)
    answer = client.get(f"/exposure/{obs(1)}")
    told = text_of(answer)
    assert answer.status_code == 200
    assert f"{obs(1)} is safe since" in told
    for word in ("published", "released", "registered", "3 of 3 detectors", "Read from the ledger"):
        assert word in told
    (row,) = world.ledger.units([f"LSSTCam/20261121/{obs(1)}"]).values()
    assert row.bundle.sha256 in told
    assert 'href="../night/20261121"' in answer.text


def test_an_exposures_page_names_its_files_its_images_and_the_runs_that_moved_it(
    world, make_client
):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    world.ledger.actor = "scheduled__2026-11-22T04:00:00+00:00"
    world.clock.advance(1.25)
    world.ledger.advance([unit], "frdf", State.PUBLISHED, State.SUSPECT, "test")
    client = make_client(world.backbone(), known=True)
    answer = client.get(f"/exposure/{obs(1)}")
    told = text_of(answer)
    (document,) = client.get(f"/exposure/{obs(1)}?format=json").json()["units"]
    for did in document["dids"].values():
        assert did.startswith("raw:")
        assert did in told
    assert document["butler"]["exposure"] == 2026112100001
    assert "exposure=2026112100001" in told
    assert "2026-11-22 04:00:11.250" in told
    assert "1.250 s" in told
    link = "../../dag_runs?run_id_pattern=scheduled__2026-11-22T04%3A00%3A00%2B00%3A00"
    assert f'href="{link}"' in answer.text


def test_a_refused_exposure_shows_the_reason_and_what_to_do(client, world):
    unit = take_exposure(world.summit, 1)
    name = image_name(unit, DETECTORS[0])
    world.summit.put(name, world.summit.data(name)[:-100])
    world.settle()
    run_night(world)
    (refusal,) = world.ledger.refusals()
    answer = client.get(f"/exposure/{obs(1)}")
    assert f"dbb quarantine show {refusal.refusal_id}" in text_of(answer)
    assert refusal.next_action.replace("`", "") in text_of(answer)


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


def test_a_full_day_is_a_page_within_two_seconds(client, world):
    names = [f"LSSTCam/20261121/{obs(number)}" for number in range(1, 3251)]
    now = world.clock.now()
    world.ledger.note_units(
        [UnitRow(n, "raw", "LSSTCam", 20261121, n[-20:], 1, 205, 205, (), now) for n in names]
    )
    for endpoint in ("summit", "usdf", "frdf"):
        world.ledger.expect(names, endpoint, "test")
    began = time.process_time()
    answer = client.get(NIGHT_PAGE)
    assert len(listed(answer)) == 100
    assert "Page 1 of 33" in text_of(answer)
    assert time.process_time() - began < 2


# -- the nights ------------------------------------------------------------------------------------


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


# -- the matrix ------------------------------------------------------------------------------------


def many_units(world, number):
    now = world.clock.now()
    world.ledger.note_units(
        [
            UnitRow(
                f"LSSTCam/20261121/{obs(each)}",
                "raw",
                "LSSTCam",
                20261121,
                obs(each),
                1,
                3,
                3,
                (),
                now,
            )
            for each in range(1, number + 1)
        ]
    )


def test_a_long_night_comes_in_pages_and_each_exposure_once(client, world):
    many_units(world, 250)
    seen = [name for page in (1, 2, 3) for name in listed(client.get(f"{NIGHT_PAGE}?page={page}"))]
    assert seen == [obs(number) for number in range(1, 251)]
    answer = client.get(f"{NIGHT_PAGE}?page=2")
    assert "Page 2 of 3" in text_of(answer)
    assert 'href="20261121?page=3"' in answer.text
    assert len(client.get(f"{NIGHT_PAGE}?page=2&format=json").json()["rows"]) == 250


def test_the_page_after_the_last_is_the_last(client, world):
    many_units(world, 101)
    assert listed(client.get(f"{NIGHT_PAGE}?page=999")) == [obs(101)]


def test_a_night_is_listed_by_standing(client, world):
    publish(world, 1)
    take_exposure(world.summit, 2, detectors=DETECTORS[:1])
    world.settle()
    run_night(world)
    answer = client.get(NIGHT_PAGE)
    assert 'href="20261121?standing=waiting"' in answer.text
    assert listed(client.get(f"{NIGHT_PAGE}?standing=waiting")) == [obs(2)]
    assert listed(client.get(f"{NIGHT_PAGE}?standing=safe")) == [obs(1)]
    assert client.get(f"{NIGHT_PAGE}?standing=happy").status_code == 400


def test_the_night_says_how_far_it_is_at_each_endpoint(client, world):
    publish(world, 1, 2)
    (stages,) = re.findall(
        r"How far the exposures are</caption>(.*?)</table>", client.get(NIGHT_PAGE).text, re.DOTALL
    )
    states = night_report(world.backbone(), NIGHT).states
    for endpoint, counts in states.items():
        (row,) = re.findall(rf'<th scope="row">{endpoint}</th>(.*?)</tr>', stages)
        assert [cell for cell in re.findall(r"<td>(.*?)</td>", row) if cell != "-"] == [
            str(number) for number in counts.values()
        ]


# -- the focal plane -------------------------------------------------------------------------------


def test_all_205_detectors_are_drawn_and_those_that_lack_stand_out():
    camera = load_instruments()["LSSTCam"]
    drawn = focal_plane(camera, {"R22_S11": 2}, {"R00_SG0": 1}, "LSSTCam")
    assert drawn.count("<rect") == 205
    assert drawn.count('<g class="good">') == 203
    assert "R22_S11: 2 lacking" in drawn
    assert "203 of 205 detectors are well" in drawn
    assert len(set(re.findall(r'<rect x="[^"]+" y="[^"]+"', drawn))) == 205


def test_an_exposures_picture_names_the_detectors_it_lacks(make_client, world):
    camera = load_instruments()["LSSTCam"]
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3700)
    run_night(world)
    for item in world.ledger.refusals():
        release_refusal(world.backbone(), item, Signature("anne", "accepted"))
    run_night(world)
    assert world.ledger.units([unit])[unit].missing == (DETECTORS[2],)
    backbone = dataclasses.replace(world.backbone(), instruments={"LSSTCam": camera})
    client = make_client(backbone, known=True)
    for address in (f"/exposure/{obs(1)}", NIGHT_PAGE):
        drawn = client.get(address).text
        assert "204 of 205 detectors are well" in drawn
        assert f"{DETECTORS[2]}: 1 lacking" in drawn
    document = client.get(f"{NIGHT_PAGE}?format=json").json()
    assert document["detectors_lacking"] == {"LSSTCam": {DETECTORS[2]: 1}}


def test_the_quarantines_document_is_that_of_the_command_line(client, world, dbb):
    world.summit.put("LSSTCam/20261121/strange name", b"x")
    publish(world, 1)
    assert client.get("/quarantine?format=json").json() == dbb("quarantine", "list")
    asked = client.get("/quarantine?day_obs=20261121&code=unsafe-name&format=json").json()
    assert asked == dbb("quarantine", "list", "20261121", "--code", "unsafe-name")
