"""Exports from a real Butler: pinned, signed, opened in an empty repository, repaired."""

import contextlib
import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from lsst.daf.butler import Butler

from dbb.errors import DbbError, DigestMismatch, ExportRefused, StoreUnavailable
from dbb.flows.export_bag import send_tar, write_tar
from dbb.flows.export_repairing import repair_export
from dbb.flows.exporting import Making, plan_export
from dbb.hooks.posix_store import PosixStore
from dbb.model.delivery import State
from dbb.model.export import Pinned
from dbb.verify_bag import verify
from support.calibration_site import CAMPAIGN, CalibrationSite
from support.exports import NIGHT, Exports, import_bag, make_key, make_order, make_world
from support.fake_clock import FixedClock
from support.fake_store import MemoryStore

RAW = {"dataset_types": ["raw"], "collections": ["LSSTCam/defaults"]}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Make one world, and one export of all of it, for the tests that change neither."""
    folder = tmp_path_factory.mktemp("exports")
    world = make_world(folder / "world")
    made = Exports(world, folder / "out", *make_key(folder))
    made.result = made.make()
    return made


@pytest.fixture
def exports(shared, tmp_path):
    """Give a copy of the export, and a folder for others."""
    return Exports(shared.world, tmp_path / "out", shared.key, shared.signers, tmp_path.name)


@pytest.fixture
def copied(shared, exports):
    exports.folder.mkdir()
    shutil.copytree(shared.bag, exports.bag)
    record = Making(shared.folder, "night").record
    shutil.copy(record, Making(exports.folder, exports.name).record)
    return exports


def small_world(folder):
    """Make a backbone that serves two exposures of the sky, for a test to change."""
    world = CalibrationSite(folder / "world")
    world.observe(2)
    return world


def snapshot(bag):
    return [Pinned.from_line(line) for line in (bag / "snapshot.jsonl").read_bytes().splitlines()]


def repair(exports, **given):
    return repair_export(
        exports.world.backbone(), exports.ports, exports.bag, signers=str(exports.signers), **given
    )


# -- making ----------------------------------------------------------------------------------------


def test_an_export_is_whole_signed_and_valid(shared):
    report = verify(str(shared.bag), signers=str(shared.signers))
    assert report.findings == ()
    assert (report.verdict, report.signed_by) == ("valid", "exports@example.org")
    rows = snapshot(shared.bag)
    kinds = sorted({row.dataset_type for row in rows})
    assert kinds == ["bias", "raw"]
    assert shared.result.datasets == len(rows) == len({row.dataset_id for row in rows})
    assert shared.result.moved_bytes == shared.result.size_bytes
    assert sorted(path.name for path in shared.folder.iterdir()) == ["night", "night.record.tar"]


def test_an_export_opens_in_an_empty_repository_and_each_dataset_is_the_same(shared, tmp_path):
    import_bag(shared.bag, tmp_path / "elsewhere")
    there = str(shared.world.folder / "butler" / "usdf")
    with Butler.from_config(str(tmp_path / "elsewhere")) as mine, Butler.from_config(there) as ours:
        for row in snapshot(shared.bag):
            ref = mine.get_dataset(row.dataset_id)
            assert ref is not None
            assert (ref.datasetType.name, ref.run) == (row.dataset_type, row.run)
            data = mine.getURI(ref).read()
            assert hashlib.sha256(data).hexdigest() == row.sha256
            assert data == read(ours.getURI(ours.get_dataset(row.dataset_id)))
            assert [unit.data is None for unit in mine.get(ref)] == [
                unit.data is None for unit in ours.get(ref)
            ]
        # The registry's closure: chains, validity ranges and the visits of the exposures.
        for name in make_order().collections:
            assert (
                mine.collections.get_info(name).children == ours.collections.get_info(name).children
            )
        daily = f"LSSTCam/calib/daily/{CAMPAIGN}"
        assert ranges(mine, daily) == ranges(ours, daily) != []
        data_id = {"instrument": "LSSTCam", "exposure": 2026112105002, "detector": 94}
        assert len(mine.get("bias", data_id, collections="LSSTCam/calib")) > 1
        assert visits(mine) == visits(ours) != []


def read(uri):
    """Read a dataset's bytes where they lie in the archive: a file, or a member of a bundle."""
    path, _, member = uri.geturl().partition("#zip-path=")
    data = Path(path.removeprefix("file://")).read_bytes()
    return zipfile.ZipFile(io.BytesIO(data)).read(member) if member else data


