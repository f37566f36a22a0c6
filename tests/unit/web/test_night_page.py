"""A night's page: the verdict first, what needs somebody on top, a long night in parts."""

import dataclasses
import re

import pytest

from dbb.flows.freshness import note_look
from dbb.flows.night import night_report
from dbb.ports.ledger import UnitRow
from dbb.web.selection import Selection
from support.costs import measured
from support.night_pages import NIGHT_PAGE, listed, obs, publish, text_of
from support.tiny_camera import DETECTORS, TINY, image_name, put_detector, take_exposure
from support.world import NIGHT, run_night


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


def test_neighbouring_nights_are_one_step_away(client, world):
    note_look(world.backbone())
    answer = client.get(NIGHT_PAGE)
    assert 'href="20261120"' in answer.text
    assert 'href="20261122"' in answer.text
    assert "EMPTY" in text_of(answer)
    for edge in ("20170102", "99991231"):
        assert client.get(f"/night/{edge}").status_code == 200


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


# -- a part of it ----------------------------------------------------------------------------------


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
    rows = chosen.choose(night_report(backbone, NIGHT).lines)
    assert {line.obs_id for line in rows} == {obs(2), "AT_O_20261121_000001"}


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


# -- a long one ------------------------------------------------------------------------------------


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


def test_a_full_day_is_a_page_within_two_seconds(client, world):
    names = [f"LSSTCam/20261121/{obs(number)}" for number in range(1, 3251)]
    now = world.clock.now()
    world.ledger.note_units(
        [UnitRow(n, "raw", "LSSTCam", 20261121, n[-20:], 1, 205, 205, (), now) for n in names]
    )
    for endpoint in ("summit", "usdf", "frdf"):
        world.ledger.expect(names, endpoint, "test")
    with measured() as cost:
        answer = client.get(NIGHT_PAGE)
    assert len(listed(answer)) == 100
    assert "Page 1 of 33" in text_of(answer)
    assert cost.cpu_s < 2
