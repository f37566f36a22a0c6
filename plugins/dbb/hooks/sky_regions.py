"""Regions of the sky that policies name, and which exposures touch them.

A region document (``include/policies/regions/<name>.yaml``) has ``name``, ``title`` and exactly one of

- ``polygon``: vertices ``[ra_deg, dec_deg]`` of a spherical polygon whose edges are great circles. It
  need not be convex, and may hold RA 0 or a pole; its inside is the smaller side;
- ``circle``: ``{ra_deg, dec_deg, radius_deg}``;
- ``moc``: a multi-order coverage map in the IVOA's JSON form, ``{"5": [1, 2], "6": [100]}``: HEALPix
  order and nested pixels;
- ``union``: a list of any of these.

An exposure touches a region if one of its detectors does. Whoever is on the border is in: where the
geometry is not exact, the answer errs on that side.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lsst.sphgeom import (
    Circle,
    ConvexPolygon,
    HealpixPixelization,
    LonLat,
    RangeSet,
    Region,
    UnitVector3d,
    Vector3d,
)

from dbb.documents import read_document
from dbb.errors import PolicyUnreadable
from dbb.hooks.butler_visits import find_pointing
from dbb.hooks.visit_regions import detector_corners, polygon
from dbb.model.exposure import ExposureFacts
from dbb.model.instrument import Instrument

FINE_ORDER = 10
"""HEALPix order at which detectors are compared with a map. Its pixels are 3.4 arcmin wide: an exposure
that misses a map by less may be taken in. Finer ones cost more than they save."""

COARSE_ORDER = 6
"""HEALPix order of the first, quick comparison: pixels of a degree."""

_MAX_ORDER = 29


class SkyRegions:
    """Know the regions of a folder, read when they are first needed.

    Parameters
    ----------
    folder
        Where the documents are.
    instruments
        By Butler name; their focal planes say where the detectors look.
    """

    def __init__(self, folder: Path, instruments: Mapping[str, Instrument]) -> None:
        self._folder = folder
        self._instruments = instruments

    @cached_property
    def regions(self) -> dict[str, SkyRegion]:
        """Read all regions, by name.

        Raises
        ------
        PolicyUnreadable
            If a document is not what it should be.
        """
        return {path.stem: load_region(path) for path in sorted(self._folder.glob("*.yaml"))}

    @cached_property
    def version(self) -> str:
        """Give the identity of the documents and of the focal planes."""
        known = hashlib.sha256()
        for path in sorted(self._folder.glob("*.yaml")):
            known.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        for name, instrument in sorted(self._instruments.items()):
            known.update(f"{name}\0{instrument.focal_plane}\0{FINE_ORDER}\0".encode())
        return known.hexdigest()

    def regions_touched(self, facts: ExposureFacts) -> frozenset[str] | None:
        """Name the regions that an exposure's detectors touch; None if it sees no sky."""
        detectors = footprint(facts, self._instruments[facts.instrument])
        if detectors is None:
            return None
        bound = detectors[0].getBoundingCircle()
        for detector in detectors[1:]:
            bound.expandTo(detector.getBoundingCircle())
        return frozenset(
            name
            for name, region in self.regions.items()
            if region.may_touch(bound) and region.touches_any(detectors)
        )


def footprint(facts: ExposureFacts, instrument: Instrument) -> list[ConvexPolygon] | None:
    """Draw an exposure's detectors on the sky; None if it does not look there."""
    pointing = find_pointing(facts)
    if pointing is None or instrument.focal_plane is None:
        return None
    corners = detector_corners(instrument.focal_plane, pointing)
    return [polygon(places) for places in corners.values()]


