"""Where on the sky an exposure's detectors look: crude polygons, for searching.

They are no astrometry. A detector is a square in the focal plane, its place nominal; distortion and
differential refraction are left out, and the boresight and angle are those of the header. The padding
of the instrument's description is there to cover all that.

``sky_angle`` is Rubin's: the position angle of the focal plane's +y axis, from north through east; at 0
+y looks north and +x west. (The spectrograph's +x looks east; its one detector is in the middle and its
padding large, so that is left out.) The projection is gnomonic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsst.sphgeom import ConvexPolygon, UnitVector3d, Vector3d

from dbb.model.instrument import FocalPlane

_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))
_SIDES = 8
"""Of the polygon around a circle."""

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Pointing:
    """Say where the telescope looks, in degrees; the angle is None where nobody knows it."""

    ra_deg: float
    dec_deg: float
    sky_angle_deg: float | None


def detector_corners(plane: FocalPlane, pointing: Pointing) -> dict[str, list[UnitVector3d]]:
    """Give the corners of a polygon around each detector, by full name.

    Without a sky angle a detector may be anywhere on a circle around the boresight: its polygon then
    holds all of the disc inside.
    """
    sky = _Tangent.at(pointing)
    half = plane.detector_mm / 2 + plane.padding_mm
    scale = math.radians(plane.arcsec_per_mm / 3600)
    found: dict[str, list[UnitVector3d]] = {}
    for name, (x, y) in plane.centres_mm.items():
        if pointing.sky_angle_deg is None:
            places = _around(math.hypot(x, y) + math.sqrt(2) * half)
        else:
            places = ((x + half * right, y + half * up) for right, up in _CORNERS)
        found[name] = [sky.project(scale * x, scale * y) for x, y in places]
    return found


def polygon(corners: Sequence[UnitVector3d]) -> ConvexPolygon:
    """Draw the smallest convex polygon around some places."""
    return ConvexPolygon.convexHull(list(corners))


def _around(radius: float) -> Iterator[tuple[float, float]]:
    outside = radius / math.cos(math.pi / _SIDES)
    for number in range(_SIDES):
        angle = 2 * math.pi * number / _SIDES
        yield outside * math.cos(angle), outside * math.sin(angle)


@dataclass(frozen=True, slots=True)
class _Tangent:
    """Hold the plane that touches the sky at the boresight: its middle, and where x and y look."""

    middle: Vector
    x: Vector
    y: Vector

    @classmethod
    def at(cls, pointing: Pointing) -> _Tangent:
        ra, dec = math.radians(pointing.ra_deg), math.radians(pointing.dec_deg)
        angle = math.radians(pointing.sky_angle_deg or 0.0)
        east = (-math.sin(ra), math.cos(ra), 0.0)
        north = (-math.sin(dec) * math.cos(ra), -math.sin(dec) * math.sin(ra), math.cos(dec))
        sine, cosine = math.sin(angle), math.cos(angle)
        return cls(
            middle=(math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)),
            x=_add(-cosine, east, sine, north),
            y=_add(sine, east, cosine, north),
        )

    def project(self, x: float, y: float) -> UnitVector3d:
        (a, b, c), (d, e, f), (g, h, i) = self.middle, self.x, self.y
        return UnitVector3d(Vector3d(a + x * d + y * g, b + x * e + y * h, c + x * f + y * i))


def _add(one: float, first: Vector, other: float, second: Vector) -> Vector:
    (a, b, c), (d, e, f) = first, second
    return one * a + other * d, one * b + other * e, one * c + other * f
