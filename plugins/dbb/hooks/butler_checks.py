"""Refuse a bundle that a repository cannot take, before Butler is asked to ingest anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsst.daf.butler import DataCoordinate, DimensionUniverse

from dbb.errors import IngestRefused
from dbb.hooks.butler_contents import Contents, Place
from dbb.hooks.butler_dataset_types import dataset_types, derive_id
from dbb.hooks.butler_records import ELEMENTS, Row, to_records
from dbb.hooks.butler_visit_checks import check_visit
from dbb.hooks.butler_visits import VISIT_ELEMENTS
from dbb.model.manifest import Manifest
from dbb.ports.repository import LandedBundle

_INT64 = 2**63


def check_bundle(
    bundle: LandedBundle, contents: Contents, universe: DimensionUniverse
) -> set[Place]:
    """Find what speaks against a bundle; give the places of its datasets.

    Raises
    ------
    IngestRefused
        If its universe is another one, its instrument, a detector, filter or run is unknown, a
        record is malformed or differs from the repository's, or a dataset stands where another is.
    """
    try:
        return _check(bundle.manifest, contents, universe)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # A manifest's records and references come from another site and may have any shape.
        raise IngestRefused.for_bundle(bundle.url, _explain(error)) from error


def _check(manifest: Manifest, contents: Contents, universe: DimensionUniverse) -> set[Place]:
    if manifest.universe != contents.universe:
        raise ValueError(
            f"its records follow the dimension universe {_name_universe(manifest.universe)}, "
            f"the repository's is {_name_universe(contents.universe)}"
        )
    has_visit = not manifest.records.keys().isdisjoint(VISIT_ELEMENTS)
    expected = (*ELEMENTS, *VISIT_ELEMENTS) if has_visit else ELEMENTS
    if manifest.records.keys() != set(expected):
        raise ValueError(f"its records are not those of {', '.join(expected)}")
    for element in expected:
        for row in manifest.records[element]:
            _check_values(element, row, universe)
    _check_camera(manifest, contents)
    _check_exposure(manifest, contents, universe)
    if has_visit:
        check_visit(manifest, contents, universe)
    return _check_datasets(manifest, contents, universe)


def _check_values(element: str, row: Row, universe: DimensionUniverse) -> None:
    # What the databases behind Butler refuse, or, worse, one of them does and the other does not.
    for column in universe[element].schema.all:
        value = row.get(column.name)
        if isinstance(value, str):
            if len(value) > getattr(column, "length", len(value)):
                raise ValueError(f"{element}.{column.name} is longer than {column.length}")
            if "\0" in value:
                raise ValueError(f"{element}.{column.name} has a NUL character")
        if isinstance(value, int) and not -_INT64 <= value < _INT64:
            raise ValueError(f"{element}.{column.name} is too large")


def _check_camera(manifest: Manifest, contents: Contents) -> None:
    name = manifest.unit.instrument
    if [row["name"] for row in manifest.records["instrument"]] != [name]:
        raise ValueError(f"its instrument record is not that of {name}")
    if not any(instrument == name for instrument, _ in contents.detectors):
        raise ValueError(f"the repository has no instrument {name}: register it there")
    pairs: tuple[tuple[str, str, str, Mapping[Any, Any]], ...] = (
        ("detector", "id", "full_name", contents.detectors),
        ("physical_filter", "name", "band", contents.bands),
    )
    for element, key, field, known in pairs:
        for row in manifest.records[element]:
            there = known.get((row["instrument"], row[key]))
            if there is None:
                raise ValueError(f"the repository has no {element} {row[key]} of {name}")
            if there != row[field]:
                raise ValueError(
                    f"{element} {row[key]} has {field} {row[field]!r}, in the repository {there!r}"
                )


def _check_exposure(manifest: Manifest, contents: Contents, universe: DimensionUniverse) -> None:
    name, exposure_id = manifest.unit.instrument, manifest.unit.obs_id.exposure_id
    rows = manifest.records["exposure"]
    if [(row["instrument"], row["id"]) for row in rows] != [(name, exposure_id)]:
        raise ValueError(f"it has not one exposure record, that of {exposure_id}")
    row = rows[0]
    for element, key in (("day_obs", "id"), ("group", "name"), ("physical_filter", "name")):
        found = [(other["instrument"], other[key]) for other in manifest.records[element]]
        if found != [(name, row[element])]:
            raise ValueError(f"it has not the one {element} record that its exposure needs")
        to_records(element, manifest.records[element], universe)
    to_records("exposure", [row], universe)
    known = contents.exposures.get((name, exposure_id), row)
    if known != row:
        fields = sorted(field for field in row if row[field] != known.get(field))
        raise ValueError(
            f"the repository's record of exposure {exposure_id} differs in {', '.join(fields)}"
        )


def _check_datasets(
    manifest: Manifest, contents: Contents, universe: DimensionUniverse
) -> set[Place]:
    types = dataset_types(universe)
    name, exposure_id = manifest.unit.instrument, manifest.unit.obs_id.exposure_id
    detectors = {row["id"] for row in manifest.records["detector"]}
    found: set[Place] = set()
    for entry in manifest.images:
        ref = entry.ref or {}
        detector = ref["data_id"]["detector"]
        data_id = {"instrument": name, "exposure": exposure_id, "detector": detector}
        if ref["data_id"] != data_id or detector not in detectors:
            raise ValueError(f"the data ID of {entry.name} is not one of its records'")
        dataset_type = types.get(ref["dataset_type"])
        if dataset_type is None:
            raise ValueError(f"{entry.name} is of no known dataset type")
        if ref["run"] not in contents.runs:
            raise ValueError(f"the repository has no run collection {ref['run']}")
        place = (ref["run"], ref["dataset_type"], name, exposure_id, detector)
        if place in found:
            raise ValueError(f"detector {detector} is in it twice")
        found.add(place)
        coordinate = DataCoordinate.from_required_values(
            dataset_type.dimensions, (name, detector, exposure_id)
        )
        if ref["id"] != str(derive_id(dataset_type, coordinate, ref["run"])):
            raise ValueError(f"the identifier of {entry.name} is not that of its data ID")
        there = contents.refs.get(place)
        if there is not None and str(there.id) != ref["id"]:
            raise ValueError(f"the repository has dataset {there.id} in place of {entry.name}")
    return found


def _name_universe(universe: Mapping[str, Any]) -> str:
    return f"{universe.get('namespace')} {universe.get('version')}"


def _explain(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"a record or reference has no field {error}"
    return " ".join(str(error).split())[:500]
