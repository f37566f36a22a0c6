"""Drills: only what is scratch is wiped, all of it comes back, and what does not is named."""

import dataclasses

import pytest

from dbb.errors import DrillFailed, NotScratch
from dbb.flows.cargo import stored_name
from dbb.flows.drilling import MARK, Scratch, check_passed, check_scratch, drill_endpoint
from dbb.flows.drilling_ledger import drill_ledger
from dbb.hooks.drills import SqlDrills
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.model.delivery import State
from dbb.model.drill import DrillKind
from dbb.model.endpoint import Endpoint, Role
from support.fake_repository import MemoryRepository
from support.fake_store import MemoryStore
from support.staged_units import bring, bundle, manifest
from support.world import NIGHT, World

PEERS = ("usdf", "frdf")
PLACES = ("usdf", "frdf", "ukdf", "chile")
SCRATCH = Endpoint("scratch", "", Role.SCRATCH, "memory://scratch", "", "memory", "default")


class MemoryScratch(MemoryRepository):
    """A repository that may be lost."""

    wiped = 0

    def wipe(self):
        self.wiped += 1
        self.datasets.clear()

    def read(self, dataset_ids):
        return {key: "no" for key in dataset_ids if key not in self.datasets}


@pytest.fixture
def world():
    made = World()
    bring(made, range(1, 5))
    return made


@pytest.fixture
def scratch(world):
    store = MemoryStore("scratch", world.clock)
    return Scratch(SCRATCH, store, MemoryScratch(store))


def units_of(world):
    return [row.unit for row in world.ledger.units_of_night("LSSTCam", NIGHT.value)]


def drill(world, scratch, **options):
    return drill_endpoint(world.backbone(), scratch, PEERS, **options)


def lay_canary(world, place):
    """Lay down the manifest of a flying canary: a unit like any other, of an instrument of its own."""
    name = stored_name(manifest(units_of(world)[0]))
    data = world.stores[place].data(name).decode()
    for old, new in (("LSSTCam", "DBBCanary"), ("MC_O", "DC_O"), (str(NIGHT), "20170102")):
        name, data = name.replace(old, new), data.replace(old, new)
    world.stores[place].put(name, data.encode())


# -- what may be wiped -----------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SCRATCH])
def test_a_place_of_any_other_role_is_refused(role):
    with pytest.raises(NotScratch, match=str(role)):
        check_scratch(dataclasses.replace(SCRATCH, role=role), (), {})


@pytest.mark.parametrize(
    "mine",
    ["file:///data/usdf", "file:///data/usdf/", "/data/usdf/scratch", "file:///data", "/"],
)
def test_a_place_that_overlaps_with_another_one_is_refused(mine):
    with pytest.raises(NotScratch, match="usdf"):
        check_scratch(SCRATCH, [mine], {"file:///data/usdf": "usdf"})


def test_an_s3_bucket_is_the_same_by_whatever_connection():
    with pytest.raises(NotScratch, match="frdf"):
        check_scratch(SCRATCH, ["s3://other@bucket/a/b"], {"s3://one@bucket/a": "frdf"})


def test_store_and_repository_in_one_another_are_refused():
    with pytest.raises(NotScratch, match="its own"):
        check_scratch(SCRATCH, ["file:///scratch", "/scratch/butler"], {})


def test_a_neighbour_is_no_overlap():
    check_scratch(SCRATCH, ["file:///data/usdf2", "s3://a/b"], {"file:///data/usdf": "usdf"})


def test_a_store_without_the_mark_is_left_alone_byte_by_byte(world, scratch):
    scratch.store.put("raw/precious", b"precious")
    with pytest.raises(NotScratch):
        drill(world, scratch)
    assert scratch.store.names == ["raw/precious"]
    assert scratch.repository.wiped == 0


# -- what comes back -------------------------------------------------------------------------------


def test_everything_comes_back_with_its_bytes_and_datasets(world, scratch):
    done = drill(world, scratch)
    assert (done.wrong, done.units, done.files) == ((), 4, 8)
    assert done.is_passed
    names = [name for name in world.stores["usdf"].names if not name.startswith(".")]
    assert sorted(scratch.store.names) == sorted([MARK, *names])
    for name in names:
        assert scratch.store.data(name) == world.stores["usdf"].data(name)
    assert scratch.repository.datasets.keys() == world.repositories["usdf"].datasets.keys()
    check_passed(done)


def test_a_canary_that_flies_meanwhile_is_no_data(world, scratch, spare):
    for place in PEERS:
        lay_canary(world, place)
    done = drill(world, scratch)
    assert (done.wrong, done.units) == ((), 4)
    ledger = drill_ledger(world.backbone(), spare, PLACES)
    assert (ledger.wrong, ledger.units) == ((), 4)


