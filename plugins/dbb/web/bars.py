"""Bars: a share of something, drawn; the number stands beside it in words."""

from __future__ import annotations

from collections.abc import Sequence

from dbb.web.markup import Html, tag

WIDTH = 240
HEIGHT = 14


def bar(parts: Sequence[tuple[float, str]], title: str) -> Html:
    """Draw parts of a whole of 1, end to end; ``kind`` of each is its colour. More than the whole is cut.

    Parameters
    ----------
    parts
        The share and the kind of each part.
    title
        What it shows, in words.
    """
    left, drawn = 0.0, []
    for share, kind in parts:
        width = min(max(share, 0.0), 1.0 - left) * WIDTH
        drawn.append(
            tag("rect", x=f"{left * WIDTH:.1f}", y="0", width=f"{width:.1f}", height=str(HEIGHT),
                class_=kind)
        )  # fmt: skip
        left = min(1.0, left + max(share, 0.0))
    frame = tag("rect", x="0", y="0", width=str(WIDTH), height=str(HEIGHT), class_="frame")
    return tag(
        "svg", tag("title", title), frame, *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img",
        class_="bar", aria_label=title,
    )  # fmt: skip
