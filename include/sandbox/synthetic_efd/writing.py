"""Writing a synthetic night into an InfluxDB 1.x, in its line protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import requests
from numpy.typing import NDArray

from sandbox.synthetic_efd.night import EfdNight, Series

VALUES_AT_ONCE = 200_000
TIMEOUT_S = 120


def make_database(url: str, name: str) -> None:
    """Make a database; one that is there stays."""
    requests.post(
        f"{url}/query", data={"q": f'CREATE DATABASE "{name}"'}, timeout=TIMEOUT_S
    ).raise_for_status()


def write_night(
    night: EfdNight, url: str, database: str, tell: Callable[[str, int], None] | None = None
) -> int:
    """Write every topic of a night; give the number of points."""
    points = 0
    for series in night.series():
        for lines in to_lines(series):
            write_lines(url, database, lines)
        points += len(series.time_ns)
        if tell is not None:
            tell(series.topic, len(series.time_ns))
    return points


def write_lines(url: str, database: str, lines: str) -> None:
    """Write lines; times are nanoseconds. What the server refuses is an error."""
    answer = requests.post(
        f"{url}/write",
        params={"db": database, "precision": "ns"},
        data=lines.encode(),
        timeout=TIMEOUT_S,
    )
    if answer.status_code != requests.codes.no_content:
        message = f"{answer.status_code} {answer.text[:300]}"
        raise ValueError(message)


def to_lines(series: Series) -> Iterator[str]:
    """Give a series in the line protocol, in pieces."""
    step = max(1, VALUES_AT_ONCE // len(series.columns))
    names = list(series.columns)
    for start in range(0, len(series.time_ns), step):
        piece = slice(start, start + step)
        texts = [_texts(name, series.columns[name][piece]) for name in names]
        times = series.time_ns[piece].tolist()
        yield "\n".join(
            f"{series.topic} {','.join(row)} {time}"
            for *row, time in zip(*texts, times, strict=True)
        )


def _texts(name: str, values: NDArray[np.generic]) -> list[str]:
    if values.dtype.kind == "f":
        return [f"{name}={value!r}" for value in values.tolist()]
    if values.dtype.kind == "i":
        return [f"{name}={value}i" for value in values.tolist()]
    if values.dtype.kind == "b":
        return [f"{name}={str(value).lower()}" for value in values.tolist()]
    return [f'{name}="{value}"' for value in values.tolist()]
