"""The cache near the telescope: it works alone, and joins the rest without loss or doubles."""

import contextlib
import dataclasses

import pytest

from dbb.errors import CatalogUnavailable, LedgerUnavailable, StoreUnavailable
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.oods import Oods, apply_merge, ingest_night, plan_merge
from dbb.hooks.oods_journal import SqliteJournal, SqlMergedDatasets
from dbb.model.delivery import State
from support.fake_images import MemoryIndexer, MemoryInspector
from support.fake_repository import MemoryRepository
from support.fake_store import MemoryStore
from support.tiny_camera import DETECTORS, TINY, image_name, put_detector, take_exposure, unit_name
from support.world import NIGHT, World, run_night


@pytest.fixture
def world():
    return World()


@pytest.fixture
def oods(world, tmp_path):
    store = MemoryStore("oods", world.clock)
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    yield Oods(
        source=world.summit,
        store=store,
        repository=MemoryRepository(store),
        inspector=MemoryInspector(),
        indexer=MemoryIndexer(),
        instruments={"LSSTCam": TINY},
        journal=journal,
        clock=world.clock,
        settle_s=2,
    )
    journal.close()


@pytest.fixture
def merged(world):
    return SqlMergedDatasets(world.ledger)


def merge(world, oods, merged):
    plan = plan_merge(world.backbone(), oods.journal)
    apply_merge(world.backbone(), merged, oods.journal, "oods", plan)
    return plan


def rows(merged):
    return merged.of_day("oods", NIGHT.value)


# -- serving ---------------------------------------------------------------------------------------


def test_an_image_is_served_long_before_its_exposure_is_complete(world, oods):
    put_detector(world.summit, unit_name(1), DETECTORS[0])
    world.settle()
    assert ingest_night(oods, NIGHT) == {"served": 1, "refused": 0, "known": 0}
    assert len(oods.repository.datasets) == 1
    put_detector(world.summit, unit_name(1), DETECTORS[1])
    world.settle()
    assert ingest_night(oods, NIGHT) == {"served": 1, "refused": 0, "known": 1}


def test_an_image_that_is_still_written_is_left_to_settle(world, oods):
    put_detector(world.summit, unit_name(1), DETECTORS[0])
    assert ingest_night(oods, NIGHT)["served"] == 0


def test_serving_again_serves_nothing_twice(world, oods):
    take_exposure(world.summit, 1)
    world.settle()
    assert ingest_night(oods, NIGHT)["served"] == 3
    calls = oods.repository.ingest_calls
    assert ingest_night(oods, NIGHT) == {"served": 0, "refused": 0, "known": 3}
    assert oods.repository.ingest_calls == calls


def test_the_cache_keeps_its_own_bytes_when_the_source_lets_go(world, oods):
    unit = take_exposure(world.summit, 1)
    world.settle()
    ingest_night(oods, NIGHT)
    image = image_name(unit, DETECTORS[0])
    before = world.summit.data(image)
    run_night(world)
    assert world.state(unit, "summit") is State.RELEASED
    assert world.summit.stat(image) is None
    assert oods.store.data(f"oods/{image}") == before


def test_a_damaged_image_is_refused_with_its_code_and_costs_no_neighbour(world, oods):
    unit = take_exposure(world.summit, 1)
    world.summit.put(image_name(unit, DETECTORS[1]), b"SIMPLE")
    world.settle()
    counts = ingest_night(oods, NIGHT)
    assert (counts["served"], counts["refused"]) == (2, 1)
    [bad] = [image for image in oods.journal.all() if image.state == "refused"]
    assert bad.code
    assert bad.detector == DETECTORS[1]
    assert world.summit.stat(bad.name)  # the raw flow judges it and keeps it
    assert ingest_night(oods, NIGHT)["known"] == 3


def test_a_good_image_that_comes_again_is_served(world, oods):
    unit = take_exposure(world.summit, 1)
    world.summit.put(image_name(unit, DETECTORS[1]), b"SIMPLE")
    world.settle()
    ingest_night(oods, NIGHT)
    put_detector(world.summit, unit, DETECTORS[1])
    world.settle()
    assert ingest_night(oods, NIGHT)["served"] == 1
    assert {image.state for image in oods.journal.all()} == {"served"}


