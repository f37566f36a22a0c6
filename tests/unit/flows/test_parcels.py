"""Parcels: batches of products and permanent files, from their producer to published elsewhere."""

import contextlib
import dataclasses
import io
import json
import zipfile
from pathlib import Path

import pytest

from dbb.errors import BadDayObs, UnsafeName
from dbb.flows.copies import look_for_copies
from dbb.flows.deciding import Signature
from dbb.flows.parcels import find_parcels, refuse_misnamed, take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.retrying import retry_units
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.posix_store import PosixStore
from dbb.model.delivery import State
from dbb.model.parcel import Parcel, ParcelName
from support.world import RSES, World

FILE = "files/20261121/weather-1"
PRODUCT = "products/20261121/coadds-1"


class Sites(World):
    """A world whose stores are folders, and some of whose repositories are real."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__()
        for name in ("summit", *RSES):
            (folder / name).mkdir(parents=True)
        self.stores = {name: PosixStore(folder / name) for name in ("summit", *RSES)}
        self.catalog.stores = {rse: self.stores[name] for name, rse in RSES.items()}
        for name in self.repositories:
            self.repositories[name].stores = ()

    def put(self, unit, files, *, ready=True):
        for name, data in files.items():
            path = self.folder / "usdf" / "incoming" / unit / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if ready:
            with self.stores["usdf"].create(f"incoming/{unit}/_READY"):
                pass


@pytest.fixture
def world(tmp_path):
    return Sites(tmp_path)


def move(world, units):
    """Do what the DAGs do."""
    backbone = world.backbone()
    counts = take_parcels(backbone, units)
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    world.catalog.run_daemons()
    for endpoint in ("frdf", "chile"):
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)
    return counts


def names(store, prefix):
    return [file.name for file in store.list_files(prefix)]


# -- permanent files -------------------------------------------------------------------------------


def test_files_that_are_no_datasets_are_replicated_and_verified_and_not_ingested(world):
    world.put(FILE, {"log.txt": b"rain", "deep/er.bin": b"\0" * 1000})
    assert find_parcels(world.backbone()) == [FILE]
    assert move(world, [FILE]) == {"taken": 1, "refused": 0}
    assert world.state(FILE, "frdf") is State.PUBLISHED
    assert world.ledger.deliveries([FILE])[FILE, "frdf"].verified_at
    assert names(world.stores["frdf"], "files/") == [
        "files/20261121/weather-1/deep/er.bin",
        "files/20261121/weather-1/log.txt",
        "files/20261121/weather-1/weather-1.parcel.json",
    ]
    assert world.repositories["frdf"].ingest_calls == 0
    assert world.state(FILE, "chile") is None  # its policy is about products


def test_a_batch_that_is_not_ready_is_left_alone(world):
    world.put(FILE, {"log.txt": b"rain"}, ready=False)
    assert find_parcels(world.backbone()) == []
    assert take_parcels(world.backbone(), [FILE]) == {"taken": 0, "refused": 0}


def test_what_was_taken_is_cleared_away_and_taking_it_again_is_nothing(world):
    world.put(FILE, {"log.txt": b"rain"})
    move(world, [FILE])
    assert names(world.stores["usdf"], "incoming/") == []
    assert find_parcels(world.backbone()) == []
    world.put(FILE, {"log.txt": b"rain"})
    assert move(world, [FILE]) == {"taken": 0, "refused": 0}
    assert world.codes() == []
    assert names(world.stores["usdf"], "incoming/") == []


def test_other_bytes_under_a_name_that_was_taken_are_refused_and_kept(world):
    world.put(FILE, {"log.txt": b"rain"})
    move(world, [FILE])
    world.put(FILE, {"log.txt": b"snow"})
    assert move(world, [FILE]) == {"taken": 0, "refused": 1}
    assert world.codes(FILE) == ["conflicting-duplicate"]
    assert names(world.stores["usdf"], "incoming/") == [
        f"incoming/{FILE}/_REFUSED", f"incoming/{FILE}/log.txt"
    ]  # fmt: skip
    with world.stores["frdf"].open("files/20261121/weather-1/log.txt") as stream:
        assert stream.read() == b"rain"


def test_what_comes_while_a_batch_is_cleared_away_stays(world, monkeypatch):
    """Killed in the middle of clearing, the next run takes away what was taken and nothing else."""
    world.put(FILE, {"a.txt": b"rain", "z.txt": b"wind"})
    store = world.stores["usdf"]
    real = PosixStore.delete

    def dying(self, given):
        if self is store:
            given = list(given)
            real(self, given[:1])
            raise KeyboardInterrupt
        real(self, given)

    monkeypatch.setattr(PosixStore, "delete", dying)
    with pytest.raises(KeyboardInterrupt):
        take_parcels(world.backbone(), [FILE])
    monkeypatch.setattr(PosixStore, "delete", real)
    world.put(FILE, {"new.txt": b"snow"}, ready=False)
    assert find_parcels(world.backbone()) == [FILE]
    assert move(world, [FILE]) == {"taken": 0, "refused": 0}
    assert names(store, "incoming/") == [f"incoming/{FILE}/new.txt"]
    assert world.codes() == []
    assert world.state(FILE, "frdf") is State.PUBLISHED


@pytest.mark.parametrize("mark", [b"", b"7", b"nonsense"])
def test_a_mark_that_is_not_ours_costs_only_its_batch(world, mark):
    other = FILE.replace("weather", "other")
    world.put(FILE, {"log.txt": b"rain", "_TAKEN": mark})
    world.put(other, {"log.txt": b"rain"})
    assert move(world, find_parcels(world.backbone())) == {"taken": 1, "refused": 1}
    assert world.codes(FILE) == ["bad-document"]
    assert move(world, find_parcels(world.backbone())) == {"taken": 1, "refused": 0}
    assert world.state(FILE, "frdf") is State.PUBLISHED
    assert world.codes() == []


def test_a_ready_folder_with_a_name_of_no_parcel_is_told_and_not_passed_over(world):
    world.put("files/yesterday/weather", {"log.txt": b"rain"})
    world.put("files/20261121/deep/er", {"log.txt": b"rain"})
    assert refuse_misnamed(world.backbone()) == 2
    assert find_parcels(world.backbone()) == []
    assert sorted((item.unit, item.code) for item in world.ledger.refusals()) == [
        ("files/20261121/deep/er", "unsafe-name"),
        ("files/yesterday/weather", "unsafe-name"),
    ]
    assert "incoming/files/yesterday/weather/log.txt" in names(world.stores["usdf"], "incoming/")
    assert refuse_misnamed(world.backbone()) == 0


def test_a_file_called_as_a_document_of_butler_is_a_file_among_files(world):
    world.put(FILE, {"_dimensions.yaml": b"not: ours", "log.txt": b"rain", "log.txt.json": b"{}"})
    assert move(world, [FILE]) == {"taken": 1, "refused": 0}
    assert len(names(world.stores["frdf"], "files/")) == 4


@pytest.mark.parametrize("state", [State.SUSPECT, State.MISSING])
def test_a_parcel_that_stands_aside_is_tried_again(world, state):
    world.put(FILE, {"log.txt": b"rain"})
    move(world, [FILE])
    world.ledger.advance([FILE], "frdf", State.PUBLISHED, state, "for the test")
    rows = list(world.ledger.units([FILE]).values())
    ((_, endpoint, _),) = retry_units(world.backbone(), rows, Signature("Anne", "tried"))
    assert endpoint == "frdf"
    publish_units(world.backbone(), look_for_copies(world.backbone(), "frdf").work, "frdf")
    assert world.state(FILE, "frdf") is State.PUBLISHED


@pytest.mark.parametrize("name", ["a b.txt", "sp:ace", "-x"])
def test_a_name_that_no_store_should_have_refuses_the_batch_and_no_other(world, name):
    world.put(FILE, {name: b"x"})
    other = FILE.replace("weather", "other")
    world.put(other, {"log.txt": b"x"})
    assert move(world, [FILE, other]) == {"taken": 1, "refused": 1}
    assert world.codes(FILE) == ["unsafe-name"]
    assert world.state(other, "frdf") is State.PUBLISHED


@pytest.mark.parametrize("call", range(1, 30))
def test_a_worker_that_is_killed_anywhere_is_made_up_for_by_the_next(world, monkeypatch, call):
    class Killed(BaseException):
        pass

    world.put(FILE, {"log.txt": b"rain", "b.bin": b"b" * 100})
    store = world.stores["usdf"]
    calls = []
    for name in ("open", "create", "delete", "stat", "move"):
        real = getattr(PosixStore, name)

        def dying(self, *arguments, real=real, **options):
            calls.append(1)
            if self is store and len(calls) == call:
                raise Killed
            return real(self, *arguments, **options)

        monkeypatch.setattr(PosixStore, name, dying)
    with contextlib.suppress(Killed):
        move(world, [FILE])
    calls.extend([1] * 1000)
    move(world, [FILE])
    assert world.state(FILE, "frdf") is State.PUBLISHED
    assert names(world.stores["usdf"], "incoming/") == []
    assert world.codes() == []


# -- products with sidecars ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make datasets of three kinds in a repository of their own; give them with their files."""
    from lsst.daf.butler import Butler, Config, DatasetType

    root = tmp_path_factory.mktemp("producer")
    config = Config()
    Butler.makeRepo(str(root), config)
    with Butler.from_config(str(root), writeable=True, run="u/pipeline/1") as butler:
        registry = butler.registry
        registry.insertDimensionData(
            "skymap", {"name": "rings", "hash": b"hash", "tract_max": 9, "patch_nx_max": 1,
                       "patch_ny_max": 1},
        )  # fmt: skip
        from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

        corners = [UnitVector3d(LonLat.fromDegrees(*at)) for at in ((0, 0), (1, 0), (1, 1), (0, 1))]
        registry.insertDimensionData(
            "tract", {"skymap": "rings", "id": 7, "region": ConvexPolygon(corners)}
        )
        summary = DatasetType("coadd_summary", ["skymap", "tract"], "StructuredDataDict",
                              universe=butler.dimensions)  # fmt: skip
        config_type = DatasetType("survey_config", [], "StructuredDataDict",
                                  universe=butler.dimensions)  # fmt: skip
        for each in (summary, config_type):
            registry.registerDatasetType(each)
        refs = [
            butler.put({"depth": 26.5}, summary, skymap="rings", tract=7),
            butler.put({"name": "wide"}, config_type),
        ]
        expanded = [ref.expanded(registry.expandDataId(ref.dataId)) for ref in refs]
        files = {ref.datasetType.name: Path(butler.getURI(ref).ospath) for ref in refs}
        ziproot = tmp_path_factory.mktemp("zip")
        archive = butler.retrieve_artifacts_zip(expanded, str(ziproot))
        return {
            "refs": expanded,
            "files": {name: path.read_bytes() for name, path in files.items()},
            "suffix": {name: path.suffix for name, path in files.items()},
            "zip": Path(archive.ospath).read_bytes(),
            "values": {"coadd_summary": {"depth": 26.5}, "survey_config": {"name": "wide"}},
        }