@dataclass(frozen=True)
class SkyRegion:
    """Hold one region: convex pieces, and pixels of a map.

    Parameters
    ----------
    pieces
        Convex polygons and circles.
    pixels
        Ranges of nested HEALPix pixels of order ``FINE_ORDER``; None where there is no map.
    """

    pieces: tuple[ConvexPolygon | Circle, ...]
    pixels: RangeSet | None = None

    @cached_property
    def _bounds(self) -> list[Circle]:
        return [piece.getBoundingCircle() for piece in self.pieces]

    def may_touch(self, bound: Circle) -> bool:
        """Say whether anything inside a circle can touch the region."""
        near = any(not bound.isDisjointFrom(circle) for circle in self._bounds)
        return near or self._is_near_map(bound)

    def _is_near_map(self, shape: Region) -> bool:
        return self._coarse is not None and self._coarse.intersects(_COARSE_GRID.envelope(shape))

    @cached_property
    def _coarse(self) -> RangeSet | None:
        """Give the map in larger pixels: a quick answer for a whole exposure."""
        if self.pixels is None:
            return None
        size = 4 ** (FINE_ORDER - COARSE_ORDER)
        coarse = RangeSet()
        for first, end in self.pixels:
            coarse.insert(first // size, (end - 1) // size + 1)
        return coarse

    def touches_any(self, detectors: Sequence[ConvexPolygon]) -> bool:
        """Say whether one of the detectors touches the region.

        The map is asked for their middles first: where one lies in it, no border needs to be looked at.
        """
        if self.pixels is not None and any(
            self.pixels.contains(_GRID.index(each.getCentroid())) for each in detectors
        ):
            return True
        return any(self.touches(each) for each in detectors)

    def touches(self, detector: ConvexPolygon) -> bool:
        """Say whether a convex polygon and the region have a point in common."""
        pairs = zip(self.pieces, self._bounds, strict=True)
        bound = detector.getBoundingCircle()
        if any(
            not bound.isDisjointFrom(circle) and _meet(detector, piece) for piece, circle in pairs
        ):
            return True
        return self._meets_map(detector)

    def _meets_map(self, shape: Region) -> bool:
        # The envelope has every pixel that the shape touches, and a few beside it.
        # In large pixels first, which costs a twentieth.
        return (
            self.pixels is not None
            and self._is_near_map(shape)
            and self.pixels.intersects(_GRID.envelope(shape))
        )


_GRID = HealpixPixelization(FINE_ORDER)
_COARSE_GRID = HealpixPixelization(COARSE_ORDER)


def _meet(detector: ConvexPolygon, piece: ConvexPolygon | Circle) -> bool:
    if isinstance(piece, Circle):
        reach: float = piece.getOpeningAngle().asRadians()
        return _distance_rad(detector, piece.getCenter()) <= reach
    return not _are_separated(detector, piece)


def _are_separated(one: ConvexPolygon, other: ConvexPolygon) -> bool:
    """Say whether two convex polygons have no point in common.

    If they have one, a corner of one lies in the other or two of their edges cross.
    """
    first, second = one.getVertices(), other.getVertices()
    return not (
        any(other.contains(corner) for corner in first)
        or any(one.contains(corner) for corner in second)
        or any(_cross(*edge, *another) for edge in _edges(first) for another in _edges(second))
    )


_TOUCH = 1e-12
"""Radians: 0.2 microarcseconds. What is nearer than that touches."""


def _edges(ring: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(ring, [*ring[1:], ring[0]], strict=True)


def _distance_rad(shape: ConvexPolygon, point: UnitVector3d) -> float:
    """Measure from a point to the nearest place of a convex polygon, in radians."""
    if shape.contains(point):
        return 0.0
    return min(_to_edge_rad(point, a, b) for a, b in _edges(shape.getVertices()))


def _to_edge_rad(point: UnitVector3d, a: UnitVector3d, b: UnitVector3d) -> float:
    normal = UnitVector3d(a.cross(b))
    foot = normal.cross(point).cross(normal)
    inside = a.cross(foot).dot(normal) >= 0 and foot.cross(b).dot(normal) >= 0
    if inside:
        return abs(math.asin(max(-1.0, min(1.0, normal.dot(point)))))
    return min(math.acos(max(-1.0, min(1.0, point.dot(end)))) for end in (a, b))


# -- documents -------------------------------------------------------------------------------------


def load_region(path: Path) -> SkyRegion:
    """Read a region's document.

    Raises
    ------
    PolicyUnreadable
        If it is not what it should be.
    """
    document = read_document(path)
    where = f"regions/{path.name}"
    if document.pop("name", None) != path.stem or not isinstance(document.pop("title", None), str):
        raise PolicyUnreadable.for_file(where, "name is not the file's, or there is no title")
    pieces, pixels = _shape(document, where)
    return SkyRegion(tuple(pieces), pixels)


def _shape(document: Any, where: str) -> tuple[list[ConvexPolygon | Circle], RangeSet | None]:
    if not isinstance(document, dict) or len(document) != 1:
        raise PolicyUnreadable.for_file(
            where, "it is not exactly one of polygon, circle, moc, union"
        )
    kind, value = next(iter(document.items()))
    if kind == "polygon":
        return _polygon(value, where), None
    if kind == "circle":
        return [_circle(value, where)], None
    if kind == "moc":
        return [], _moc(value, where)
    if kind == "union" and isinstance(value, list) and value:
        found = [_shape(item, where) for item in value]
        maps = [pixels for _, pixels in found if pixels is not None]
        together = functools.reduce(operator.or_, maps) if maps else None
        return list(itertools.chain.from_iterable(pieces for pieces, _ in found)), together
    raise PolicyUnreadable.for_file(where, f"{kind!r} is none of polygon, circle, moc, union")


def _number(value: Any, low: float, high: float, where: str, name: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # nan is in no interval
        raise PolicyUnreadable.for_file(where, f"{name} is {value!r}, not in [{low}, {high}]")
    return float(value)


def _place(ra: Any, dec: Any, where: str) -> UnitVector3d:
    ra_deg = _number(ra, 0.0, 360.0, where, "ra_deg")
    dec_deg = _number(dec, -90.0, 90.0, where, "dec_deg")
    return UnitVector3d(LonLat.fromDegrees(ra_deg % 360.0, dec_deg))


def _circle(value: Any, where: str) -> Circle:
    if not isinstance(value, dict) or set(value) != {"ra_deg", "dec_deg", "radius_deg"}:
        raise PolicyUnreadable.for_file(where, "a circle is {ra_deg, dec_deg, radius_deg}")
    radius_deg = _number(value["radius_deg"], 1e-6, 90.0, where, "radius_deg")
    half_chord = 2 * math.sin(math.radians(radius_deg) / 2)
    return Circle(_place(value["ra_deg"], value["dec_deg"], where), half_chord**2)


def _moc(value: Any, where: str) -> RangeSet:
    if not isinstance(value, dict) or not value:
        raise PolicyUnreadable.for_file(where, "a moc is {order: [pixels]}")
    ranges = RangeSet()
    for key, pixels in value.items():
        if not str(key).isdecimal() or int(key) > _MAX_ORDER or not isinstance(pixels, list):
            raise PolicyUnreadable.for_file(where, f"moc: order {key!r} is none, or has no list")
        order = int(key)
        for pixel in pixels:
            number = int(
                _number(pixel, 0, 12 * 4**order - 1, where, f"moc: pixel of order {order}")
            )
            if number != pixel:
                raise PolicyUnreadable.for_file(where, f"moc: pixel {pixel!r} is no whole number")
            if order <= FINE_ORDER:
                size = 4 ** (FINE_ORDER - order)
                ranges.insert(number * size, (number + 1) * size)
            else:  # a part of a fine pixel counts as the whole
                fine = number // 4 ** (order - FINE_ORDER)
                ranges.insert(fine, fine + 1)
    return ranges


def _polygon(value: Any, where: str) -> list[ConvexPolygon | Circle]:
    if not isinstance(value, list) or len(value) < 3:
        raise PolicyUnreadable.for_file(where, "a polygon has three vertices or more")
    for vertex in value:
        if not isinstance(vertex, list) or len(vertex) != 2:
            raise PolicyUnreadable.for_file(where, f"vertex {vertex!r} is not [ra_deg, dec_deg]")
    ring = [_place(ra, dec, where) for ra, dec in value]
    if any(a.dot(b) > 1 - 1e-15 for a, b in itertools.combinations(ring, 2)):
        raise PolicyUnreadable.for_file(where, "two vertices of the polygon are one place")
    if _crosses_itself(ring):
        raise PolicyUnreadable.for_file(where, "the polygon crosses itself")
    return list(_convex_pieces(ring, where))


def _crosses_itself(ring: Sequence[UnitVector3d]) -> bool:
    edges = list(_edges(ring))
    return any(
        _cross(*edges[i], *edges[j])
        for i, j in itertools.combinations(range(len(edges)), 2)
        if j - i > 1 and (i, j) != (0, len(edges) - 1)
    )


def _cross(a: UnitVector3d, b: UnitVector3d, c: UnitVector3d, d: UnitVector3d) -> bool:
    """Say whether two great-circle arcs, each shorter than a half circle, cross inside both."""
    one, other = a.cross(b), c.cross(d)
    if one.dot(c) * one.dot(d) >= 0 or other.dot(a) * other.dot(b) >= 0:
        return False
    meeting = one.cross(other)  # here, or on the other side of the sky
    return bool(_middle(a, b, meeting) * _middle(c, d, meeting) > 0)


def _middle(a: UnitVector3d, b: UnitVector3d, meeting: Vector3d) -> float:
    return float(sum((a[i] + b[i]) * meeting[i] for i in range(3)))


def _convex_pieces(ring: list[UnitVector3d], where: str) -> Iterable[ConvexPolygon]:
    """Cut a polygon into triangles, ear by ear; a convex one stays whole."""
    ring = list(ring)
    if _turns(ring) < 0:
        ring.reverse()
    if all(_is_left(ring, i) for i in range(len(ring))) and _fits_hemisphere(ring):
        yield ConvexPolygon(ring)
        return
    while len(ring) > 3:
        ear = next((i for i in range(len(ring)) if _is_ear(ring, i)), None)
        if ear is None:
            raise PolicyUnreadable.for_file(where, "the polygon cannot be cut into triangles")
        yield ConvexPolygon([ring[ear - 1], ring[ear], ring[(ear + 1) % len(ring)]])
        del ring[ear]
    yield ConvexPolygon(ring)


def _turns(ring: Sequence[UnitVector3d]) -> float:
    """Tell in which direction a ring runs around its middle: positive is counter-clockwise."""
    total = [sum(a.cross(b)[i] for a, b in _edges(ring)) for i in range(3)]
    middle = [sum(v[i] for v in ring) for i in range(3)]
    return float(sum(t * m for t, m in zip(total, middle, strict=True)))


def _fits_hemisphere(ring: Sequence[UnitVector3d]) -> bool:
    return all(a.cross(b).dot(c) >= -_TOUCH for a, b in _edges(ring) for c in ring)


def _is_left(ring: Sequence[UnitVector3d], i: int) -> bool:
    return bool(ring[i - 1].cross(ring[i]).dot(ring[(i + 1) % len(ring)]) > 0)


def _is_ear(ring: Sequence[UnitVector3d], i: int) -> bool:
    if not _is_left(ring, i):
        return False
    corners = (ring[i - 1], ring[i], ring[(i + 1) % len(ring)])
    others = [
        v for j, v in enumerate(ring) if j not in {(i - 1) % len(ring), i, (i + 1) % len(ring)}
    ]
    return not any(all(a.cross(b).dot(v) >= -_TOUCH for a, b in _edges(corners)) for v in others)
