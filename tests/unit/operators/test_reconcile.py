"""The steps of the DAG ``reconcile_<endpoint>`` over a backbone in memory."""

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

import dbb.operators.reconcile as steps
from dbb.errors import CatalogUnavailable, StoreUnavailable
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
    return steps.ChooseNights(task_id="choose_nights", endpoint="frdf", **given)


def compare(endpoint, *nights):
    given = [night.value for night in nights or (NIGHT,)]
    return steps.ReconcileNights(task_id="reconcile", nights=given, endpoint=endpoint)


def test_nights_that_are_named_are_taken_as_they_are(context):
    chosen = choose(first_day="20261101", last_day="20261103").execute(context)
    assert chosen == [[20261101, 20261102, 20261103]]
    assert choose(first_day="20261101").execute(context) == [[20261101]]
    assert [
        len(chunk) for chunk in choose(first_day="20261101", last_day="20261121").execute(context)
    ] == [10, 10, 1]


def test_tonight_is_not_chosen_and_with_nothing_to_do_the_rest_is_skipped(context, world):
    with pytest.raises(DownstreamTasksSkipped):
        choose().execute(context)
    world.clock.advance(24 * 3600)
    assert choose().execute(context) == [[NIGHT.value]]


def test_a_night_is_compared_and_its_findings_are_told(context, world):
    world.clock.advance(24 * 3600)
    nothing = {"sightings": 0, "unsettled": 0, "suspected": 0, "confirmed": 0}
    assert compare("frdf").execute(context) == {"units": 2, **nothing}
    world.stores["frdf"].put(f"raw/LSSTCam/{NIGHT}/stray", b"x")
    for suspected, confirmed in ((1, 0), (0, 1)):
        world.clock.advance(3600)
        told = compare("frdf").execute(context)
        assert (told["sightings"], told["suspected"], told["confirmed"]) == (
            1,
            suspected,
            confirmed,
        )
    assert compare("usdf").execute(context) == {"units": 2, **nothing}


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


def test_a_store_that_is_silent_for_one_night_keeps_no_other_from_being_compared(
    sources, context, world, monkeypatch
):
    world.clock.advance(48 * 3600)
    after = NIGHT.next()
    world.stores["frdf"].put(f"raw/LSSTCam/{after}/stray", b"x")
    world.clock.advance(3600)
    store = world.stores["frdf"]
    listed = store.list_files

    def down(prefix):
        if str(NIGHT) in prefix:
            raise StoreUnavailable.for_store("frdf", "down")
        return listed(prefix)

    monkeypatch.setattr(store, "list_files", down)
    with pytest.raises(StoreUnavailable):
        compare("frdf", NIGHT, after).execute(context)
    (found,) = sources.findings.find()
    assert found.sighting.day_obs == after.value