def beside(made):
    """Lay each file down with Rubin's own sidecar beside it."""
    found = {}
    for ref in made["refs"]:
        name = ref.datasetType.name
        found[f"{name}{made['suffix'][name]}"] = made["files"][name]
        found[f"{name}{made['suffix'][name]}.json"] = ref.to_json().encode()
    return found


def as_yaml(made):
    import yaml

    found = beside(made)
    return {
        (
            name[:-5] + ".yaml"
            if name.endswith(f"{made['suffix']['survey_config']}.json")
            else name
        ): (
            yaml.safe_dump(json.loads(data)).encode()
            if name.endswith(f"{made['suffix']['survey_config']}.json")
            else data
        )
        for name, data in found.items()
    }


def as_zip(made):
    return {"batch.zip": made["zip"]}


@pytest.fixture
def real(world, tmp_path):
    """Give Chile an empty repository of its own."""
    from lsst.daf.butler import Butler

    Butler.makeRepo(str(tmp_path / "butler"))
    world.repositories["chile"] = ButlerRepository(str(tmp_path / "butler"))
    return str(tmp_path / "butler")


@pytest.mark.parametrize("form", [beside, as_yaml, as_zip])
def test_products_make_the_round_trip_into_an_empty_registry(world, made, real, form):
    from lsst.daf.butler import Butler

    world.put(PRODUCT, form(made))
    assert move(world, [PRODUCT]) == {"taken": 1, "refused": 0}
    assert world.codes() == []
    assert world.state(PRODUCT, "chile") is State.PUBLISHED
    with Butler.from_config(real) as butler:
        for ref in made["refs"]:
            there = butler.get_dataset(ref.id)
            assert (there.id, there.dataId.required) == (ref.id, ref.dataId.required)
            assert there.run == ref.run
            assert butler.get(there) == made["values"][ref.datasetType.name]
        (record,) = butler.query_dimension_records("tract", skymap="rings", tract=7)
        assert record.region is not None
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 0}