def ranges(butler, collection):
    found = butler.registry.queryDatasetAssociations("bias", collections=[collection])
    return sorted((str(each.ref.id), each.timespan.nsec) for each in found)


def visits(butler):
    with butler.query() as query:
        found = query.dimension_records("visit_detector_region").where(instrument="LSSTCam")
        return sorted((row.visit, row.detector, row.region.encode()) for row in found)


def test_the_crate_and_the_bag_say_what_who_when_and_how(shared):
    crate = json.loads((shared.bag / "ro-crate-metadata.json").read_text())
    nodes = {node["@id"]: node for node in crate["@graph"]}
    assert nodes["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = nodes["./"]
    assert (root["identifier"], root["license"]) == ("night", {"@id": "#CC-BY-4.0"})
    assert nodes[root["creator"]["@id"]]["name"] == "somebody"
    for part in root["hasPart"]:
        assert part["@id"] in nodes
        assert (shared.bag / part["@id"]).exists()
    assert json.loads(nodes["#query"]["value"])["where"] == "instrument = 'LSSTCam'"
    assert "Contact-Name: somebody\n" in (shared.bag / "bag-info.txt").read_text()


def test_the_same_order_again_is_nothing_and_another_one_is_refused(shared):
    again = shared.make()
    assert (again.datasets, again.moved_bytes) == (shared.result.datasets, 0)
    with pytest.raises(ExportRefused, match="something else"):
        shared.make(title="Another one")


def test_a_snapshot_is_the_same_after_more_was_published(exports, tmp_path):
    """Killed between pinning and copying, an export has what it was ordered from, and no more."""
    world = small_world(tmp_path)
    mine = Exports(world, exports.folder, exports.key, exports.signers)
    order = make_order(**RAW)
    first = plan_export(world.backbone(), mine.ports, order, mine.folder, leave_out=False)
    world.take("bias", 5011)
    made = mine.make(**RAW)
    assert (made.datasets, made.files, made.size_bytes) == first
    assert mine.make(**RAW, name="later").datasets > made.datasets


def test_what_is_not_published_is_refused_by_name_or_listed(exports, tmp_path):
    world = small_world(tmp_path)
    mine = Exports(world, exports.folder, exports.key, exports.signers)
    unit = min(row.unit for row in world.ledger.units_of_night("LSSTCam", NIGHT.value))
    world.ledger.advance([unit], "usdf", State.PUBLISHED, State.SUSPECT, "a test")
    with pytest.raises(ExportRefused, match="2 wanted datasets are not available") as caught:
        mine.make(**RAW)
    assert unit in caught.value.message
    assert not mine.bag.exists()
    made = mine.make(**RAW, leave_out=True)
    assert made.left_out == 2
    assert made.unserved == (unit,)
    listed = [
        json.loads(line) for line in (mine.bag / "not-available.jsonl").read_bytes().splitlines()
    ]
    assert {unit in each["why"] for each in listed} == {True}
    assert len(listed) == 2
    assert not any(row.unit == unit for row in snapshot(mine.bag))
    assert verify(str(mine.bag), signers=str(mine.signers)).verdict == "valid"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**RAW, "where": "instrument = 'LSSTCam' AND exposure = 1"}, "No dataset fits"),
        ({**RAW, "where": "nonsense ="}, "refused"),
        ({**RAW, "dataset_types": ["nonsense"]}, "refused"),
        ({**RAW, "where": "", "ids": ["00000000-0000-4000-8000-000000000000"]}, "no such dataset"),
        (
            {
                **RAW,
                "where": "",
                "data_ids": [{"instrument": "LSSTCam", "exposure": 7, "detector": 9}],
            },
            "no collection of the order has it",
        ),
    ],
)
def test_an_order_that_nothing_fulfils_says_why(exports, changes, words):
    with pytest.raises(DbbError, match=words):
        exports.make(**changes)
    assert not exports.bag.exists()


