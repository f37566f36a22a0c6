"""Synthetic groups through the real payload, judge, indexer and Butler, to a user's `get`."""

import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from lsst.daf.butler import Butler

from dbb.errors import CalibrationInputsRefused, PayloadFailed, PayloadOutOfTime
from dbb.flows.calibration_budget import settle
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.hooks.calibration.payloads import PAYLOADS_FILE, load_payload
from dbb.model.delivery import State
from dbb.settings import INCLUDE
from support.calibration_site import CAMPAIGN, PLACES, CalibrationSite


@pytest.fixture
def world(tmp_path):
    return CalibrationSite(tmp_path)


def test_bias_dark_and_flat_are_found_by_a_user_at_each_endpoint(world):
    units = []
    for kind, first in (("bias", 5001), ("dark", 5101), ("flat", 5201)):
        world.take(kind, first)
        units += world.make()
    assert len(units) == 3
    assert world.codes() == []
    for place in PLACES:
        assert [world.state(unit, place) for unit in units] == [State.PUBLISHED] * 3
        with Butler.from_config(str(world.folder / "butler" / place)) as butler:
            data_id = {"instrument": "LSSTCam", "exposure": 2026112105202, "detector": 94}
            # The group's own exposures: each calibration begins before them.
            for kind in ("bias", "dark", "flat"):
                images = butler.get(kind, data_id, collections="LSSTCam/calib")
                assert len(images) > 1
    verdicts = {row.endpoint: row.verdict for row in compare(world.backbone(), "LSSTCam")}
    assert verdicts == {
        "usdf": "equal",
        "frdf": "equal",
        "chile": "behind",
    }  # nothing came to Chile
    kinds = {kind for row in world.calibrations.products(units[2]) for _, _, kind in row.inputs}
    assert kinds == {"raw", "bias", "dark"}
    budget = settle(world.backbone(), units[2])
    assert [(str(each.step), each.is_running) for each in budget.shares][-1] == ("replicate", True)


def test_a_bad_group_leaves_the_one_in_force_and_a_rollback_brings_it_back(world):
    world.take("bias", 5001)
    (first,) = world.make()
    world.take("bias", 5011, fault="saturated")
    with pytest.raises(CalibrationInputsRefused):
        world.make()
    world.take("bias", 5021)
    (third,) = world.make()
    plan = plan_rollback(world.backbone(), third)
    assert [line.subject for line in plan.of("decertify")] == ["usdf", "frdf"]
    apply_rollback(world.backbone(), third, plan.sha256, "stripes")
    ids = {row.dataset_id for row in world.calibrations.products(first)}
    for place in PLACES:
        found = world.repositories[place].validities(f"LSSTCam/calib/daily/{CAMPAIGN}")
        assert {(each.dataset_id in ids, each.end_tai) for each in found} == {(True, "")}


# -- external programs -----------------------------------------------------------------------------

SUPPORT = Path(__file__).parents[2] / "support"
PIPETASK = os.environ.get("PIPETASK") or shutil.which("pipetask") or ""
"""Rubin's executor: of `lsst-ctrl-mpexec`, which is no part of this project's environment."""
BPS = os.environ.get("BPS") or shutil.which("bps") or ""
"""Rubin's batch system: of `lsst-ctrl-bps`, neither."""


def load(folder, name, *words, time_limit_s=400):
    """Declare an external payload, as the shipped file does, and read the declaration."""
    entry = {
        "name": name, "kind": "command", "version": "7", "time_limit_s": time_limit_s,
        "command": list(words),
    }  # fmt: skip
    path = folder / "payloads.yaml"
    path.write_text(yaml.safe_dump({"default": name, "payloads": [entry]}))
    return load_payload(path=path).payload


