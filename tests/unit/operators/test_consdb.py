"""The steps of the DAG ``consdb_check`` over a backbone in memory."""

import pytest
from sqlalchemy import text

import dbb.operators.consdb as steps
from dbb.errors import ConsdbRuleBroken
from dbb.hooks.consdb.database import SqlConsdb
from dbb.hooks.findings import SqlFindings
from dbb.model.consdb import NO_DETECTOR, Members
from dbb.model.finding import Discrepancy, FindingState
from support.staged_units import bring
from support.world import NIGHT


@pytest.fixture
def consdb(world):
    return SqlConsdb(world.ledger)


@pytest.fixture(autouse=True)
def _in_memory(world, consdb, monkeypatch):
    monkeypatch.setattr(steps, "open_for_run", lambda _: world.backbone())
    monkeypatch.setattr(steps, "ports_for_run", lambda _: (consdb, SqlFindings(world.ledger)))
    bring(world, range(1, 3))


def fill(context):
    return steps.FillTheNight(task_id="fill_the_night").execute(context)


def check(context):
    return steps.CheckTheNight(task_id="check_the_night").execute(context)


def test_what_is_not_there_is_filled_in(context, world):
    assert fill(context) == {"read": 0, "versions": 0, "wait": 0}
    with world.ledger.transaction() as connection:
        connection.execute(text("delete from consdb_source"))
    assert fill(context) == {"read": 2, "versions": 0, "wait": 0}


def lose_detectors(consdb):
    """Have an exposure without the rows of most of its detectors."""
    number = NIGHT.value * 100000 + 1
    lost = Members("LSSTCam", "ccdexposure", number, NIGHT.value, 1, [{"detector": 0}])
    consdb.deliver([lost], replace=True)


def test_a_broken_rule_turns_the_run_of_its_night_red_and_is_named(context, world, consdb):
    assert check(context) == {"nights": [NIGHT.value], "broken": {}}
    lose_detectors(consdb)
    with pytest.raises(ConsdbRuleBroken, match=r"ccdexposure_completeness by 1 of LSSTCam, LSST"):
        check(context)
    [finding] = SqlFindings(world.ledger).find()
    assert finding.state is FindingState.SUSPECTED
    assert finding.sighting.discrepancy is Discrepancy.CCDEXPOSURE_COMPLETENESS


def test_what_only_a_pipeline_owes_turns_nothing_red(context, consdb):
    number = NIGHT.value * 100000 + 1
    consdb.deliver(
        [
            Members(
                "LSSTCam", "exposure_quicklook", number, NIGHT.value, 1, [{"detector": NO_DETECTOR}]
            )
        ]
    )
    told = {f"{NIGHT} LSSTCam exposure_quicklook_coverage": 1}
    assert check(context) == {"nights": [NIGHT.value], "broken": told}


def test_an_open_finding_of_another_night_is_looked_at_again(context, world, consdb):
    lose_detectors(consdb)
    context["dag_run"].partition_key = "20261128"
    assert check(context) == {"nights": [20261128], "broken": {}}
    context["dag_run"].partition_key = str(NIGHT)
    with pytest.raises(ConsdbRuleBroken):
        check(context)
    context["dag_run"].partition_key = "20261128"
    told = {f"{NIGHT} LSSTCam ccdexposure_completeness": 1}
    assert check(context) == {"nights": [NIGHT.value, 20261128], "broken": told}
    whole = [{"detector": each} for each in range(3)]
    consdb.deliver(
        [Members("LSSTCam", "ccdexposure", NIGHT.value * 100000 + 1, NIGHT.value, 1, whole)]
    )
    world.clock.advance(7 * 24 * 3600)
    assert check(context) == {"nights": [NIGHT.value, 20261128], "broken": {}}
    assert SqlFindings(world.ledger).find() == []