def test_what_lay_there_from_the_last_drill_is_wiped_first(world, scratch):
    drill(world, scratch)
    scratch.store.put("raw/left/over", b"x")
    assert drill(world, scratch).is_passed
    assert "raw/left/over" not in scratch.store.names
    assert scratch.repository.wiped == 2


def test_neither_ledger_nor_rucio_is_asked(world, scratch):
    backbone = dataclasses.replace(world.backbone(), ledger=None, catalog=None, calibrations=None)
    assert drill_endpoint(backbone, scratch, PEERS).is_passed


def test_a_bad_copy_at_one_peer_is_taken_from_the_next(world, scratch):
    unit = units_of(world)[0]
    world.stores["usdf"].rot(stored_name(bundle(unit)), bit=800)
    world.stores["usdf"].crash()
    assert drill(world, scratch).is_passed


def test_a_manifest_that_one_peer_lost_or_spoilt_is_the_others(world, scratch):
    one, two = units_of(world)[:2]
    world.stores["usdf"].delete([stored_name(manifest(one))])
    world.stores["usdf"].put(stored_name(manifest(two)), b"{}")
    done = drill(world, scratch)
    assert (done.is_passed, done.units) == (True, 4)


def test_what_no_peer_has_well_is_named_and_the_rest_comes_back(world, scratch):
    unit = units_of(world)[0]
    for peer in PEERS:
        world.stores[peer].rot(stored_name(bundle(unit)), bit=800)
        world.stores[peer].crash()
    done = drill(world, scratch)
    assert [each.partition(" ")[0] for each in done.wrong] == [unit]
    assert "usdf: digest-mismatch, frdf: digest-mismatch" in done.wrong[0]
    assert scratch.store.stat(stored_name(bundle(unit))) is None
    assert len(scratch.repository.datasets) == 3 * len(world.repositories["usdf"].datasets) // 4
    with pytest.raises(DrillFailed, match="1 of 4"):
        check_passed(done)


def test_an_empty_drill_is_no_success(world, scratch):
    done = drill(world, scratch, first_day=20300101)
    assert (done.units, done.is_passed) == (0, False)
    with pytest.raises(DrillFailed, match="nothing"):
        check_passed(done)


def test_what_is_written_wrongly_is_seen_when_it_is_read_back(world, scratch):
    """The planted bug: a disk that loses a bit of what it was given."""
    put = scratch.store.put

    def bad_disk(name, data):
        put(name, data)
        if name.endswith("000002.zip"):
            scratch.store.rot(name, bit=9)

    scratch.store.put = bad_disk
    done = drill(world, scratch)
    assert len(done.wrong) == 1
    assert "not what was written" in done.wrong[0]


# -- the ledger ------------------------------------------------------------------------------------


@pytest.fixture
def spare(world):
    made = SqlLedger(open_engine("sqlite://"), world.clock, "test")
    made.migrate()
    return made


def test_a_ledger_that_is_rebuilt_says_what_the_live_one_says(world, spare):
    done = drill_ledger(world.backbone(), spare, PLACES)
    assert (done.wrong, done.units, done.files) == ((), 4, 8)
    assert spare.units(units_of(world)).keys() == set(units_of(world))


def test_a_row_that_says_something_else_is_named(world, spare):
    """The planted bugs: a count and a copy that the live ledger has wrong."""
    one, two = units_of(world)[:2]
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql("update unit set files = 7 where unit = ?", (one,))
    world.stores["frdf"].delete([stored_name(bundle(two)), stored_name(manifest(two))])
    done = drill_ledger(world.backbone(), spare, PLACES)
    assert done.wrong == (
        f"{one}: files is 2 and was 7",
        f"{two}: at frdf is no copy and was a copy",
    )


def test_a_unit_that_the_live_ledger_lost_is_named(world, spare):
    (one, *_) = units_of(world)
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql("update unit set manifest_sha256 = '' where unit = ?", (one,))
    done = drill_ledger(world.backbone(), spare, PLACES)
    assert done.wrong == (f"{one}: the ledger does not know it, and a store has it",)


def test_a_drill_changes_nothing_in_the_live_ledger(world, spare):
    before = world.ledger.deliveries(units_of(world))
    drill_ledger(world.backbone(), spare, PLACES)
    assert world.ledger.deliveries(units_of(world)) == before
    assert {item.state for item in before.values()} == {State.RELEASED, State.PUBLISHED}


def test_a_drill_is_remembered(world, scratch):
    drills = SqlDrills(world.ledger)
    done = drill(world, scratch)
    drills.note(done)
    drills.note(dataclasses.replace(done, kind=DrillKind.LEDGER, wrong=("x",) * 150))
    (kept,) = drills.newest(DrillKind.ENDPOINT)
    assert kept == dataclasses.replace(done, actor="test")
    (failed,) = drills.newest(DrillKind.LEDGER)
    assert (len(failed.wrong), failed.is_passed) == (150, False)
    assert len(drills.newest()) == 2
