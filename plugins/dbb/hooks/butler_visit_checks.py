"""Refuse a visit that is not its exposure's own, before Butler is asked to insert it."""

from __future__ import annotations

from lsst.daf.butler import DimensionUniverse
from lsst.sphgeom import Region

from dbb.hooks.butler_contents import Contents
from dbb.hooks.butler_records import Row, to_records
from dbb.hooks.butler_visits import SYSTEMS, visit_ids
from dbb.model.manifest import Manifest

_REGION_FIELDS = {"instrument", "visit", "detector", "region"}


def check_visit(manifest: Manifest, contents: Contents, universe: DimensionUniverse) -> None:
    """Find what speaks against a manifest's visit.

    A repository may have the visit already. Its record must then be the manifest's, but for the
    region: Rubin's tools may have put a better one in place of ours.

    Raises
    ------
    ValueError, LookupError, TypeError
        If the visit is not that of the exposure, a detector is unknown or has no region, or the
        repository has another visit of that number.
    """
    records = manifest.records
    name, (exposure,) = manifest.unit.instrument, records["exposure"]
    (visit,) = records["visit"]
    if visit["instrument"] != name or visit["id"] not in visit_ids(exposure["id"]):
        raise ValueError(f"its visit is not that of exposure {exposure['id']}")
    if any(visit[key] != exposure[key] for key in ("day_obs", "physical_filter")):
        raise ValueError("its visit is of another day or filter than its exposure")
    key = {"instrument": name, "visit": visit["id"]}
    if records["visit_definition"] != [{**key, "exposure": exposure["id"]}]:
        raise ValueError("its visit is not made of its exposure alone")
    memberships = [{**key, "visit_system": system} for system in SYSTEMS]
    if records["visit_system_membership"] not in (memberships, memberships[:1]):
        raise ValueError("its visit is in other visit systems than it can be")
    _check_region(visit["region"])
    to_records("visit", [visit], universe)
    _check_detectors(manifest, contents, visit["id"])
    known = contents.visits.get((name, visit["id"]), visit)
    fields = sorted(key for key in visit if key != "region" and visit[key] != known.get(key))
    if fields:
        raise ValueError(
            f"the repository's record of visit {visit['id']} differs in {', '.join(fields)}"
        )


def _check_detectors(manifest: Manifest, contents: Contents, visit: int) -> None:
    # By hand: there are some 200 of them, and Butler makes records of them when they are inserted.
    name, rows = manifest.unit.instrument, manifest.records["visit_detector_region"]
    for row in rows:
        if row.keys() != _REGION_FIELDS or (row["instrument"], row["visit"]) != (name, visit):
            raise ValueError("a region is not one of its visit's")
        if (name, row["detector"]) not in contents.detectors:
            raise ValueError(f"the repository has no detector {row['detector']} of {name}")
        _check_region(row["region"])
    found = [row["detector"] for row in rows]
    if len(set(found)) != len(found):
        raise ValueError("a detector has two regions")
    # Butler joins visits with regions: it would not find a detector that has none.
    if not _detectors_of(manifest) <= set(found):
        raise ValueError("one of its detectors has no region")


def _detectors_of(manifest: Manifest) -> set[int]:
    rows: list[Row] = manifest.records["detector"]
    return {row["id"] for row in rows}


def _check_region(text: str) -> None:
    try:
        region = Region.decode(bytes.fromhex(text))
    except RuntimeError as error:
        raise ValueError(f"a region is none: {error}") from error
    middle = region.getBoundingCircle().getCenter()
    if not abs(middle.dot(middle) - 1) < 1e-6 or not region.contains(middle):
        raise ValueError("a region is none: its middle is nowhere")  # a corner may be NaN