def test_datasets_are_taken_by_name(exports, shared):
    rows = [row for row in snapshot(shared.bag) if row.dataset_type == "raw"]
    made = exports.make(
        **RAW, where="", ids=[rows[0].dataset_id], data_ids=[dict(rows[1].data_id)]
    )  # fmt: skip
    assert made.datasets == 2


class Killed(BaseException):
    """End a process, as SIGKILL does: nothing may catch it."""


def test_killed_anywhere_it_goes_on_and_the_bag_is_the_same(exports, shared, monkeypatch):
    """Kill before each write of the bag in turn; the same order always comes to the same bag."""
    writes, limit = 0, 0
    create = PosixStore.create

    def create_or_die(store, name):
        nonlocal writes
        writes += 1
        if writes == limit:
            raise Killed
        return create(store, name)

    monkeypatch.setattr(PosixStore, "create", create_or_die)
    for limit in range(1, 100):  # noqa: B007 - read by the function above
        writes = 0
        try:
            made = exports.make()
        except Killed:
            assert not exports.bag.exists()
        else:
            break
    assert limit > 5
    assert made.moved_bytes == 0 or made.moved_bytes < made.size_bytes
    tags = "tagmanifest-sha256.txt"
    assert verify(str(exports.bag), signers=str(exports.signers)).verdict == "valid"
    pinned = sorted(row.to_line() for row in snapshot(exports.bag))
    assert pinned == sorted(row.to_line() for row in snapshot(shared.bag))
    assert (exports.bag / tags).exists()


def test_two_processes_never_make_the_same_export_at_once(exports):
    exports.folder.mkdir()
    work = exports.ports.open_work(Making(exports.folder, exports.name).notes)
    with pytest.raises(ExportRefused, match="somebody is making it"):
        exports.make(**RAW)
    work.close()
    assert exports.make(**RAW).left_out == 0


def test_a_store_that_is_away_costs_nothing_but_time(exports, monkeypatch):
    def away(*_, **__):
        raise StoreUnavailable.for_store("usdf", "away")

    with monkeypatch.context() as patch:
        patch.setattr("dbb.flows.exporting.copy_datasets", away)
        with pytest.raises(StoreUnavailable):
            exports.make(**RAW)
    assert exports.make(**RAW).left_out == 0


