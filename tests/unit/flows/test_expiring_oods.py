"""Expiry at the cache near the telescope: it lets go of what the archive has twice, and deletes itself."""

import dataclasses

import pytest

from dbb.errors import LedgerUnavailable
from dbb.flows.expiring import apply_expiry, finish_expiries, plan_expiry
from dbb.flows.expiring_oods import OodsPlace
from dbb.flows.oods import Oods, apply_merge, ingest_night, plan_merge
from dbb.hooks.expiry import SqlExpiry
from dbb.hooks.findings import SqlFindings
from dbb.hooks.oods_journal import SqliteJournal, SqlMergedDatasets
from dbb.hooks.posix_store import PosixStore
from dbb.model.delivery import State
from dbb.model.expiry import By, ExpiryBook, Rule
from dbb.model.finding import Discrepancy
from dbb.model.kind import Kind
from support.fake_images import MemoryIndexer, MemoryInspector
from support.fake_repository import MemoryRepository
from support.fake_store import MemoryStore
from support.faults import Killed, every_crash, faulty
from support.tiny_camera import TINY, take_exposure
from support.world import NIGHT, World, run_night

RULE = Rule("oods", ("oods",), Kind.RAW, 30, copies=2, verified_within_days=100)
BOOK = ExpiryBook((RULE,), 100)
DAY_S = 86400


class Sight:
    """A world with a cache that has served a night, and that the archive has answered."""

    def __init__(self, folder, *, published=True, store=None):
        self.world = World()
        self.units = [take_exposure(self.world.summit, number) for number in (1, 2)]
        self.world.settle()
        store = store or MemoryStore("oods", self.world.clock)
        self.oods = Oods(
            source=self.world.summit,
            store=store,
            repository=MemoryRepository(store),
            inspector=MemoryInspector(),
            indexer=MemoryIndexer(),
            instruments={"LSSTCam": TINY},
            journal=SqliteJournal(folder / "journal.sqlite"),
            clock=self.world.clock,
            settle_s=2,
        )
        ingest_night(self.oods, NIGHT)
        if published:
            run_night(self.world)
            self.ask()
        self.rows = SqlExpiry(self.world.ledger)

    def ask(self):
        plan = plan_merge(self.world.backbone(), self.oods.journal)
        datasets = SqlMergedDatasets(self.world.ledger)
        apply_merge(self.world.backbone(), datasets, self.oods.journal, "oods", plan)

    def place(self, schedule=None):
        if schedule is None:
            return OodsPlace(self.oods, self.world.backbone(), self.rows, "oods")
        oods = dataclasses.replace(
            self.oods,
            store=faulty(self.oods.store, schedule),
            repository=faulty(self.oods.repository, schedule),
            journal=faulty(self.oods.journal, schedule),
        )
        rows = faulty(self.rows, schedule)
        return OodsPlace(oods, self.world.backbone(schedule), rows, "oods")

    def plan(self, book=BOOK):
        return plan_expiry(self.place(), self.rows, book, self.world.clock.now())

    def run(self, book=BOOK, schedule=None):
        now, place = self.world.clock.now(), self.place(schedule)
        finish_expiries(place, place.rows)
        plan = plan_expiry(place, place.rows, book, now)
        return apply_expiry(place, place.rows, book, now, plan.sha256)

    def mend(self):
        return self.place().mend(SqlFindings(self.world.ledger))

    def wait(self, days):
        self.world.clock.advance(days * DAY_S)

    def state(self):
        """Count datasets served, files kept, images in the journal."""
        served = [image for image in self.oods.journal.all() if image.state == "served"]
        return len(self.oods.repository.datasets), len(self.oods.store.names), len(served)


@pytest.fixture
def sight(tmp_path):
    made = Sight(tmp_path)
    yield made
    made.oods.journal.close()


def reasons(plan):
    return [(line.action, line.detail, line.units) for line in plan.lines]


def test_what_the_archive_has_twice_goes_when_its_time_is_over_and_not_before(sight):
    sight.wait(29)
    assert reasons(sight.plan()) == []
    sight.wait(2)
    assert reasons(sight.plan()) == [("expire", "rule oods", 6)]
    assert sight.run() == {"due": 6, "intended": 6, "under_way": 0}
    assert sight.state() == (0, 0, 0)


def test_a_reader_who_has_a_file_open_reads_it_to_its_end(tmp_path):
    (tmp_path / "oods").mkdir()
    store = PosixStore(tmp_path / "oods")
    sight = Sight(tmp_path, store=store)
    name = min(file.name for file in store.list_files(""))
    with store.open(name) as stream:
        whole = stream.read()
    with store.open(name) as stream:
        begin = stream.read(5)
        sight.wait(31)
        assert sight.run()["intended"] == 6
        assert store.stat(name) is None
        assert begin + stream.read() == whole
    sight.oods.journal.close()


