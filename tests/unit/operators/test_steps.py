"""The steps of a run, one after the other, over a backbone in memory."""

import dataclasses
import logging

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, chain
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped, TaskDeferred

from dbb.flows.parcels import take_parcels
from dbb.flows.registration import register_units
from dbb.model.delivery import State
from dbb.operators import chunks
from dbb.operators.archive import (
    CheckAndLandExposures,
    JudgeExposureRecords,
    ReadArchiveCopiesAgain,
    RegisterInRucio,
    ReleaseSourceCopies,
)
from dbb.operators.arrivals import LookForNewExposures
from dbb.operators.endpoints import (
    LookForCopies,
    PublishAtEndpoint,
    WaitForCopies,
    parcels_published_at,
    raw_published_at,
)
from dbb.operators.report import ReportTheNight, TellOfFailedSteps
from support.tiny_camera import DETECTORS, put_detector, take_exposure, unit_name

pytestmark = pytest.mark.filterwarnings("default")


def look(context, *, tonight=False):
    return LookForNewExposures(task_id="look", tonight=tonight).execute(context)


def wait(units, patience_s="0"):
    return WaitForCopies(task_id="wait", units=units, patience_s=patience_s)


def publish(units, endpoint="usdf"):
    return PublishAtEndpoint(task_id="publish", units=units, endpoint=endpoint)


@pytest.fixture
def units(world):
    names = [take_exposure(world.summit, number) for number in (1, 2, 3)]
    world.settle()
    return names


@pytest.fixture
def registered(context, units):  # noqa: ARG001 - the exposures must have come
    (chunk,) = look(context)
    CheckAndLandExposures(task_id="land", units=chunk).execute(context)
    JudgeExposureRecords(task_id="judge", units=chunk).execute(context)
    RegisterInRucio(task_id="register", units=chunk).execute(context)
    return chunk


def test_a_night_goes_from_the_summit_to_published_everywhere(world, units, context):
    (chunk,) = look(context)
    assert chunk == units
    assert CheckAndLandExposures(task_id="a", units=chunk).execute(context)["landed"] == 3
    judge = JudgeExposureRecords(task_id="b", units=chunk)
    assert judge.execute(context) == {"passed": 3, "refused": 0}
    assert RegisterInRucio(task_id="c", units=chunk).execute(context)["registered"] == 3
    assert publish(chunk).execute(context)["published"] == 3
    assert wait(chunk).execute(context)["waiting"] == 3
    world.catalog.run_daemons()
    (came,) = LookForCopies(task_id="f", endpoint="frdf").execute(context)
    assert publish(came, "frdf").execute(context)["published"] == 3
    assert wait(chunk).execute(context) == {"published": 3, "waiting": 0}
    assert ReleaseSourceCopies(task_id="d", units=chunk).execute(context)["released"] == 0
    again = ReadArchiveCopiesAgain(task_id="r", units=chunk)
    assert again.execute(context) == {"read": 3, "damaged": 0}
    release = ReleaseSourceCopies(task_id="d", units=chunk)
    assert release.execute(context) == {"released": 3, "kept": 0}
    report = ReportTheNight(task_id="e", tonight=False).execute(context)
    assert report["20261121"]["verdict"] == "SAFE"
    with pytest.raises(DownstreamTasksSkipped):
        look(context)


def test_the_work_is_cut_into_chunks_of_the_policys_size(world, units, context):
    world.policy = dataclasses.replace(world.policy, chunk_exposures=2)
    assert look(context) == [units[:2], units[2:]]


def test_more_chunks_than_airflow_can_map_are_left_to_the_next_run(
    world, units, context, monkeypatch
):
    world.policy = dataclasses.replace(world.policy, chunk_exposures=1)
    monkeypatch.setattr(chunks, "MOST_CHUNKS", 2)
    assert look(context) == [[units[0]], [units[1]]]


def test_a_run_with_nothing_to_do_says_so(context, caplog):
    with caplog.at_level(logging.INFO), pytest.raises(DownstreamTasksSkipped):
        look(context)
    assert "nothing to do: 0 exposures to work on, 0 finished, 0 waiting" in caplog.text


def test_a_run_with_nothing_to_do_skips_what_follows_at_once_but_still_reports(context):
    with DAG("idle", schedule=None):
        step = LookForNewExposures(task_id="look", tonight=False, steps_when_idle=["report"])
        chunk, report = EmptyOperator(task_id="chunk"), EmptyOperator(task_id="report")
        chain(step, chunk, report)
    with pytest.raises(DownstreamTasksSkipped) as skip:
        step.execute(context)
    assert skip.value.tasks == ["chunk"]


