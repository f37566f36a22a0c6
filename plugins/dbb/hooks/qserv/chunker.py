"""Qserv's chunks, for arrays of positions: the same chunk to the last unit as its own partitioner.

The sky is cut into stripes of equal height, each into chunks that are at least as wide as high; a
stripe into sub-stripes, whose sub-chunks are at least as wide as high again. Source: Qserv's
documentation, *Partitioning the data*, and the behaviour of its ``sph-partition``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dbb.model.qserv import Layout

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_POLE_DEG = 90.0 - 1 / 3600
"""Nearer to a pole than an arcsecond, a circle of latitude is not cut."""
_MAS_DEG = 1 / 3_600_000


class Located(NamedTuple):
    """Say where each row belongs: arrays as long as the positions."""

    chunk: Ints
    sub_chunk: Ints


class Copies(NamedTuple):
    """Name the copies in overlaps: of which row, and where it goes."""

    row: Ints
    chunk: Ints
    sub_chunk: Ints


def _segments(low: float, high: float, width: float) -> int:
    """Count the segments of a ring of latitude whose ends are nowhere nearer than ``width`` (deg)."""
    latitude = max(abs(low), abs(high))
    if latitude > _POLE_DEG or width >= 180.0:
        return 1
    latitude = math.radians(latitude)
    sine, cosine = math.sin(latitude), math.cos(latitude)
    x = math.cos(math.radians(width)) - sine * sine
    y = math.sqrt(abs(cosine**2 * cosine**2 - x * x))
    return math.floor(360.0 / abs(math.degrees(math.atan2(y, x))))


def _reach(radius: float, latitude: float) -> float:
    """Give the longitude by which a circle around a point reaches furthest (deg)."""
    if radius == 0.0:
        return 0.0
    if abs(latitude) + radius > _POLE_DEG:
        return 180.0
    radius, latitude = math.radians(radius), math.radians(latitude)
    x = math.sqrt(abs(math.cos(latitude - radius) * math.cos(latitude + radius)))
    return math.degrees(abs(math.atan(math.sin(radius) / x)))


class Chunker:
    """Find the chunks of positions.

    Parameters
    ----------
    layout
        Stripes, sub-stripes, overlap.

    Raises
    ------
    ValueError
        If the overlap is larger than a sub-chunk.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._overlap = layout.overlap
        if min(layout.stripes, layout.sub_stripes) < 1:
            raise ValueError(layout)
        self._height = 180.0 / (layout.stripes * layout.sub_stripes)
        if not 0 <= self._overlap <= self._height:
            raise ValueError(layout)
        chunks, sub_chunks, widths, reaches = [], [], [], []
        for stripe in range(layout.stripes):
            height = 180.0 / layout.stripes
            in_stripe = _segments(stripe * height - 90.0, (stripe + 1) * height - 90.0, height)
            chunks.append(in_stripe)
            for each in range(stripe * layout.sub_stripes, (stripe + 1) * layout.sub_stripes):
                low, high = each * self._height - 90.0, (each + 1) * self._height - 90.0
                sub_chunks.append(_segments(low, high, self._height) // in_stripe)
                widths.append(360.0 / (sub_chunks[-1] * in_stripe))
                reaches.append(_reach(self._overlap, max(abs(low), abs(high))))
                if reaches[-1] > widths[-1]:
                    raise ValueError(layout)
        self._chunks = np.array(chunks, dtype=np.int64)
        self._sub_chunks = np.array(sub_chunks, dtype=np.int64)
        self._widths = np.array(widths)
        self._reaches = np.array(reaches)
        self._most = max(sub_chunks)
        self._in_ring = np.repeat(self._chunks, layout.sub_stripes) * self._sub_chunks

    def locate(self, ra: Floats, dec: Floats) -> Located:
        """Find the chunk and sub-chunk of each position.

        Parameters
        ----------
        ra, dec
            Degrees; finite, 0 ≤ ra < 360, -90 ≤ dec ≤ 90: whoever calls has looked.
        """
        ring, place = self._places(ra, dec)
        return self._named(ring, place)

    def overlaps(self, ra: Floats, dec: Floats) -> Copies:
        """Find every sub-chunk, not its own, that has a position in its overlap."""
        if self._overlap == 0.0:
            nothing = np.empty(0, dtype=np.int64)
            return Copies(nothing, nothing, nothing)
        ring, place = self._places(ra, dec)
        last = len(self._widths) - 1
        low = np.clip(ring * self._height - 90.0, -90.0, 90.0)
        high = np.clip((ring + 1) * self._height - 90.0, -90.0, 90.0)
        found = [
            self._in_neighbour(
                ra, ring, np.flatnonzero((ring > 0) & (dec < low + self._overlap)), -1
            ),
            self._in_neighbour(
                ra, ring, np.flatnonzero((ring < last) & (dec >= high - self._overlap)), 1
            ),
            *self._beside(ra, ring, place),
        ]
        rows, rings, places = (np.concatenate(part) for part in zip(*found, strict=True))
        return Copies(rows, *self._named(rings, places))

    def _places(self, ra: Floats, dec: Floats) -> tuple[Ints, Ints]:
        """Give each position's sub-stripe, and its sub-chunk counted around the whole ring."""
        ring = np.minimum(
            np.floor((dec + 90.0) / self._height).astype(np.int64), len(self._widths) - 1
        )
        place = np.floor(ra / self._widths[ring]).astype(np.int64)
        return ring, np.minimum(place, self._in_ring[ring] - 1)

    def _named(self, ring: Ints, place: Ints) -> Located:
        """Turn sub-stripe and place into Qserv's two numbers."""
        stripe = ring // self.layout.sub_stripes
        in_chunk = self._sub_chunks[ring]
        chunk = place // in_chunk
        return Located(
            2 * self.layout.stripes * stripe + chunk,
            (ring - stripe * self.layout.sub_stripes) * self._most + place - chunk * in_chunk,
        )

    def _in_neighbour(
        self, ra: Floats, ring: Ints, rows: Ints, step: int
    ) -> tuple[Ints, Ints, Ints]:
        """Find the sub-chunks of the ring above or below whose overlap has these rows."""
        rings, lon = ring[rows] + step, ra[rows]
        width, reach, around = self._widths[rings], self._reaches[rings], self._in_ring[rings]
        first = np.floor((lon - reach) / width).astype(np.int64)
        last = np.floor((lon + reach) / width).astype(np.int64)
        first = np.where(first < 0, first + around, first)
        last = np.where(last >= around, last - around, last)
        counts = np.where(first > last, around - first + last + 1, last - first + 1)
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        steps = np.arange(counts.sum()) - starts
        places = (np.repeat(first, counts) + steps) % np.repeat(around, counts)
        return np.repeat(rows, counts), np.repeat(rings, counts), places

    def _beside(
        self, ra: Floats, ring: Ints, place: Ints
    ) -> tuple[tuple[Ints, Ints, Ints], tuple[Ints, Ints, Ints]]:
        """Find the sub-chunks to the left and right whose overlap has a row."""
        width, reach, around = self._widths[ring], self._reaches[ring], self._in_ring[ring]
        right = (place + 1) * width
        right = np.where(right > 360.0 - _MAS_DEG, 360.0, right)
        is_left = (around > 1) & (ra < place * width + reach)
        is_right = (around > 1) & (ra > right - reach)
        left_rows, right_rows = np.flatnonzero(is_left), np.flatnonzero(is_right)
        return (
            (left_rows, ring[left_rows], (place[left_rows] - 1) % around[left_rows]),
            (right_rows, ring[right_rows], (place[right_rows] + 1) % around[right_rows]),
        )
