"""The calibration flow with its ledger on PostgreSQL."""

from __future__ import annotations

import pytest

from dbb.flows.calibration_budget import read_budget
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.model.calibration import Step
from support.calibration_world import CalibrationWorld
from support.own_database import own_database

pytestmark = pytest.mark.sandbox


@pytest.fixture
def world(sandbox, tmp_path):
    with own_database(sandbox) as database:
        yield CalibrationWorld(tmp_path, database.render_as_string(hide_password=False))


def test_a_group_goes_into_force_is_made_again_and_is_taken_back(world):
    world.take("bias", 1, 2)
    world.take("dark", 11, 2)
    world.move_raws()
    (bias,), (dark,) = world.run(), world.run()  # the dark waits for its bias
    assert world.run() == []
    (second, _) = world.run(workshop=world.workshop("2"), again=True)
    attempts = {each.unit: each for each in world.calibrations.attempts()}
    assert [attempts[unit].accepted for unit in (bias, dark, second)] == [True, True, False]
    assert [share.step for share in read_budget(world.backbone(), bias).shares] == list(Step)
    product = world.calibrations.products(dark)[0]
    assert {kind for _, _, kind in product.inputs} == {"raw", "bias"}
    assert unit_of(world.calibrations.products_of_input(product.inputs[0][0])) >= {dark}
    plan = plan_rollback(world.backbone(), bias)
    apply_rollback(world.backbone(), bias, plan.sha256, "stripes")
    assert world.calibrations.withdrawn([bias, dark]) == {bias}
    assert {row.verdict for row in compare(world.backbone(), "LSSTCam")} == {"equal"}


def unit_of(found: list[tuple[str, str, str]]) -> set[str]:
    return {unit for unit, _, _ in found}