def test_the_tar_is_the_bag_and_is_verified_as_it_is(shared, tmp_path):
    tar = tmp_path / "night.tar"
    for _ in range(2):  # the same bytes each time
        with tar.open("wb") as stream:
            write_tar(PosixStore(shared.bag), "night", stream)
        data = tar.read_bytes()
    with tar.open("wb") as stream:
        write_tar(PosixStore(shared.bag), "night", stream)
    assert tar.read_bytes() == data
    assert verify(str(tar), signers=str(shared.signers)).verdict == "valid"
    tar.write_bytes(data[: len(data) // 2])
    assert verify(str(tar), signers=str(shared.signers)).verdict == "not valid"


class Altering(MemoryStore):
    """The planted bug: a server that keeps other bytes than it was given."""

    def data(self, name):
        return super().data(name).swapcase()

    @contextlib.contextmanager
    def open(self, name, *, cold=False):  # noqa: ARG002 - as every store
        yield io.BytesIO(self.data(name))


def test_the_tar_is_sent_to_a_store_and_read_back(shared, tmp_path):
    store = MemoryStore("partner", FixedClock())
    send_tar(PosixStore(shared.bag), "night", store, "exports/night.tar")
    tar = tmp_path / "night.tar"
    tar.write_bytes(store.data("exports/night.tar"))
    assert verify(str(tar), signers=str(shared.signers)).verdict == "valid"
    store = Altering("partner", FixedClock())
    with pytest.raises(DigestMismatch):
        send_tar(PosixStore(shared.bag), "night", store, "exports/night.tar")
    assert store.names == []


def test_the_ledger_remembers_what_was_sent(shared):
    (row,) = [row for row in shared.ports.rows.list_exports() if row.name == "night"]
    assert (row.owner, row.datasets) == ("somebody", shared.result.datasets)
    assert row.made_at is not None
    assert len(row.tag_manifest_sha256) == 64


# -- repairing -------------------------------------------------------------------------------------


def test_repair_moves_exactly_what_is_missing_or_changed(copied):
    rows = snapshot(copied.bag)
    missing, changed = rows[0], rows[1]
    (copied.bag / missing.path).unlink()
    place = copied.bag / changed.path
    place.write_bytes(place.read_bytes()[:-1] + b"\1")
    (copied.bag / "data/files/stranger").write_text("who?")
    done = repair(copied)
    assert done.report.verdict == "valid"
    assert done.moved_files == 2
    assert done.moved_bytes == missing.size_bytes + changed.size_bytes
    assert done.restored == done.gone == ()
    assert sorted(done.put_aside) == sorted(["data/files/stranger", changed.path])
    aside = [
        path.name for path in (copied.folder / f"{copied.name}.aside").rglob("*") if path.is_file()
    ]
    assert sorted(aside) == sorted(["stranger", place.name])
    assert repair(copied).moved_bytes == 0


@pytest.mark.parametrize(
    "name",
    ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "snapshot.jsonl",
     "tagmanifest-sha256.txt.sig", "ro-crate-metadata.json", "data/butler/000001.yaml"],
)  # fmt: skip
def test_what_a_bag_says_of_itself_comes_back_from_the_record(copied, name):
    place = copied.bag / name
    place.write_bytes(place.read_bytes()[1:])
    done = repair(copied)
    assert done.restored == (name,)
    assert (done.report.verdict, done.moved_bytes) == ("valid", 0)


def test_half_a_manifest_makes_no_good_file_a_stranger(copied):
    place = copied.bag / "manifest-sha256.txt"
    lines = place.read_bytes().splitlines(keepends=True)
    place.write_bytes(b"".join(lines[: len(lines) // 2]))
    done = repair(copied)
    assert (done.moved_bytes, done.put_aside) == (0, ("manifest-sha256.txt",))
    assert done.report.verdict == "valid"


def test_without_a_record_a_bag_whose_words_are_damaged_is_not_guessed_at(copied):
    Making(copied.folder, copied.name).record.unlink()
    place = copied.bag / "snapshot.jsonl"
    place.write_bytes(place.read_bytes()[1:])
    stranger = copied.bag / "data/files/stranger"
    stranger.write_text("who?")
    with pytest.raises(ExportRefused, match="something else"):
        repair(copied)
    assert stranger.exists()


def test_a_dataset_that_left_the_archive_is_said_by_name(copied, tmp_path):
    world = small_world(tmp_path)
    mine = Exports(world, tmp_path / "mine", copied.key, copied.signers)
    mine.make(**RAW)
    row = snapshot(mine.bag)[0]
    world.ledger.advance([row.unit], "usdf", State.PUBLISHED, State.MISSING, "a test")
    (mine.bag / row.path).unlink()
    done = repair(mine)
    assert [each.what for each in done.gone] == [f"{row.dataset_id} {row.path}"]
    assert (done.moved_bytes, done.report.verdict) == (0, "not valid")
