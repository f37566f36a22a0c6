"""Bundles that a Butler repository must refuse, each with the words in which it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from lsst.daf.butler import DataCoordinate, DatasetRef, DimensionUniverse, FileDataset

from dbb.hooks.butler_dataset_types import dataset_types
from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_visits import VISIT_ELEMENTS
from dbb.model.instrument import Detector
from dbb.ports.repository import LandedBundle
from support.butler_site import Site
from support.raw_bundles import make_facts, make_instrument

BAD = 3
"""Sequence number of the bad exposure."""


def _with_records(bundle: LandedBundle, element: str, **changes: Any) -> LandedBundle:
    rows = [{**row, **changes} for row in bundle.manifest.records[element]]
    records = {**bundle.manifest.records, element: rows}
    return replace(bundle, manifest=replace(bundle.manifest, records=records))


def without_visit(bundle: LandedBundle) -> LandedBundle:
    """Leave the visit out, as of an exposure that sees no sky."""
    return _without(bundle, *VISIT_ELEMENTS)


def _without(bundle: LandedBundle, *elements: str) -> LandedBundle:
    records = {
        element: rows
        for element, rows in bundle.manifest.records.items()
        if element not in elements
    }
    return replace(bundle, manifest=replace(bundle.manifest, records=records))


def _with_refs(bundle: LandedBundle, **changes: Any) -> LandedBundle:
    entries = tuple(
        replace(entry, ref={**entry.ref, **changes}) if entry.ref else entry
        for entry in bundle.manifest.entries
    )
    return replace(bundle, manifest=replace(bundle.manifest, entries=entries))


def _ingest_otherwise(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD)
    facts = replace(make_facts(bundle.manifest.unit), target_name="elsewhere")
    part_two = site.maker.make(BAD, part=2, detectors=["R00_S00"], facts=facts)
    assert site.repository.ingest([part_two]) == {}
    return site.maker.make(BAD, detectors=["R00_S01", "R00_S02"])


def _wrong_ids(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD, detectors=["R00_S00"])
    return _with_refs(bundle, id="5c6c0ea0-1111-5222-8333-444444444444")


def _ingest_by_other_means(site: Site, ref: DatasetRef) -> None:
    """Put a dataset where or under the identifier with which ours should be, as others might."""
    bundle = site.maker.make(BAD, part=2, detectors=["R00_S01"])
    assert site.repository.ingest([bundle]) == {}
    with site.butler(writeable=True) as butler:
        path = f"{bundle.url}#zip-path={bundle.manifest.images[0].name}"
        butler.ingest(FileDataset(path=path, refs=[ref]), transfer="direct")


def _make_ref(site: Site, exposure: int, detector: int, dataset_id: str | None) -> DatasetRef:
    universe = DimensionUniverse()
    data_id = DataCoordinate.standardize(
        instrument="LSSTCam", exposure=exposure, detector=detector, universe=universe
    )
    known = UUID(dataset_id) if dataset_id else None
    return DatasetRef(dataset_types(universe)["raw"], data_id, site.maker.run, id=known)


def _take_place(site: Site) -> LandedBundle:
    exposure = site.maker.unit(BAD).obs_id.exposure_id
    _ingest_by_other_means(site, _make_ref(site, exposure, 0, None))
    return site.maker.make(BAD, detectors=["R00_S00"])


def _take_id(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD, detectors=["R00_S00"])
    stolen = bundle.manifest.images[0].ref
    assert stolen is not None
    exposure = bundle.manifest.unit.obs_id.exposure_id
    _ingest_by_other_means(site, _make_ref(site, exposure, 2, stolen["id"]))
    return bundle


def _lose_the_zip(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD)
    Path(bundle.url.removeprefix("file://")).unlink()
    return bundle


def _other_universe(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD)
    universe = {"namespace": "daf_butler", "version": 7}
    return replace(bundle, manifest=replace(bundle.manifest, universe=universe))


def _unknown_detector(site: Site) -> LandedBundle:
    more = Detector(77, "R77_S00", "R77", "S00", "SCIENCE")
    instrument = replace(site.instrument, detectors=(*site.instrument.detectors, more))
    return replace(site.maker, instrument=instrument, indexer=ButlerIndexer([instrument])).make(BAD)


def _unknown_instrument(site: Site) -> LandedBundle:
    instrument = make_instrument(name="LATISS", code="AT")
    return replace(site.maker, instrument=instrument, indexer=ButlerIndexer([instrument])).make(BAD)


def _ingest_other_visit(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD, detectors=["R00_S00"])
    assert site.repository.ingest([_with_records(bundle, "visit", target_name="elsewhere")]) == {}
    return site.maker.make(BAD, part=2, detectors=["R00_S01"])


def _lose_a_region(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD)
    rows = bundle.manifest.records["visit_detector_region"][1:]
    records = {**bundle.manifest.records, "visit_detector_region": rows}
    return replace(bundle, manifest=replace(bundle.manifest, records=records))


def _no_exposure_record(site: Site) -> LandedBundle:
    bundle = site.maker.make(BAD)
    records = {**bundle.manifest.records, "exposure": []}
    return replace(bundle, manifest=replace(bundle.manifest, records=records))


FAULTS: dict[str, tuple[Callable[[Site], LandedBundle], str]] = {
    "other universe": (_other_universe, r"daf_butler 7, the repository's is daf_butler 8"),
    "unknown detector": (_unknown_detector, r"no detector 77 of LSSTCam"),
    "unknown instrument": (_unknown_instrument, r"no instrument LATISS"),
    "other exposure record": (_ingest_otherwise, r"differs in target_name"),
    "wrong identifier": (_wrong_ids, r"is not that of its data ID"),
    "other dataset there": (_take_place, r"has dataset \S+ in place of"),
    "identifier used elsewhere": (_take_id, r"do not match new dataset"),
    "zip not there": (_lose_the_zip, r"it is not there"),
    "missing record": (_no_exposure_record, r"not one exposure record"),
    "unknown filter": (
        lambda site: _with_records(site.maker.make(BAD), "physical_filter", name="x_1"),
        r"no physical_filter x_1 of LSSTCam",
    ),
    "other band": (
        lambda site: _with_records(site.maker.make(BAD), "physical_filter", band="i"),
        r"has band 'i', in the repository 'r'",
    ),
    "unknown run": (
        lambda site: _with_refs(site.maker.make(BAD), run="LSSTCam/rwa/all"),
        r"no run collection LSSTCam/rwa/all",
    ),
    "text too long": (
        lambda site: _with_records(site.maker.make(BAD), "exposure", observation_type="x" * 17),
        r"exposure.observation_type is longer than 16",
    ),
    "text with NUL": (
        lambda site: _with_records(site.maker.make(BAD), "exposure", target_name="a\0b"),
        r"NUL",
    ),
    "unknown field": (
        lambda site: _with_records(site.maker.make(BAD), "exposure", airmass=1.2),
        r"airmass",
    ),
    "other visit record": (_ingest_other_visit, r"record of visit \d+ differs in target_name"),
    "visit of another exposure": (
        lambda site: _with_records(site.maker.make(BAD), "visit", id=2026112100001),
        r"not that of exposure",
    ),
    "visit in an unknown system": (
        lambda site: _with_records(site.maker.make(BAD), "visit_system_membership", visit_system=7),
        r"other visit systems",
    ),
    "a detector without region": (_lose_a_region, r"has no region"),
    "a region that is none": (
        lambda site: _with_records(site.maker.make(BAD), "visit_detector_region", region="70ff"),
        r"a region is none",
    ),
    "a region of no numbers": (
        lambda site: _with_records(site.maker.make(BAD), "visit", region="70" + 72 * "ff"),
        r"its middle is nowhere",
    ),
    "half a visit": (
        lambda site: _without(site.maker.make(BAD), "visit_detector_region"),
        r"its records are not those of",
    ),
}
