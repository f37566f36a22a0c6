"""An exposure's story: why it stands where it stands, and what happened before."""

import json

import pytest

from dbb.errors import UnknownItem, UnsafeName
from dbb.flows.exposure_story import exposure_story
from support.tiny_camera import DETECTORS, image_name, put_detector, take_exposure
from support.world import World, run_night

OBS_ID = "MC_O_20261121_000001"


@pytest.fixture
def world():
    return World()


def story(world, text=OBS_ID):
    return exposure_story(world.backbone(), text)


def test_a_published_exposure_has_nothing_left_to_do(world):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    told = story(world)
    assert told.sentence.startswith(f"{OBS_ID} is safe since ")
    assert told.sentence.endswith("published at usdf and frdf. Nothing is left to do.")


def test_the_history_shows_every_step_at_every_place(world):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    (unit,) = story(world).units
    steps = [(event.endpoint, str(event.new_state)) for event in unit.events]
    for endpoint in ("usdf", "frdf"):
        here = [state for place, state in steps if place == endpoint]
        assert here == ["expected", "arrived", "verified", "registered", "published"]
    assert [state for place, state in steps if place == "summit"][-1] == "released"
    assert unit.facts is not None
    assert unit.facts.obs_id == OBS_ID


def test_a_waiting_exposure_says_how_many_detectors_are_there(world):
    take_exposure(world.summit, 1, detectors=DETECTORS[:1])
    world.settle()
    run_night(world)
    sentence = story(world).sentence
    assert "waits for detectors since" in sentence
    assert "(1 of 3 are there)" in sentence
    assert f"`dbb where {OBS_ID}` if it lasts" in sentence


def test_a_refused_exposure_gives_the_reason_and_the_next_command(world):
    unit = take_exposure(world.summit, 1)
    name = image_name(unit, DETECTORS[0])
    world.summit.put(name, world.summit.data(name)[:-100])
    world.settle()
    run_night(world)
    (refusal,) = world.ledger.refusals()
    sentence = story(world).sentence
    assert f"has {refusal.code} at summit" in sentence
    assert refusal.reason.rstrip(".") in sentence
    assert f"`dbb quarantine show {refusal.refusal_id}`" in sentence


def test_an_incomplete_exposure_is_told_as_published_without_its_detectors(world):
    take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3700)
    run_night(world)
    assert "published at usdf and frdf without 1 of 3 detectors" in story(world).sentence


def test_a_later_part_is_told_too_and_can_be_asked_for_alone(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3700)
    run_night(world)
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    run_night(world)
    assert [item.line.row.part for item in story(world).units] == [1, 2]
    assert [item.line.row.part for item in story(world, f"{OBS_ID}.2").units] == [2]
    assert [item.line.row.part for item in story(world, f"{unit}.2").units] == [2]


def test_a_file_that_came_after_the_release_and_conflicts_is_part_of_the_story(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    put_detector(world.summit, unit, DETECTORS[0], AIRMASS=1.9)
    world.settle()
    run_night(world)
    assert "has conflicting-duplicate at summit" in story(world).sentence


@pytest.mark.parametrize(
    "form",
    [
        "LSSTCam/20261121/{obs}",
        "raw:LSSTCam/20261121/{obs}/{obs}.zip",
        "raw:LSSTCam/20261121/{obs}/{obs}.manifest.json",
        "raw:Dataset/LSSTCam/raw/Obs/20261121/{obs}",
    ],
)
def test_an_exposure_is_found_by_every_name_that_it_has(world, form):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    assert story(world, form.format(obs=OBS_ID)).obs_id == OBS_ID


@pytest.mark.parametrize("text", ["x", "ZZ_O_20261121_000001", "raw:a/b.zip", f"{OBS_ID}.x"])
def test_what_is_no_name_of_an_exposure_is_refused(world, text):
    with pytest.raises(UnsafeName):
        story(world, text)


def test_an_exposure_that_the_ledger_does_not_know_is_said_to_be_unknown(world):
    with pytest.raises(UnknownItem, match="MC_O_20261121_000009"):
        story(world, "MC_O_20261121_000009")


def test_the_document_can_be_written_as_json(world):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    document = json.loads(json.dumps(story(world).to_json()))
    assert document["schema"] == "dbb-exposure/1"
    (unit,) = document["units"]
    assert unit["bundle"]["sha256"]
    assert unit["facts"]["day_obs"] == 20261121
    assert unit["events"][0]["old_state"] == ""
