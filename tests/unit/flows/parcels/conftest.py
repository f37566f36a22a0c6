"""Parcels of a producer, and sites to receive them."""

from pathlib import Path

import pytest

from dbb.hooks.butler_repository import ButlerRepository
from support.parcel_sites import Sites


@pytest.fixture
def world(tmp_path):
    return Sites(tmp_path)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Make datasets of two kinds in a repository of their own; give them with their files."""
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


@pytest.fixture
def real(world, tmp_path):
    """Give Chile an empty repository of its own."""
    from lsst.daf.butler import Butler

    Butler.makeRepo(str(tmp_path / "butler"))
    world.repositories["chile"] = ButlerRepository(str(tmp_path / "butler"))
    return str(tmp_path / "butler")
