"""Where on the sky detectors look."""

from __future__ import annotations

import math

import pytest
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from dbb.hooks.instruments import load_instrument
from dbb.hooks.visit_regions import Pointing, detector_corners, polygon
from dbb.model.instrument import FocalPlane


def _plane(name: str = "LSSTCam") -> FocalPlane:
    plane = load_instrument(name).focal_plane
    assert plane is not None
    return plane


def _regions(pointing: Pointing, name: str = "LSSTCam") -> dict[str, ConvexPolygon]:
    corners = detector_corners(_plane(name), pointing)
    return {detector: polygon(found) for detector, found in corners.items()}


def _at(ra_deg: float, dec_deg: float) -> UnitVector3d:
    return UnitVector3d(LonLat.fromDegrees(ra_deg, dec_deg))


def _offset(region: ConvexPolygon, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Give how far east and north of a place, not too near a pole, a region is, in degrees."""
    middle = LonLat(region.getCentroid())
    east = (middle.getLon().asDegrees() - ra_deg + 180) % 360 - 180
    return east * math.cos(math.radians(dec_deg)), middle.getLat().asDegrees() - dec_deg


@pytest.mark.parametrize("distance", [0.3, 0.9, 1.5])
def test_every_place_near_the_boresight_is_in_some_detectors_region(distance: float) -> None:
    regions = _regions(Pointing(0.0, 0.0, 20.0)).values()
    for degrees in range(0, 360, 5):
        angle = math.radians(degrees)
        place = _at(distance * math.cos(angle), distance * math.sin(angle))
        assert 1 <= sum(region.contains(place) for region in regions) <= 4
    assert not any(region.contains(_at(0.0, 2.2)) for region in regions)


@pytest.mark.parametrize(
    ("angle", "up", "right"),
    [
        (0.0, (0, 1), (-1, 0)),
        (90.0, (1, 0), (0, 1)),
        (180.0, (0, -1), (1, 0)),
        (270.0, (-1, 0), (0, -1)),
    ],
)
def test_at_angle_zero_y_looks_north_and_x_west_and_the_angle_grows_through_east(
    angle: float, up: tuple[int, int], right: tuple[int, int]
) -> None:
    regions = _regions(Pointing(52.5, 0.0, angle))
    raft = 127 * 20.006 / 3600
    for name, (east, north) in {"R32_S11": up, "R23_S11": right}.items():
        assert _offset(regions[name], 52.5, 0.0) == pytest.approx(
            (east * raft, north * raft), abs=0.001
        )


def test_an_image_whose_header_has_coordinates_is_in_its_detectors_region() -> None:
    # Exposure 204595 of DC2, simulated by imSim: ROTANGLE 195.62; CRVAL is near the middle of R11_S20.
    regions = _regions(Pointing(55.67759885870274, -30.4423935708909, 90 - 195.6245130779726))
    place = _at(55.90466389616512, -29.40910683348388)
    assert [name for name, region in regions.items() if region.contains(place)] == ["R11_S20"]
    assert regions["R11_S20"].getCentroid().dot(place) > math.cos(math.radians(15 / 3600))


@pytest.mark.parametrize("dec", [-90.0, -89.9, -60.0, 0.0, 89.5, 90.0])
@pytest.mark.parametrize("ra", [0.0, 0.1, 359.9, 180.0])
def test_opposite_rafts_are_on_opposite_sides_everywhere(ra: float, dec: float) -> None:
    regions = _regions(Pointing(ra, dec, 33.0))
    boresight = _at(ra, dec)
    assert regions["R22_S11"].contains(boresight)
    for one, other in (("R02_S11", "R42_S11"), ("R20_S11", "R24_S11"), ("R00_SG0", "R44_SG0")):
        first, second = (regions[name].getCentroid() for name in (one, other))
        both = [first.x() + second.x(), first.y() + second.y(), first.z() + second.z()]
        length = math.hypot(*both)
        halfway = sum(
            a * b for a, b in zip(both, (boresight.x(), boresight.y(), boresight.z()), strict=True)
        )
        assert halfway / length == pytest.approx(1, abs=1e-9)
        assert first.dot(second) < math.cos(math.radians(2.7))


def test_only_the_regions_of_neighbours_meet() -> None:
    regions = _regions(Pointing(10.0, -30.0, 45.0))
    middle = regions.pop("R22_S11")
    meeting = {name for name, region in regions.items() if not middle.isDisjointFrom(region)}
    assert meeting == {f"R22_S{row}{column}" for row in "012" for column in "012"} - {"R22_S11"}
    assert not any(region.contains(middle.getCentroid()) for region in regions.values())


def test_the_corner_rafts_sensors_lie_inward_of_their_rafts_middle() -> None:
    plane = _plane()
    for corner in ("R00", "R04", "R40", "R44"):
        middle = math.hypot(254, 254)
        for slot in ("SG0", "SG1", "SW0", "SW1"):
            assert math.hypot(*plane.centres_mm[f"{corner}_{slot}"]) < middle


def test_without_an_angle_a_detectors_region_holds_every_place_that_it_may_have() -> None:
    loose = _regions(Pointing(52.5, -27.9, None))
    for angle in (0.0, 77.0, 200.0):
        tight = _regions(Pointing(52.5, -27.9, angle))
        for name in ("R22_S11", "R01_S00", "R44_SW1"):
            assert loose[name].contains(tight[name])
    assert not loose["R22_S11"].contains(_at(52.5, -26.9))


def test_the_spectrographs_region_is_padded_by_a_detector() -> None:
    region = _regions(Pointing(223.8, -20.0, 98.6), "LATISS")["RXX_S00"]
    assert region.contains(_at(223.8, -20.0))
    assert region.contains(_at(223.8, -19.9))
    assert not region.contains(_at(223.8, -19.7))
