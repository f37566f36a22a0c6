"""Visit records, made of an exposure's facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lsst.daf.butler import DimensionUniverse
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_records import to_records
from dbb.hooks.butler_visits import VISIT_ELEMENTS, visit_rows
from dbb.hooks.instruments import load_instrument
from dbb.model import strict_json
from dbb.model.exposure import Unit
from support.raw_bundles import RUN, make_facts, make_instrument

UNIT = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123")
NUMBER = 2026112100123
CAMERA = load_instrument("LSSTCam")
FACTS = make_facts(UNIT)


def _rows(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    return visit_rows(CAMERA, replace(FACTS, **changes))


def test_butler_takes_the_rows_of_every_detector() -> None:
    rows = _rows()
    assert tuple(rows) == VISIT_ELEMENTS
    records = {name: to_records(name, rows[name], DimensionUniverse()) for name in rows}
    assert [record.detector for record in records["visit_detector_region"]] == list(range(205))
    (visit,) = records["visit"]
    assert (visit.id, visit.name, visit.day_obs) == (NUMBER, str(UNIT.obs_id), 20261121)
    assert (visit.azimuth, visit.zenith_angle, visit.seq_num) == (11.5, 33.1, 123)


def test_the_boresight_is_in_the_region_of_the_visit_and_of_the_middle_detector() -> None:
    rows = _rows()
    boresight = UnitVector3d(LonLat.fromDegrees(52.5, -27.9))
    assert ConvexPolygon.decode(bytes.fromhex(rows["visit"][0]["region"])).contains(boresight)
    seeing = [
        row["detector"]
        for row in rows["visit_detector_region"]
        if ConvexPolygon.decode(bytes.fromhex(row["region"])).contains(boresight)
    ]
    assert seeing == [CAMERA.by_name["R22_S11"].id]


def test_a_sequence_of_one_is_a_visit_in_both_systems() -> None:
    assert [row["visit_system"] for row in _rows()["visit_system_membership"]] == [0, 2]


@pytest.mark.parametrize(
    ("seq_start", "number", "name"),
    [
        (123, 92026112100123, "MC_O_20261121_000123_first"),
        (122, NUMBER, "MC_O_20261121_000123"),
    ],
)
def test_a_snap_of_several_tells_only_its_own_visit_as_rubin_names_it(
    seq_start: int, number: int, name: str
) -> None:
    rows = _rows(seq_start=seq_start, seq_end=seq_start + 1)
    key = {"instrument": "LSSTCam", "visit": number}
    assert (rows["visit"][0]["id"], rows["visit"][0]["name"]) == (number, name)
    assert rows["visit_definition"] == [{**key, "exposure": NUMBER}]
    assert rows["visit_system_membership"] == [{**key, "visit_system": 0}]


@pytest.mark.parametrize(
    "changes",
    [
        {"tracking_ra_deg": None},
        {"tracking_dec_deg": None},
        {"can_see_sky": False},
        {"observation_type": "dark", "sky_angle_deg": None},
    ],
)
def test_what_does_not_look_at_the_sky_is_no_visit(changes: dict[str, Any]) -> None:
    assert _rows(**changes) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"can_see_sky": None},
        {"observation_type": "acq"},
        {"sky_angle_deg": None},
    ],
)
def test_what_may_see_the_sky_is_a_visit(changes: dict[str, Any]) -> None:
    assert len(_rows(**changes)["visit_detector_region"]) == 205


def test_an_instrument_whose_detectors_have_no_place_makes_no_visits() -> None:
    assert visit_rows(replace(CAMERA, focal_plane=None), FACTS) == {}


def test_a_later_part_has_the_same_rows_and_butlers_index_stays_without_them() -> None:
    instrument = make_instrument()
    indexer = ButlerIndexer([instrument])
    first = indexer.index(UNIT, FACTS, {"R00_S00": "a.fits"}, RUN)
    late = indexer.index(replace(UNIT, part=2), FACTS, {"R00_S01": "b.fits"}, RUN)
    for element in VISIT_ELEMENTS:
        assert first.records[element] == late.records[element]
    assert b"visit" not in first.member_data


@pytest.mark.parametrize("angle", [123.4, None])
def test_the_rows_of_the_whole_camera_are_small(angle: float | None) -> None:
    rows = _rows(sky_angle_deg=angle)
    assert len(strict_json.canonical(rows)) < 100_000
