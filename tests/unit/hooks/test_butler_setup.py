"""Creating repositories and registering instruments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from lsst.daf.butler import Butler, CollectionType
from lsst.daf.butler.cli.butler import cli
from lsst.pipe.base import Instrument

from dbb.hooks.butler_instruments import LsstCam
from dbb.hooks.butler_setup import create_repository, name_driver
from dbb.hooks.instruments import load_instrument, load_instruments
from support.raw_bundles import make_instrument


def test_a_new_repository_knows_instrument_types_and_collections(tmp_path: Path) -> None:
    create_repository(tmp_path / "repo", [make_instrument()])
    with Butler.from_config(str(tmp_path / "repo")) as butler:
        assert len(butler.query_dimension_records("detector", instrument="LSSTCam")) == 4
        assert len(butler.query_dimension_records("physical_filter", instrument="LSSTCam")) == 3
        for name in ("raw", "guider_raw"):
            dataset_type = butler.get_dataset_type(name)
            assert dataset_type.dimensions.required == {"instrument", "exposure", "detector"}
        chain = butler.collections.get_info("LSSTCam/defaults")
        assert (chain.type, chain.children) == (CollectionType.CHAINED, ("LSSTCam/raw/all",))
        assert butler.collections.get_info("LSSTCam/raw/all").type is CollectionType.RUN


def test_creating_it_again_brings_a_changed_instrument_up_to_date(tmp_path: Path) -> None:
    old = make_instrument()
    first, *others = old.detectors
    changed = replace(first, purpose="WAVEFRONT")
    new = replace(
        make_instrument(5), detectors=(changed, *others, make_instrument(5).detectors[-1])
    )
    for instrument in (old, old, new):
        create_repository(tmp_path / "repo", [instrument])
    with Butler.from_config(str(tmp_path / "repo")) as butler:
        records = butler.query_dimension_records("detector", instrument="LSSTCam")
    assert [record.purpose for record in sorted(records, key=lambda record: record.id)] == [
        "WAVEFRONT", "SCIENCE", "SCIENCE", "GUIDER", "GUIDER",
    ]  # fmt: skip


def test_what_an_operator_wrote_into_the_configuration_stays(tmp_path: Path) -> None:
    create_repository(tmp_path, [make_instrument()])
    config = tmp_path / "butler.yaml"
    config.write_text(f"{config.read_text()}\n# ours\n")
    create_repository(tmp_path, [make_instrument()])
    assert config.read_text().endswith("# ours\n")


def test_a_creation_that_died_before_the_configuration_was_named_is_repeated(
    tmp_path: Path,
) -> None:
    create_repository(tmp_path, [make_instrument()])
    (tmp_path / "butler.yaml").rename(tmp_path / "butler-unfinished.yaml")
    create_repository(tmp_path, [make_instrument()])
    with Butler.from_config(str(tmp_path)) as butler:
        assert butler.query_dimension_records("instrument")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["butler.yaml", "gen3.sqlite3"]


def test_a_repository_may_be_moved(tmp_path: Path) -> None:
    create_repository(tmp_path / "old", [make_instrument()])
    (tmp_path / "old").rename(tmp_path / "new")
    with Butler.from_config(str(tmp_path / "new")) as butler:
        assert butler.query_dimension_records("instrument")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("postgresql://dbb@host:5433/db", "postgresql+psycopg://dbb@host:5433/db"),
        ("postgres://dbb@host/db", "postgresql+psycopg://dbb@host/db"),
        ("postgresql+psycopg2://dbb@host/db", "postgresql+psycopg2://dbb@host/db"),
    ],
)
def test_the_database_driver_is_always_named(given: str, named: str) -> None:
    assert name_driver(given) == named


@pytest.mark.parametrize("name", ["LSSTCam", "LATISS", "LSSTComCam"])
def test_butlers_own_command_registers_an_instrument_of_ours(name: str, tmp_path: Path) -> None:
    instrument = load_instrument(name)
    repository = str(tmp_path / "repo")
    runner = CliRunner()
    assert runner.invoke(cli, ["create", repository]).exit_code == 0
    result = runner.invoke(cli, ["register-instrument", repository, instrument.class_name])
    assert result.exit_code == 0, result.output
    with Butler.from_config(repository) as butler:
        records = butler.query_dimension_records("detector", instrument=name, limit=None)
        assert {record.full_name for record in records} == set(instrument.by_name)
        filters = butler.query_dimension_records("physical_filter", instrument=name, limit=None)
        assert {record.name for record in filters} == set(instrument.physical_filters)
        assert type(Instrument.fromName(name, butler.registry)).getName() == name


def test_rubins_collection_names_are_ours() -> None:
    assert LsstCam().makeDefaultRawIngestRunName() == "LSSTCam/raw/all"
    assert LsstCam().makeUmbrellaCollectionName() == "LSSTCam/defaults"


def test_every_described_instrument_can_be_registered(tmp_path: Path) -> None:
    instruments = list(load_instruments().values())
    create_repository(tmp_path, instruments)
    with Butler.from_config(str(tmp_path)) as butler:
        names = {record.name for record in butler.query_dimension_records("instrument")}
    assert names == {instrument.name for instrument in instruments}