def test_tonights_run_needs_no_night_and_takes_up_what_the_night_before_left(world, context):
    context["dag_run"].partition_key = None
    left = take_exposure(world.summit, 1)
    world.settle()
    look(context, tonight=True)
    world.clock.advance(86_400)
    new = unit_name(1, day_obs=20261122)
    for detector in DETECTORS:
        put_detector(world.summit, new, detector)
    world.clock.advance(world.policy.incomplete_after_s)  # there is no list of expected sensors
    assert look(context, tonight=True) == [[left], [new]]


def test_a_record_that_fails_is_refused_and_its_neighbours_pass(world, units, context, monkeypatch):
    (chunk,) = look(context)
    CheckAndLandExposures(task_id="land", units=chunk).execute(context)
    facts_of = world.ledger.facts_of

    def one_wrong(names):
        return {
            unit: dataclasses.replace(facts, observation_type="selfie")
            if unit == units[1]
            else facts
            for unit, facts in facts_of(names).items()
        }

    monkeypatch.setattr(world.ledger, "facts_of", one_wrong)
    judge = JudgeExposureRecords(task_id="judge", units=chunk)
    assert judge.execute(context) == {"passed": 2, "refused": 1}
    assert world.state(units[1], "usdf") is State.QUARANTINED
    assert world.codes(units[1]) == ["expectation-failed"]
    (result,) = world.ledger.expectations(20261121)
    assert (result.exposures, result.failed) == (3, 1)
    assert judge.execute(context) == {"passed": 0, "refused": 0}


def test_a_task_that_published_tells_the_followers_which_night(registered, context):
    task = publish(registered)
    task.execute(context)
    event = context["outlet_events"][raw_published_at("usdf")]
    assert event.keys == ["20261121"]
    assert event.extra == {"published": 3}
    assert task.outlets == [raw_published_at("usdf")]


def test_a_task_that_published_a_parcel_tells_those_who_wait_for_parcels(world, context):
    folder = "incoming/files/20261121/catalogue-1"
    for name, data in (("dp1/Object/a.parquet", b"rows"), ("_READY", b"")):
        with world.stores["usdf"].create(f"{folder}/{name}") as writer:
            writer.write(data)
    unit = folder.removeprefix("incoming/")
    take_parcels(world.backbone(), [unit])
    register_units(world.backbone(), [unit])
    task = publish([unit])
    assert task.execute(context)["published"] == 1
    assert task.outlets == [parcels_published_at("usdf")]
    assert task.execute(context)["published"] == 0
    assert task.outlets == []


def test_a_task_that_published_nothing_tells_nobody(registered, context):
    publish(registered).execute(context)
    again = publish(registered)
    assert again.execute(context)["published"] == 0
    assert again.outlets == []


def test_waiting_is_left_to_the_triggerer(registered, context):
    with pytest.raises(TaskDeferred) as deferral:
        wait(registered, "600").execute(context)
    _, arguments = deferral.value.trigger.serialize()
    assert arguments["units"] == registered
    assert deferral.value.method_name == "go_on"


def test_without_patience_the_step_goes_on_at_once(registered, context):
    assert wait(registered, "0").execute(context)["waiting"] == 3


def test_copies_that_did_not_come_fail_nobody(registered, context):
    counts = {"waiting": 1, "published": 2}
    assert wait(registered).go_on(context, counts) == counts
    assert publish(registered, "frdf").execute(context) == {
        "published": 0, "waiting": 3, "refused": 0
    }  # fmt: skip


def test_an_endpoint_with_no_new_copies_skips_what_follows(registered, context):  # noqa: ARG001
    with pytest.raises(DownstreamTasksSkipped):
        LookForCopies(task_id="look", endpoint="frdf").execute(context)


def test_every_step_may_run_twice(world, registered, context):
    for step in (CheckAndLandExposures, JudgeExposureRecords, RegisterInRucio):
        step(task_id="again", units=registered).execute(context)
    publish(registered).execute(context)
    publish(registered).execute(context)
    assert world.codes() == []
    assert {world.state(unit, "usdf") for unit in registered} == {State.PUBLISHED}


def test_the_ui_shows_the_range_of_exposures():
    units = [unit_name(1), unit_name(2), unit_name(3)]
    step = publish(units)
    assert step.map_index_template == "{{ task.exposures }}"
    assert step.exposures == "MC_O_20261121_000001 … MC_O_20261121_000003"
    assert publish(units[:1]).exposures == "MC_O_20261121_000001"


def test_a_failed_step_turns_the_run_red(context):
    with pytest.raises(AirflowFailException, match="manual__test"):
        TellOfFailedSteps(task_id="tell").execute(context)