def test_age_by_ingest_counts_from_when_it_was_served(sight):
    book = ExpiryBook((dataclasses.replace(RULE, by=By.INGEST),), 100)
    sight.wait(30)
    assert reasons(sight.plan(book)) == [("expire", "rule oods", 6)]


def test_what_the_archive_has_not_answered_for_stays(tmp_path):
    sight = Sight(tmp_path, published=False)
    sight.wait(60)
    ((action, why, number),) = reasons(sight.plan())
    assert (action, number) == ("keep", 6)
    assert why == "fewer than 2 copies elsewhere were read within 100 days" or "not answered" in why
    run_night(sight.world)
    assert reasons(sight.plan())[0][0] == "keep"  # the copies are there, and nobody has compared
    sight.ask()
    assert reasons(sight.plan()) == [("expire", "rule oods", 6)]
    sight.oods.journal.close()


def test_an_exposure_with_one_copy_less_keeps_its_images_and_only_these(sight):
    sight.wait(40)
    sight.world.ledger.advance([sight.units[0]], "frdf", State.PUBLISHED, State.SUSPECT, "rot")
    assert reasons(sight.plan()) == [
        ("expire", "rule oods", 3),
        ("keep", "fewer than 2 copies elsewhere were read within 100 days", 3),
    ]
    assert sight.run()["intended"] == 3
    assert sight.state() == (3, 3, 3)


def test_a_pinned_exposure_and_a_tagged_image_stay(sight):
    sight.wait(40)
    sight.rows.pin(
        sight.units[0], "oods", "support", "focus", sight.world.clock.now().replace(year=2030)
    )
    mine = [image for image in sight.oods.journal.all() if sight.units[1] in image.name]
    sight.oods.repository.tags["u/observer/best"] = {mine[0].dataset_id}
    assert {(action, number) for action, _, number in reasons(sight.plan())} == {
        ("expire", 2), ("keep", 1), ("keep", 3),
    }  # fmt: skip
    sight.run()
    assert sight.state() == (4, 4, 4)


def test_without_the_ledger_nothing_goes(sight):
    sight.wait(40)
    sight.rows.copies = lambda *_: (_ for _ in ()).throw(LedgerUnavailable.for_cause("refused"))
    with pytest.raises(LedgerUnavailable):
        sight.run()
    assert sight.state() == (6, 6, 6)


def test_killed_at_any_operation_the_next_run_is_right(tmp_path):
    kills = 0

    def aged():
        nonlocal kills
        kills += 1
        folder = tmp_path / str(kills)
        folder.mkdir()
        sight = Sight(folder)
        sight.wait(40)
        return sight

    def count(counting):
        sight = aged()
        sight.run(schedule=counting)
        sight.oods.journal.close()

    for schedule in every_crash(count):
        sight = aged()
        with pytest.raises(Killed):
            sight.run(schedule=schedule)
        url = f"{sight.oods.store.url}/"
        places = {each.partition("#")[0] for each in sight.oods.repository.datasets.values()}
        assert {each.removeprefix(url) for each in places} <= set(sight.oods.store.names)
        sight.run()
        assert sight.state() == (0, 0, 0), schedule
        assert sight.rows.open("oods") == []
        assert sight.mend() == {"lost_files": 0, "deleted": 0, "dark": 0}
        sight.oods.journal.close()
    assert kills > 30


# -- rows without files, files without rows --------------------------------------------------------


def test_a_row_without_its_file_is_served_no_more_by_the_next_sweep(sight):
    store = sight.oods.store
    store.delete([store.names[0]])
    store.put(store.names[0], b"short")
    assert sight.mend() == {"lost_files": 2, "deleted": 0, "dark": 0}
    assert sight.state()[0] == 4
    assert sight.mend()["lost_files"] == 0


def test_a_file_without_a_row_is_reported_and_kept_and_closed_when_it_is_gone(sight):
    findings = SqlFindings(sight.world.ledger)
    name = f"oods/LSSTCam/{NIGHT}/nobodys.fits"
    sight.oods.store.put(name, b"?")
    assert sight.mend()["dark"] == 0  # it may be about to be served
    sight.wait(2)
    assert sight.mend()["dark"] == 1
    (found,) = findings.find(endpoints=["oods"])
    assert found.sighting.subject == name
    assert found.sighting.discrepancy is Discrepancy.FILE_DARK
    assert name in sight.oods.store.names
    sight.oods.store.delete([name])
    sight.world.clock.advance(60)
    sight.mend()
    assert findings.find(endpoints=["oods"]) == []


def test_a_file_that_expired_and_is_back_is_taken_away(sight):
    kept = {name: sight.oods.store.data(name) for name in sight.oods.store.names}
    sight.wait(40)
    sight.run()
    for name, data in kept.items():
        sight.oods.store.put(name, data)
    sight.wait(2)
    assert sight.mend() == {"lost_files": 0, "deleted": 6, "dark": 0}
    assert sight.oods.store.names == []
