"""Regions of the sky: who touches one is in, and so is whoever is on its border."""

import dataclasses
import datetime as dt
import math
import random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.sphgeom import ConvexPolygon, HealpixPixelization, LonLat, UnitVector3d

from dbb.errors import PolicyUnreadable
from dbb.hooks.instruments import load_instruments
from dbb.hooks.sky_regions import SkyRegions, _are_separated, footprint, load_region
from dbb.model.exposure import ExposureFacts

INSTRUMENTS = load_instruments()
TIME = dt.datetime(2026, 11, 22, 3)  # noqa: DTZ001 - TAI has no zone

FACTS = ExposureFacts(
    instrument="LSSTCam", exposure_id=2026112100001, obs_id="MC_O_20261121_000001",
    day_obs=20261121, seq_num=1, seq_start=1, seq_end=1, group_name="g", controller="O",
    physical_filter="r_57", observation_type="science", observation_reason="science",
    science_program="BLOCK-365", target_name="field", exposure_time_s=15.0, dark_time_s=15.1,
    begin_tai=TIME, end_tai=TIME, tracking_ra_deg=45.0, tracking_dec_deg=-30.0, sky_angle_deg=0.0,
    azimuth_deg=None, zenith_angle_deg=None, airmass=None, air_temperature_c=None,
    pressure_pa=None, humidity_percent=None, wind_speed_m_s=None, has_simulated=False,
    can_see_sky=True,
)  # fmt: skip


def at(ra_deg, dec_deg, angle_deg=0.0):
    return dataclasses.replace(
        FACTS, tracking_ra_deg=ra_deg % 360, tracking_dec_deg=dec_deg, sky_angle_deg=angle_deg
    )


@pytest.fixture
def sky(tmp_path):
    def make(**shape):
        document = {"name": "r", "title": "a region", **shape}
        (tmp_path / "r.yaml").write_text(yaml.safe_dump(document))
        return SkyRegions(tmp_path, INSTRUMENTS)

    return make


def touches(regions, facts):
    return "r" in regions.regions_touched(facts)


def place(ra_deg, dec_deg):
    return UnitVector3d(LonLat.fromDegrees(ra_deg % 360, dec_deg))


BOX = [[30, -40], [60, -40], [60, -20], [30, -20]]


def test_an_exposure_inside_is_in_and_one_far_away_is_not(sky):
    regions = sky(polygon=BOX)
    assert touches(regions, at(45, -30))
    assert not touches(regions, at(225, 30))
    assert not touches(regions, at(45, 10))


def test_the_field_is_round_and_not_a_box(sky):
    """The corner detectors of a square camera are missing: just outside them nothing is touched."""
    regions = sky(circle={"ra_deg": 45.0, "dec_deg": -30.0, "radius_deg": 0.01})
    assert touches(regions, at(45, -31.5))
    assert not touches(regions, at(45, -32.2))


@pytest.mark.parametrize("angle_deg", [0.0, 33.0, 90.0])
def test_a_region_that_lies_wholly_inside_one_detector_is_touched(sky, angle_deg):
    regions = sky(circle={"ra_deg": 45.0, "dec_deg": -30.0, "radius_deg": 0.001})
    assert touches(regions, at(45.0, -30.0, angle_deg))


def test_who_sees_no_sky_touches_nothing_that_can_be_named(sky):
    regions = sky(polygon=BOX)
    dark = dataclasses.replace(FACTS, tracking_ra_deg=None, tracking_dec_deg=None)
    assert regions.regions_touched(dark) is None
    assert regions.regions_touched(dataclasses.replace(FACTS, can_see_sky=False)) is None


@pytest.mark.parametrize("shift", [-45.0, -30.5, 100.0, 315.0, 359.9])
def test_right_ascension_has_no_beginning(sky, shift):
    regions = sky(polygon=[[(ra + shift) % 360, dec] for ra, dec in BOX])
    assert touches(regions, at(45 + shift, -30))
    assert touches(regions, at(29 + shift, -30))
    assert not touches(regions, at(25 + shift, -30))


def test_a_region_around_the_pole_holds_the_pole(sky):
    regions = sky(polygon=[[0, -80], [90, -80], [180, -80], [270, -80]])
    for ra_deg in (0, 123, 300):
        assert touches(regions, at(ra_deg, -89))
        assert not touches(regions, at(ra_deg, -70))


def test_a_region_may_have_a_bay(sky):
    """A U: inside both arms and the bottom, outside in the bay between them."""
    regions = sky(
        polygon=[[0, -30], [40, -30], [40, 0], [30, 0], [30, -20], [10, -20], [10, 0], [0, 0]]
    )
    assert touches(regions, at(5, -5))
    assert touches(regions, at(35, -5))
    assert touches(regions, at(20, -25))
    assert not touches(regions, at(20, -8))


def test_several_shapes_may_be_one_region(sky):
    regions = sky(
        union=[{"polygon": BOX}, {"circle": {"ra_deg": 200, "dec_deg": 0, "radius_deg": 3}}]
    )
    assert touches(regions, at(45, -30))
    assert touches(regions, at(200, 0))
    assert not touches(regions, at(120, 0))


# -- maps ------------------------------------------------------------------------------------------