def test_a_manifest_for_the_whole_batch_is_as_good(world, made):
    from lsst.daf.butler import Butler

    world.put(PRODUCT, beside(made))
    move(world, [PRODUCT])
    with world.stores["usdf"].open(f"products/{ParcelName.parse(PRODUCT).manifest_name}") as stream:
        parcel = Parcel.parse(stream.read())
    folder = f"{parcel.name.folder}/"
    manifest = {
        "files": {
            file.name.removeprefix(folder): {
                "refs": [dict(ref) for ref in file.refs],
                "formatter": file.formatter,
                "sha256": file.digest.sha256,
            }
            for file in parcel.files
        },
        "dataset_types": parcel.dataset_types,
        "universe": parcel.universe,
        "records": [[element, rows] for element, rows in parcel.records.items()],
    }
    again = PRODUCT.replace("coadds", "again")
    files = {f"{name}{made['suffix'][name]}": made["files"][name] for name in made["files"]}
    other = Sites(world.folder / "other")
    Butler.makeRepo(str(world.folder / "other-butler"))
    other.repositories["chile"] = ButlerRepository(str(world.folder / "other-butler"))
    other.put(again, {**files, "manifest.json": json.dumps(manifest).encode()})
    assert move(other, [again]) == {"taken": 1, "refused": 0}
    assert other.state(again, "chile") is State.PUBLISHED
    manifest["files"][min(files)]["sha256"] = "0" * 64
    wrong = PRODUCT.replace("coadds", "wrong")
    other.put(wrong, {**files, "manifest.json": json.dumps(manifest).encode()})
    assert move(other, [wrong]) == {"taken": 0, "refused": 1}
    assert other.codes(wrong) == ["digest-mismatch"]


