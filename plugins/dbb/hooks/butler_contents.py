"""What a Butler repository holds of some exposures: read in a handful of queries."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lsst.daf.butler import (
    Butler,
    CollectionType,
    DatasetRef,
    DimensionRecord,
    MissingCollectionError,
    Timespan,
)
from lsst.sphgeom import Region

from dbb.hooks.butler_dataset_types import NAMES
from dbb.hooks.butler_records import Row
from dbb.hooks.butler_visits import region_to_json, visit_ids
from dbb.model.manifest import Manifest

Place = tuple[str, str, str, int, int]
"""Run, dataset type, instrument, exposure, detector: where a dataset stands."""


@dataclass(frozen=True)
class Contents:
    """Hold what a repository has.

    Parameters
    ----------
    universe
        Its dimension universe, as manifests write it.
    runs
        Its run collections, of those that the manifests name.
    detectors, bands
        The full name of each detector by instrument and number; the band of each filter by
        instrument and name. Only of the instruments asked for.
    exposures, visits
        The rows of those exposures, and of their own visits, that are there, by instrument and
        number.
    refs
        Their raw images, by place.
    """

    universe: dict[str, Any]
    runs: frozenset[str]
    detectors: dict[tuple[str, int], str]
    bands: dict[tuple[str, str], str]
    exposures: dict[tuple[str, int], Row]
    visits: dict[tuple[str, int], Row]
    refs: dict[Place, DatasetRef]


def read_contents(butler: Butler, manifests: Sequence[Manifest]) -> Contents:
    """Read what a repository has of the manifests' instruments and exposures."""
    exposures = _exposures_by_instrument(manifests)
    registered = registered_instruments(butler)
    known = {name: numbers for name, numbers in exposures.items() if name in registered}
    detectors = [row for name in known for row in _records(butler, "detector", name)]
    filters = [row for name in known for row in _records(butler, "physical_filter", name)]
    return Contents(
        universe={"namespace": butler.dimensions.namespace, "version": butler.dimensions.version},
        runs=frozenset(_existing_runs(butler, manifests)),
        detectors={(row.instrument, row.id): row.full_name for row in detectors},
        bands={(row.instrument, row.name): row.band for row in filters},
        exposures={
            (record.instrument, record.id): _to_row(record)
            for name, numbers in known.items()
            for record in _records(butler, "exposure", name, numbers)
        },
        visits={
            (record.instrument, record.id): _to_row(record)
            for name, numbers in known.items()
            for record in _records(butler, "visit", name, _visits_of(numbers))
        },
        refs=find_refs(butler, manifests, registered),
    )


def find_refs(
    butler: Butler, manifests: Sequence[Manifest], registered: Container[str]
) -> dict[Place, DatasetRef]:
    """Find every raw image of the manifests' exposures, in any run that the manifests name."""
    runs = _existing_runs(butler, manifests)
    found: dict[Place, DatasetRef] = {}
    for name, numbers in _exposures_by_instrument(manifests).items():
        if name not in registered or not runs:
            continue
        for dataset_type in NAMES:
            with butler.query() as query:
                refs = query.datasets(dataset_type, collections=sorted(runs), find_first=False)
                refs = refs.where(
                    {"instrument": name}, "exposure IN (numbers)", bind={"numbers": numbers}
                )
                found.update((_place_of(ref), ref) for ref in refs)
    return found


def find_whole(
    butler: Butler, manifests: Sequence[Manifest], refs: Mapping[Place, DatasetRef]
) -> set[str]:
    """Name the units all of whose datasets are among ``refs`` and in the datastore.

    A dataset that was taken out of the datastore, but not out of the registry, has no address.
    """
    whole: dict[str, list[DatasetRef]] = {}
    for manifest in manifests:
        wanted = _places_of(manifest)
        there = [refs[place] for place in wanted if place in refs]
        if {str(ref.id) for ref in there} == set(wanted.values()) != set():
            whole[str(manifest.unit)] = there
    asked = [ref for there in whole.values() for ref in there]
    stored = butler.get_many_uris(asked, allow_missing=True)
    return {unit for unit, there in whole.items() if all(ref in stored for ref in there)}


def _places_of(manifest: Manifest) -> dict[Place, str]:
    found: dict[Place, str] = {}
    for entry in manifest.images:
        ref = entry.ref or {}
        data_id = ref["data_id"]
        keys = (data_id["instrument"], data_id["exposure"], data_id["detector"])
        found[ref["run"], ref["dataset_type"], *keys] = ref["id"]
    return found


def registered_instruments(butler: Butler) -> set[str]:
    """Name the instruments that a repository knows."""
    return {str(record.name) for record in _records(butler, "instrument")}


def _place_of(ref: DatasetRef) -> Place:
    """Say where a dataset stands."""
    instrument, detector, exposure = ref.dataId.required_values
    return ref.run, ref.datasetType.name, str(instrument), int(exposure), int(detector)


def _to_row(record: DimensionRecord) -> Row:
    """Write a record as it stands in a manifest."""
    return {name: _to_json(value) for name, value in record.toDict().items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, Timespan):
        return list(value.nsec)
    return region_to_json(value) if isinstance(value, Region) else value


def _visits_of(exposures: Iterable[int]) -> list[int]:
    return [number for exposure in exposures for number in visit_ids(exposure)]


def _existing_runs(butler: Butler, manifests: Iterable[Manifest]) -> set[str]:
    named = {str(entry.ref.get("run")) for m in manifests for entry in m.images if entry.ref}
    found = set()
    for run in named:
        with contextlib.suppress(MissingCollectionError):
            if butler.collections.get_info(run).type is CollectionType.RUN:
                found.add(run)
    return found


def _exposures_by_instrument(manifests: Iterable[Manifest]) -> dict[str, list[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for manifest in manifests:
        found[manifest.unit.instrument].add(manifest.unit.obs_id.exposure_id)
    return {name: sorted(found[name]) for name in sorted(found)}


def _records(
    butler: Butler, element: str, instrument: str = "", numbers: Sequence[int] = ()
) -> list[DimensionRecord]:
    with butler.query() as query:
        records = query.dimension_records(element)
        if instrument:
            records = records.where({"instrument": instrument})
        if numbers:
            records = records.where(f"{element} IN (numbers)", bind={"numbers": numbers})
        return list(records)
