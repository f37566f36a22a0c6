"""An exposure's page: its story, its files and images, and the detectors that it lacks."""

import dataclasses
import re

from dbb.flows.deciding import Signature, release_refusal
from dbb.hooks.instruments import load_instruments
from dbb.model.delivery import State
from dbb.web.focal_plane import focal_plane
from support.night_pages import NIGHT_PAGE, obs, publish, text_of
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import run_night


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