def test_a_product_that_nobody_describes_is_refused(world, made):
    files = beside(made)
    files["stray.fits"] = b"x"
    world.put(PRODUCT, files)
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}
    assert world.codes(PRODUCT) == ["bad-document"]


@pytest.mark.parametrize(
    "sidecar", [b"{}", b"[]", b"nonsense", b'{"id": NaN}', b'{"id": "1", "id": "2"}']
)
def test_a_sidecar_that_is_none_refuses_the_batch(world, made, sidecar):
    files = beside(made)
    name = next(name for name in files if name.endswith(".json") and name[:-5] in files)
    world.put(PRODUCT, {**files, name: sidecar})
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}
    assert world.codes(PRODUCT) == ["bad-document"]


def test_a_zip_that_does_not_describe_itself_is_refused(world, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", b"a")
    world.put(PRODUCT, {"x.zip": (tmp_path / "x.zip").read_bytes()})
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}


def _broken_zip(made, spoil):
    source = io.BytesIO(made["zip"])
    target = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member.endswith(".json") and b"artifact_map" in data:
                document = json.loads(data)
                spoil(document)
                data = json.dumps(document).encode()
            new.writestr(member, data)
    return target.getvalue()


def _strange_id(document):
    artifact = next(iter(document["artifact_map"].values()))
    artifact["ids"] = ["12345678-1234-1234-1234-123456789012"]


