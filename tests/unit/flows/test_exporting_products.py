"""Exports of catalogues and other products: files of their own, and members of a producer's zip."""

from pathlib import Path

import pyarrow as pa
import pytest
from lsst.daf.butler import Butler, DatasetType
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from dbb.flows.export_repairing import repair_export
from dbb.flows.parcels import take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.export import Pinned
from dbb.verify_bag import verify
from support.bags import make_key
from support.calibration_site import CalibrationSite
from support.exports import Exports

UNIT, RUN, TYPES = "products/20261121/objects-1", "u/pipeline/1", ["objects", "summary"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make a catalogue and a summary of each of twenty tracts in a repository of their own."""
    root = tmp_path_factory.mktemp("producer")
    Butler.makeRepo(str(root))
    with Butler.from_config(str(root), writeable=True, run=RUN) as butler:
        registry, universe = butler.registry, butler.dimensions
        sky = {
            "name": "rings",
            "hash": b"hash",
            "tract_max": 99,
            "patch_nx_max": 1,
            "patch_ny_max": 1,
        }
        registry.insertDimensionData("skymap", sky)
        catalogue = DatasetType("objects", ["skymap", "tract"], "ArrowTable", universe=universe)
        summary = DatasetType(
            "summary", ["skymap", "tract"], "StructuredDataDict", universe=universe
        )
        for each in (catalogue, summary):
            registry.registerDatasetType(each)
        refs = []
        for tract in range(20):
            corners = [(tract, 0), (tract + 1, 0), (tract + 1, 1), (tract, 1)]
            region = ConvexPolygon([UnitVector3d(LonLat.fromDegrees(*at)) for at in corners])
            registry.insertDimensionData(
                "tract", {"skymap": "rings", "id": tract, "region": region}
            )
            where = {"skymap": "rings", "tract": tract}
            table = pa.table({"objectId": [tract * 10 + number for number in range(5)]})
            refs += [
                butler.put(table, catalogue, where),
                butler.put({"depth": tract}, summary, where),
            ]
        refs = [ref.expanded(registry.expandDataId(ref.dataId)) for ref in refs]
        archive = butler.retrieve_artifacts_zip(refs, str(tmp_path_factory.mktemp("zip")))
        files = {}
        for ref in refs:
            path = Path(butler.getURI(ref).ospath)
            files[path.name] = path.read_bytes()
            files[f"{path.name}.json"] = ref.to_json().encode()
        return {"beside": files, "zip": {"batch.zip": Path(archive.ospath).read_bytes()}}


@pytest.fixture(params=["beside", "zip"])
def exports(request, made, tmp_path):
    world = CalibrationSite(tmp_path / "world")
    folder = world.folder / "usdf/incoming" / UNIT
    folder.mkdir(parents=True)
    for name, data in {**made[request.param], "_READY": b""}.items():
        (folder / name).write_bytes(data)
    backbone = world.backbone()
    assert take_parcels(backbone, [UNIT]) == {"taken": 1, "refused": 0}
    register_units(backbone, [UNIT])
    publish_units(backbone, [UNIT], "usdf")
    return Exports(world, tmp_path / "out", *make_key(tmp_path))


def test_a_selection_of_catalogues_opens_elsewhere_and_is_repaired(exports, tmp_path):
    made = exports.make(
        collections=[RUN], dataset_types=TYPES,
        where="skymap = 'rings' AND tract < limit", bind={"limit": 10},
    )  # fmt: skip
    assert made.datasets == 20
    assert verify(str(exports.bag), signers=str(exports.signers)).verdict == "valid"
    Butler.makeRepo(str(tmp_path / "elsewhere"))
    with Butler.from_config(str(tmp_path / "elsewhere"), writeable=True) as butler:
        for path in sorted((exports.bag / "data/butler").glob("*.yaml")):
            butler.import_(directory=str(exports.bag / "data"), filename=str(path), transfer="copy")
        for tract in range(10):
            where = {"skymap": "rings", "tract": tract}
            table = butler.get("objects", where, collections=RUN)
            assert table["objectId"].to_pylist() == [tract * 10 + number for number in range(5)]
            assert butler.get("summary", where, collections=RUN) == {"depth": tract}
    # Of twenty files one is lost: one comes again, and no other.
    lines = (exports.bag / "snapshot.jsonl").read_bytes().splitlines()
    lost = Pinned.from_line(lines[7])
    (exports.bag / lost.path).unlink()
    done = repair_export(
        exports.world.backbone(), exports.ports, exports.bag, signers=str(exports.signers)
    )
    assert (done.moved_files, done.moved_bytes) == (1, lost.size_bytes)
    assert done.report.verdict == "valid"
