"""Butler's index of a bundle, written without a registry."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from astropy.time import Time
from lsst.daf.butler import DatasetIdGenEnum, DatasetRef, DimensionUniverse
from lsst.daf.butler.datastores.file_datastore.retrieve_artifacts import ZipIndex

from dbb.errors import UnexpectedFile, UnknownInstrument, UntranslatableHeader
from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.model.exposure import ExposureFacts, Unit
from dbb.ports.images import BundleIndex
from support.raw_bundles import RUN, make_facts, make_instrument

UNIT = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123")
INSTRUMENT = make_instrument()
MEMBERS = {d.full_name: f"{UNIT.obs_id}_{d.file_suffix}" for d in INSTRUMENT.detectors}


def _index(facts: ExposureFacts | None = None, members: dict[str, str] = MEMBERS) -> BundleIndex:
    return ButlerIndexer([INSTRUMENT]).index(UNIT, facts or make_facts(UNIT), members, RUN)


def _read_refs(index: BundleIndex) -> list[DatasetRef]:
    return ZipIndex.model_validate_json(index.member_data).refs.to_refs(DimensionUniverse())


def test_butler_reads_the_index_with_every_record_attached() -> None:
    index = _index()
    refs = _read_refs(index)
    assert index.member_name == "_butler_zip_index.json"
    assert len(refs) == len(MEMBERS)
    assert all(ref.dataId.hasRecords() for ref in refs)
    assert {ref.dataId["band"] for ref in refs} == {"r"}
    assert sorted(ref.datasetType.name for ref in refs) == ["guider_raw", "raw", "raw", "raw"]


def test_every_member_leads_to_its_dataset() -> None:
    index = _index()
    members = ZipIndex.model_validate_json(index.member_data).artifact_map
    ids = {name: {str(dataset_id) for dataset_id in info.ids} for name, info in members.items()}
    assert ids == {MEMBERS[detector]: {ref["id"]} for detector, ref in index.refs.items()}
    assert {info.info.formatter for info in members.values()} == {
        "dbb.hooks.butler_formatter.FitsFileFormatter"
    }


def test_an_identifier_is_the_one_that_butler_itself_derives() -> None:
    for ref in _read_refs(_index()):
        derived = DatasetRef(
            ref.datasetType,
            ref.dataId,
            RUN,
            id_generation_mode=DatasetIdGenEnum.DATAID_TYPE_RUN,
        )
        assert derived.id == ref.id
        assert ref.id.version == 5


def test_time_spans_are_tai_and_exact() -> None:
    exposure = _read_refs(_index())[0].dataId.records["exposure"]
    facts = make_facts(UNIT)
    assert exposure.timespan.begin == Time(facts.begin_tai, scale="tai")
    assert exposure.timespan.end == Time(facts.end_tai, scale="tai")
    day = _read_refs(_index())[0].dataId.records["day_obs"]
    assert day.timespan.begin == Time("2026-11-21T12:00:00", scale="tai")
    assert day.timespan.end == Time("2026-11-22T12:00:00", scale="tai")


def test_a_bias_of_no_duration_has_a_time_span() -> None:
    facts = make_facts(UNIT)
    index = _index(replace(facts, end_tai=facts.begin_tai))
    begin, end = index.records["exposure"][0]["timespan"]
    assert end == begin + 1


def test_an_exposure_that_ends_before_it_begins_is_refused() -> None:
    facts = make_facts(UNIT)
    backwards = replace(facts, end_tai=facts.begin_tai - timedelta(seconds=1))
    with pytest.raises(UntranslatableHeader, match="ends before it begins"):
        _index(backwards)


def test_a_filter_without_a_band_is_its_own_band() -> None:
    refs = _read_refs(_index(make_facts(UNIT, "NONE")))
    assert {ref.dataId["band"] for ref in refs} == {"NONE"}


def test_what_a_header_leaves_out_stays_empty() -> None:
    facts = replace(make_facts(UNIT), tracking_ra_deg=None, can_see_sky=None)
    exposure = _read_refs(_index(facts))[0].dataId.records["exposure"]
    assert exposure.tracking_ra is None
    assert exposure.can_see_sky is None


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UntranslatableHeader, match="no filter"):
        _index(make_facts(UNIT, "infrared"))
    with pytest.raises(UnexpectedFile, match=r"x\.fits"):
        _index(members={"R99_S99": "x.fits"})
    with pytest.raises(UnknownInstrument, match="LSSTCam"):
        ButlerIndexer([]).index(UNIT, make_facts(UNIT), MEMBERS, RUN)


def test_the_same_exposure_makes_the_same_bytes_in_any_process() -> None:
    here = Path(__file__)
    tests = here.parents[2]
    program = (
        f"import sys; sys.path[:0] = {[str(here.parent), str(tests), str(tests.parent / 'plugins')]}\n"
        "import hashlib, test_butler_indexer as t\n"
        "print(hashlib.sha256(t._index().member_data).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {hashlib.sha256(_index().member_data).hexdigest()}


def test_the_order_in_which_members_are_given_does_not_matter() -> None:
    turned = dict(reversed(MEMBERS.items()))
    assert _index(members=turned).member_data == _index().member_data