@pytest.mark.parametrize(
    "spoil",
    [
        _strange_id,
        lambda document: document.pop("refs"),
        lambda document: document["artifact_map"].update(other=7),
        lambda document: document["refs"].clear(),
    ],
)
def test_a_zip_with_a_wrong_index_costs_only_its_batch(world, made, spoil):
    other = FILE.replace("weather", "other")
    world.put(PRODUCT, {"batch.zip": _broken_zip(made, spoil)})
    world.put(other, {"log.txt": b"rain"})
    assert move(world, [PRODUCT, other]) == {"taken": 1, "refused": 1}
    assert world.codes(PRODUCT) == ["bad-document"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"files": {"x.json": 7}, "dataset_types": {}, "universe": {}, "records": []},
        {"files": {"x.json": {}}, "dataset_types": [], "universe": {}, "records": [[1, 2]]},
        {
            "files": {"x.json": {"refs": [{"id": 1}]}},
            "dataset_types": {},
            "universe": {},
            "records": [],
        },
        {
            "files": {"x.json": {"labels": {"a": 1}}},
            "dataset_types": {},
            "universe": {},
            "records": [],
        },
        {"files": {"x.json": {}}, "dataset_types": {}, "universe": {}, "records": 7},
    ],
)
def test_a_manifest_that_could_not_be_read_again_is_never_sealed(world, wrong):
    world.put(PRODUCT, {"x.json": b"1", "manifest.json": json.dumps(wrong).encode()})
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}
    assert world.ledger.units([PRODUCT]) == {}
    assert world.codes(PRODUCT)[0] in ("bad-document", "bad-manifest")


def test_a_dataset_that_is_there_from_another_file_is_a_conflict(world, made, real):
    from lsst.daf.butler import Butler

    world.put(PRODUCT, beside(made))
    move(world, [PRODUCT])
    again = PRODUCT.replace("coadds", "again")
    world.put(again, beside(made))
    move(world, [again])
    assert world.state(again, "chile") is State.QUARANTINED
    (held,) = [item for item in world.ledger.refusals(unit=again) if item.endpoint == "chile"]
    assert held.code == "ingest-refused"
    assert "is there already, from" in held.reason
    with Butler.from_config(real) as butler:
        uri = butler.getURI(butler.get_dataset(made["refs"][0].id))
        assert PRODUCT.rpartition("/")[2] in str(uri)


def test_a_zip_of_several_formatters_is_served(world, made, real):
    from lsst.daf.butler import Butler

    def another(document):
        artifact = next(iter(document["artifact_map"].values()))
        artifact["info"]["formatter"] = "lsst.daf.butler.formatters.yaml.YamlFormatter"

    world.put(PRODUCT, {"batch.zip": _broken_zip(made, another)})
    assert move(world, [PRODUCT]) == {"taken": 1, "refused": 0}
    assert world.codes() == []
    with Butler.from_config(real) as butler:
        found = {
            butler._datastore.getURI(ref).fragment and ref.datasetType.name
            for ref in map(butler.get_dataset, (ref.id for ref in made["refs"]))
        }
    assert found == {"coadd_summary", "survey_config"}


def test_a_mended_batch_goes_through_and_closes_the_record(world, made):
    files = beside(made)
    world.put(PRODUCT, {**files, "stray.fits": b"x"})
    move(world, [PRODUCT])
    world.stores["usdf"].delete([f"incoming/{PRODUCT}/stray.fits"])
    world.put(PRODUCT, {})
    assert move(world, [PRODUCT]) == {"taken": 1, "refused": 0}
    assert world.codes() == []


def test_a_formatter_from_elsewhere_is_refused_by_the_repository(world, made, real):  # noqa: ARG001
    world.put(PRODUCT, beside(made))
    backbone = world.backbone()
    read = backbone.sidecars

    def evil(*arguments):
        told = read(*arguments)
        files = {
            name: dataclasses.replace(each, formatter="os.system")
            for name, each in told.files.items()
        }
        return dataclasses.replace(told, files=files)

    backbone = dataclasses.replace(backbone, sidecars=evil)
    take_parcels(backbone, [PRODUCT])
    register_units(backbone, [PRODUCT])
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "chile").work, "chile")
    assert world.state(PRODUCT, "chile") is State.QUARANTINED
    assert world.codes(PRODUCT) == ["ingest-refused"]


@pytest.mark.parametrize(
    "text", ["raw/20261121/x", "products/20261121", "products/20261121/../x", "products/1/x"]
)
def test_a_parcel_has_a_plain_name(text):
    with pytest.raises((UnsafeName, BadDayObs)):
        ParcelName.parse(text)
