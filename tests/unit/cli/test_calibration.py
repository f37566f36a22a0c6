"""`dbb calibration` over a world in memory."""

import json

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from support.calibration_world import CalibrationWorld

GROUP = "LSSTCam/20261121/bias-O1"


@pytest.fixture
def world(tmp_path):
    world = CalibrationWorld(tmp_path)
    world.take("bias", 1, 2)
    world.move_raws()
    return world


@pytest.fixture
def dbb(world, capsys):
    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main(["calibration", *arguments], {"DBB_LEDGER_URL": "sqlite://"}, make_context)
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


def test_the_list_names_groups_and_attempts_and_what_is_waited_for(world, dbb):
    (unit,) = world.run()
    world.take("dark", 11, 2)
    world.summit.delete([name for name in world.summit.names if "000012" in name])
    world.move_raws()
    code, out, _ = dbb("list", "20261121", "--json")
    assert code == 1
    rows = {row["group"]: row for row in json.loads(out)["groups"]}
    assert (rows[GROUP]["unit"], rows[GROUP]["accepted"]) == (unit, True)
    assert "1 exposures have not come" in rows["dark 11 to 12"]["waits_for"]
    assert dbb("list", "20261121")[0] == 1


def test_the_budget_is_shown_with_the_same_numbers_as_json(world, dbb):
    world.run()
    code, out, _ = dbb("show", GROUP)
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == [
        "wait", "gather", "process", "ingest", "replicate", "verify", "publish"
    ]  # fmt: skip
    document = json.loads(dbb("show", GROUP, "--json")[1])
    (attempt,) = document["attempts"]
    assert [f"{step['seconds']:.1f}" for step in attempt["steps"]] == [
        line.split("\t")[1] for line in out.splitlines()[1:]
    ]
    assert code == (0 if attempt["total_s"] <= 1200 and attempt["backbone_s"] <= 300 else 1)
    assert dbb("show", "LSSTCam/20261121/bias-O9")[0] == 2


def test_provenance_goes_both_ways(world, dbb):
    (unit,) = world.run()
    product = world.calibrations.products(unit)[0]
    _, out, _ = dbb("provenance", product.dataset_id, "--json")
    assert {row["dataset_id"] for row in json.loads(out)["rows"]} == {
        key for key, _, _ in product.inputs
    }
    _, out, _ = dbb("provenance", product.inputs[0][0], "--json")
    assert [row["dataset_id"] for row in json.loads(out)["rows"]] == [product.dataset_id]
    assert dbb("provenance", "nothing")[0] == 2


def test_a_rollback_is_planned_then_applied_and_compared(world, dbb):
    (unit,) = world.run()
    assert dbb("compare")[0] == 0
    plan = json.loads(dbb("rollback", unit, "--json")[1])["sha256"]
    assert dbb("rollback", unit, "--apply", plan[:12])[0] == 2  # no reason
    assert dbb("rollback", unit, "--apply", "0" * 12, "--reason", "stripes")[0] == 1
    assert dbb("rollback", unit, "--apply", plan[:12], "--reason", "stripes")[0] == 0
    assert world.calibrations.history(unit)[-1][1:3] == ("withdrawn", "stripes")
    assert dbb("compare")[0] == 0