def test_a_map_is_touched_where_its_pixels_are(sky):
    grid = HealpixPixelization(5)
    pixel = int(grid.index(place(45, -30)))
    regions = sky(moc={"5": [pixel]})
    assert touches(regions, at(45, -30))
    assert not touches(regions, at(60, -30))


def test_orders_of_a_map_may_be_mixed(sky):
    coarse, fine = HealpixPixelization(3), HealpixPixelization(9)
    regions = sky(
        moc={"3": [int(coarse.index(place(0, 0)))], "9": [int(fine.index(place(180, 10)))]}
    )
    assert touches(regions, at(0, 0))
    assert touches(regions, at(180, 10))
    assert not touches(regions, at(90, 0))


def test_no_exposure_that_has_a_point_in_the_map_is_missed_and_few_others_are_in(sky):
    grid = HealpixPixelization(6)
    pixel = int(grid.index(place(45, -30)))
    regions = sky(moc={"6": [pixel]})
    rng = random.Random(3)  # noqa: S311 - reproducible on purpose
    wrong = 0
    for _ in range(60):
        facts = at(45 + rng.uniform(-4, 4), -30 + rng.uniform(-4, 4), rng.uniform(0, 360))
        shapes = footprint(facts, INSTRUMENTS["LSSTCam"])
        inside = any(
            grid.index(point) == pixel for shape in shapes for point in points_of(shape, rng)
        )
        found = touches(regions, facts)
        assert found or not inside
        wrong += found and not inside
    assert wrong <= 3


def points_of(shape, rng):
    corners = shape.getVertices()
    yield from corners
    for _ in range(6):
        weights = [rng.random() for _ in corners]
        yield UnitVector3d(
            *(sum(w * c[i] for w, c in zip(weights, corners, strict=True)) for i in range(3))
        )


# -- exactness -------------------------------------------------------------------------------------

angle = st.floats(0, 359, allow_nan=False)
small = st.floats(-8, 8, allow_nan=False)


def square(ra, dec, half, turn):
    middle = place(ra, dec)
    north = UnitVector3d.northFrom(middle) if abs(dec) < 89 else place(ra + 90, 0)
    east = north.cross(middle)
    corners = []
    for k in range(4):
        a = math.radians(turn + 90 * k)
        corners.append(
            UnitVector3d(
                *(
                    middle[i]
                    + math.radians(half) * (math.cos(a) * north[i] + math.sin(a) * east[i])
                    for i in range(3)
                )
            )
        )
    return ConvexPolygon(corners)


@settings(max_examples=200, deadline=None)
@given(angle, st.floats(-80, 80), small, small, st.floats(0.2, 5), st.floats(0.2, 5), angle, angle)
def test_two_polygons_are_apart_just_when_no_point_is_common(ra, dec, dra, ddec, h1, h2, t1, t2):
    one, other = square(ra, dec, h1, t1), square(ra + dra, max(-85, min(85, dec + ddec)), h2, t2)
    common = any(other.contains(v) for v in grid_of(one)) or any(
        one.contains(v) for v in grid_of(other)
    )
    if common:
        assert not _are_separated(one, other)
    if _are_separated(one, other):
        assert not common
    assert _are_separated(one, other) == _are_separated(other, one)


def grid_of(shape):
    a, b, c, d = shape.getVertices()
    for i in range(9):
        for j in range(9):
            u, v = i / 8, j / 8
            yield UnitVector3d(
                *(
                    (1 - u) * (1 - v) * a[k]
                    + u * (1 - v) * b[k]
                    + u * v * c[k]
                    + (1 - u) * v * d[k]
                    for k in range(3)
                )
            )


def test_neighbours_that_share_an_edge_touch():
    one = ConvexPolygon([place(0, 0), place(1, 0), place(1, 1), place(0, 1)])
    other = ConvexPolygon([place(1, 0), place(2, 0), place(2, 1), place(1, 1)])
    assert not _are_separated(one, other)


# -- documents -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"polygon": BOX, "circle": {"ra_deg": 0, "dec_deg": 0, "radius_deg": 1}},
        {"polygon": BOX[:2]},
        {"polygon": [*BOX, BOX[0]]},
        {"polygon": [[30, -40], [60, -20], [60, -40], [30, -20]]},
        {"polygon": [[30, -95], [60, -40], [60, -20]]},
        {"polygon": [[30, float("nan")], [60, -40], [60, -20]]},
        {"polygon": [[30], [60, -40], [60, -20]]},
        {"polygon": "everything"},
        {"circle": {"ra_deg": 0, "dec_deg": 0}},
        {"circle": {"ra_deg": 0, "dec_deg": 0, "radius_deg": 0}},
        {"circle": {"ra_deg": 0, "dec_deg": 0, "radius_deg": True}},
        {"moc": {"30": [1]}},
        {"moc": {"2": [192]}},
        {"moc": {"2": [1.5]}},
        {"moc": {"2": 1}},
        {"moc": {}},
        {"union": []},
        {"sphere": 1},
    ],
)
def test_a_document_that_is_not_what_it_should_be_stops_loudly(sky, shape):
    with pytest.raises(PolicyUnreadable, match=r"r\.yaml"):
        _ = sky(**shape).regions


def test_a_document_has_its_files_name(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "name: b\ntitle: t\ncircle: {ra_deg: 0, dec_deg: 0, radius_deg: 1}"
    )
    with pytest.raises(PolicyUnreadable):
        load_region(tmp_path / "a.yaml")