def check_of_outside(world, payload, units):
    """The products went the whole way, and provenance names the program and its inputs."""
    (unit,) = units
    assert world.codes() == []
    assert {world.state(unit, place) for place in PLACES} == {State.PUBLISHED}
    (attempt,) = world.calibrations.attempts(unit=unit)
    assert (attempt.payload, attempt.version, attempt.accepted) == (payload.name, "7", True)
    made = world.calibrations.products(unit)
    assert [len(row.inputs) for row in made] == [3, 3]
    for place in PLACES:
        with Butler.from_config(str(world.folder / "butler" / place)) as butler:
            data_id = {"instrument": "LSSTCam", "exposure": 2026112105002, "detector": 94}
            image = butler.get("bias", data_id, collections="LSSTCam/calib")
            raws = [
                butler.get(
                    "raw", data_id | {"exposure": 2026112105000 + n}, collections="LSSTCam/raw/all"
                )[1].data
                for n in (1, 2, 3)
            ]
        assert np.allclose(image["IMAGE"].data, np.mean(raws, axis=0))


def test_an_external_program_makes_what_goes_in_force_everywhere(world):
    words = ("{repository}", "{input_collection}", "{output_run}", "{kind}", "{data_query}")
    program = str(SUPPORT / "external_pipeline.py")
    payload = load(world.folder, "outside", sys.executable, program, *words)
    world.take("bias", 5001, amplifiers=1)
    check_of_outside(world, payload, world.make(payload))


def test_the_log_of_a_program_that_failed_is_where_the_error_says(world):
    program = "print('the reason'); raise SystemExit(3)"
    payload = load(world.folder, "outside", sys.executable, "-c", program, "{order}", "{result}")
    world.take("bias", 5001, amplifiers=1)
    with pytest.raises(PayloadFailed) as caught:
        world.make(payload)
    (log,) = re.findall(r"its log is (\S+)\.", caught.value.message)
    assert Path(log).read_text() == "the reason\n"
    assert not list((world.folder / "scratch").glob("*/inputs"))


def test_a_program_that_ran_out_of_time_is_not_begun_again_unasked(world):
    program = "import time; time.sleep(60)"
    payload = load(
        world.folder,
        "outside",
        sys.executable,
        "-c",
        program,
        "{order}",
        "{result}",
        time_limit_s=1,
    )
    world.take("bias", 5001, amplifiers=1)
    with pytest.raises(PayloadOutOfTime):
        world.make(payload)
    (attempt,) = world.calibrations.attempts()
    assert (attempt.state, attempt.code) == ("refused", "payload-out-of-time")
    assert world.codes() == ["payload-out-of-time"]
    assert world.make() == []
    assert len(world.make(again=True)) == 1


@pytest.mark.skipif(not PIPETASK, reason="there is no pipetask: PIPETASK names one")
def test_rubins_executor_makes_what_goes_in_force_everywhere(world, monkeypatch):
    payload = load(world.folder, "cp-pipe", PIPETASK, *shipped("cp-pipe", monkeypatch)[1:])
    world.take("bias", 5001, amplifiers=1)
    check_of_outside(world, payload, world.make(payload))


@pytest.mark.skipif(not BPS, reason="there is no bps: BPS names one, with its Parsl plugin")
def test_rubins_batch_system_makes_what_goes_in_force_everywhere(world, monkeypatch):
    prefix = str(Path(BPS).parents[1])
    words = [word.replace("/opt/lsst", prefix) for word in shipped("cp-pipe-bps", monkeypatch)]
    payload = load(world.folder, "cp-pipe-bps", *words)
    world.take("bias", 5001, amplifiers=1)
    check_of_outside(world, payload, world.make(payload))


def shipped(name, monkeypatch):
    """Give the words of a command that the shipped file has as an example, for the tests' pipeline."""
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(SUPPORT.parent), str(INCLUDE.parent / "plugins")])
    )
    text = PAYLOADS_FILE.read_text().split(f"# begin of {name}\n")[1].split("# end of")[0]
    (entry,) = yaml.safe_load(text.replace("#", " "))
    ours = {
        "cp_pipe/cp{kind}.yaml": str(SUPPORT / "combine_pipeline.yaml"),
        "/opt/dbb/include/calibration/bps.yaml": str(PAYLOADS_FILE.parent / "bps.yaml"),
    }
    return [ours.get(word, word) for word in entry["command"]]
