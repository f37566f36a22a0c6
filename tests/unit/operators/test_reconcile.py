"""The steps of the DAG ``reconcile`` over a backbone in memory."""

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

import dbb.operators.reconcile as steps
from dbb.errors import CatalogUnavailable
from support.fake_nights import open_sources
from support.staged_units import bring
from support.world import NIGHT


@pytest.fixture(autouse=True)
def sources(world, monkeypatch):
    opened = open_sources(world)
    monkeypatch.setattr(steps, "sources_for_run", lambda _: opened)
    bring(world, range(1, 3))
    return opened


def choose(**options):
    given = {"first_day": "", "last_day": "", "recent": "1", "rota": "1", **options}
    return steps.ChooseNights(task_id="choose_nights", **given)


def compare(endpoint):
    return steps.ReconcileNight(task_id="reconcile", day_obs=NIGHT.value, endpoint=endpoint)


def test_nights_that_are_named_are_taken_as_they_are(context):
    chosen = choose(first_day="20261101", last_day="20261103").execute(context)
    assert chosen == [20261101, 20261102, 20261103]
    assert choose(first_day="20261101").execute(context) == [20261101]


def test_tonight_is_not_chosen_and_with_nothing_to_do_the_rest_is_skipped(context, world):
    with pytest.raises(DownstreamTasksSkipped):
        choose().execute(context)
    world.clock.advance(24 * 3600)
    assert choose().execute(context) == [NIGHT.value]


def test_a_night_is_compared_and_its_findings_are_told(context, world):
    world.clock.advance(24 * 3600)
    assert compare("frdf").execute(context) == {"units": 2, "sightings": 0, "unsettled": 0}
    world.stores["frdf"].put(f"raw/LSSTCam/{NIGHT}/stray", b"x")
    for suspected, confirmed in ((1, 0), (0, 1)):
        world.clock.advance(3600)
        assert compare("frdf").execute(context)["sightings"] == 1
        told = steps.TellOfFindings(task_id="tell_of_findings").execute(context)
        assert told == {"suspected": suspected, "confirmed": confirmed}


def test_a_silent_service_fails_the_step_when_the_rest_is_recorded(sources, context, world):
    world.clock.advance(24 * 3600)
    world.stores["frdf"].put(f"raw/LSSTCam/{NIGHT}/stray", b"x")
    world.clock.advance(3600)

    def down(*_):
        raise CatalogUnavailable.for_call("list_replicas", "down")

    sources.rucio.replicas_at = down
    with pytest.raises(CatalogUnavailable):
        compare("frdf").execute(context)
    assert len(sources.findings.find()) == 1
