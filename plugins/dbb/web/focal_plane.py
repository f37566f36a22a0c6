"""A picture of a camera's detectors: which lack images, which had images refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from dbb.model.instrument import Instrument
from dbb.web.markup import Html, join, table, tag

GAP_MM = 1.0


def focal_plane(
    instrument: Instrument, lacking: Mapping[str, int], refused: Mapping[str, int], title: str
) -> Html:
    """Draw the detectors where they stand, y upwards; the numbers stand in a table below.

    Nothing is drawn for a camera whose focal plane is not described, or of a single detector.
    """
    plane = instrument.focal_plane
    words = _table(lacking, refused)
    if plane is None or len(plane.centres_mm) < 2:
        return words
    side = plane.detector_mm
    xs, ys = zip(*plane.centres_mm.values(), strict=True)
    left, top = min(xs) - side, -max(ys) - side
    width, height = max(xs) - min(xs) + 2 * side, max(ys) - min(ys) + 2 * side
    squares = [
        _square(
            name, x, y, _side(instrument, name, side), lacking.get(name, 0), refused.get(name, 0)
        )
        for name, (x, y) in plane.centres_mm.items()
    ]
    bad = len(set(lacking) | set(refused))
    label = f"{title}: {len(squares) - bad} of {len(squares)} detectors are well"
    picture = tag(
        "svg",
        tag("title", label),
        *squares,
        viewBox=f"{left:g} {top:g} {width:g} {height:g}",
        role="img",
        class_="plane",
        aria_label=label,
    )
    caption = tag("figcaption", label, ". ", _legend())
    return join((tag("figure", picture, caption), words))


def _legend() -> Html:
    parts = [
        tag("span", "■ well", class_="sign good"),
        tag("span", "▲ an image was refused", class_="sign act"),
        tag("span", "◇ images are lacking", class_="sign wait"),
    ]
    return join(parts, ", ")


def _side(instrument: Instrument, name: str, side: float) -> float:
    """Give a detector's side; the halves of a wavefront sensor stand closer together."""
    purpose = instrument.by_name[name].purpose if name in instrument.by_name else ""
    return side / 2 if purpose == "WAVEFRONT" else side


@lru_cache(maxsize=4096)  # the same two hundred squares on each page, nearly always
def _square(name: str, x: float, y: float, side: float, lacking: int, refused: int) -> Html:
    kind = "act" if refused else "wait" if lacking else "good"
    told = [f"{lacking} lacking"] * bool(lacking) + [f"{refused} refused"] * bool(refused)
    size = side - GAP_MM
    square = tag(
        "rect",
        tag("title", f"{name}: {', '.join(told) or 'well'}"),
        x=f"{x - size / 2:g}",
        y=f"{-y - size / 2:g}",
        width=f"{size:g}",
        height=f"{size:g}",
    )
    mark = "▲" if refused else "◇" if lacking else ""
    sign = tag("text", mark, x=f"{x:g}", y=f"{-y:g}", dy="0.35em") if mark else Html("")
    return tag("g", square, sign, class_=kind)


def _table(lacking: Mapping[str, int], refused: Mapping[str, int]) -> Html:
    names = sorted(set(lacking) | set(refused))
    return table(
        "Detectors that lack images, or had images refused",
        ["detector", "lacking", "refused"],
        [[name, lacking.get(name, 0), refused.get(name, 0)] for name in names],
    )
