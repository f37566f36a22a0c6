"""The right answers about a synthetic night, computed slowly and apart from what they test.

No array library, no engine: Python's own exact sums over the points that were sent.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from dbb.model.efd import to_ns
from sandbox.synthetic_efd.night import Series


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what is true of a field in a span: without samples, everything but ``samples`` is None.

    Parameters
    ----------
    samples
        How many there are.
    mean, std, minimum, maximum
        Over the samples; ``std`` with n - 1, None for fewer than two.
    first, last
        Values at the first and last time.
    """

    samples: int
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    first: float | None = None
    last: float | None = None


def right_answer(
    series: Series, name: str, begin: dt.datetime, end: dt.datetime, sal_index: int | None = None
) -> Answer:
    """Answer for the samples from ``begin`` up to before ``end``, of one ``salIndex`` or of all."""
    lower, upper = to_ns(begin), to_ns(end)
    index = series.columns.get("salIndex")
    values = [
        float(value)
        for place, (time, value) in enumerate(
            zip(series.time_ns.tolist(), series.columns[name].tolist(), strict=True)
        )
        if lower <= time < upper
        and (sal_index is None or (index is not None and int(index[place]) == sal_index))
    ]
    if not values:
        return Answer(0)
    many = len(values)
    mean = math.fsum(values) / many
    spread = math.fsum((value - mean) ** 2 for value in values)
    std = math.sqrt(spread / (many - 1)) if many > 1 else None
    return Answer(many, mean, std, min(values), max(values), values[0], values[-1])