@pytest.mark.parametrize("killed_at", range(1, 12))
def test_a_run_that_is_killed_is_made_up_for_by_the_next(world, oods, killed_at):
    class Killed(BaseException):
        pass

    calls = []

    def dying(real):
        def call(*arguments, **options):
            calls.append(1)
            if len(calls) == killed_at:
                raise Killed
            return real(*arguments, **options)

        return call

    take_exposure(world.summit, 1)
    world.settle()

    class Dying:
        def __init__(self, real, *names):
            self._real, self._names = real, names

        def __getattr__(self, name):
            found = getattr(self._real, name)
            return dying(found) if name in self._names else found

    doomed = dataclasses.replace(
        oods,
        store=Dying(oods.store, "create", "open"),
        journal=Dying(oods.journal, "note"),
        repository=Dying(oods.repository, "ingest_parcels"),
    )
    with contextlib.suppress(Killed):
        ingest_night(doomed, NIGHT)
    ingest_night(oods, NIGHT)
    assert len(oods.repository.datasets) == 3
    assert [image.state for image in oods.journal.all()] == ["served"] * 3


# -- rejoining -------------------------------------------------------------------------------------


def test_after_a_day_with_everything_else_down_nothing_is_lost_and_nothing_is_twice(
    world, oods, merged
):
    def down(*_arguments, **_options):
        raise LedgerUnavailable.for_cause("connection refused")

    real = world.ledger.units_of_night
    world.ledger.units_of_night = down
    units = []
    for hour in range(24):
        units.append(take_exposure(world.summit, hour + 1))
        world.clock.advance(3600)
        assert ingest_night(oods, NIGHT)["served"] == 3
        with pytest.raises(LedgerUnavailable):
            receive_arrivals(world.backbone(), NIGHT)
    world.ledger.units_of_night = real
    run_night(world)
    assert {world.state(unit, "frdf") for unit in units} == {State.PUBLISHED}
    plan = merge(world, oods, merged)
    assert (len(plan.same), len(plan.differs), len(plan.alone)) == (72, 0, 0)
    assert len(rows(merged)) == 72
    assert {row.answer for row in rows(merged)} == {"same"}
    mine = {row.dataset_id for row in rows(merged)}
    theirs = {row.archive_dataset_id for row in rows(merged)}
    assert len(mine) == len(theirs) == 72
    again = merge(world, oods, merged)
    assert (again.same, again.differs, again.alone) == ({}, {}, ())
    assert len(rows(merged)) == 72


def test_what_the_archive_does_not_have_yet_is_asked_for_again(world, oods, merged):
    take_exposure(world.summit, 1)
    world.settle()
    ingest_night(oods, NIGHT)
    assert len(merge(world, oods, merged).alone) == 3
    assert {row.answer for row in rows(merged)} == {""}
    run_night(world)
    assert len(merge(world, oods, merged).same) == 3
    assert {row.answer for row in rows(merged)} == {"same"}
    assert all(row.archive_dataset_id for row in rows(merged))


def test_other_bytes_than_the_archives_are_put_on_record(world, oods, merged):
    unit = take_exposure(world.summit, 1)
    world.settle()
    ingest_night(oods, NIGHT)
    put_detector(world.summit, unit, DETECTORS[1], EXPTIME=31.0)
    world.settle()
    run_night(world)
    plan = merge(world, oods, merged)
    assert [image.detector for image in plan.differs] == [DETECTORS[1]]
    assert world.codes(unit) == ["conflicting-duplicate"]
    assert not merge(world, oods, merged).differs


def test_planning_a_merge_changes_nothing(world, oods, merged):
    take_exposure(world.summit, 1)
    world.settle()
    ingest_night(oods, NIGHT)
    plan_merge(world.backbone(), oods.journal)
    assert rows(merged) == []


@pytest.mark.parametrize(
    "error", [CatalogUnavailable.for_call("x", "y"), StoreUnavailable.for_store("x", "y")]
)
def test_the_cache_asks_nobody_else(world, oods, error):
    """Whatever else is asked raises."""
    world.catalog.locks = world.stores["usdf"].open = lambda *_: (_ for _ in ()).throw(error)
    take_exposure(world.summit, 1)
    world.settle()
    assert ingest_night(oods, NIGHT)["served"] == 3
