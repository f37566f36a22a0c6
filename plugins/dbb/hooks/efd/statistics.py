"""The statistics that are made of an exposure's samples.

Each is an expression of polars over the values of one group. A value that is no number does not count;
a statistic of no values is null, but for ``count``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

BY_SLICE = frozenset({"rms_from_polynomial_fit"})
"""What is no expression: it is worked out for each exposure's samples by itself."""


def expression(function: str, arguments: Mapping[str, Any], value: pl.Expr) -> pl.Expr:
    """Give the expression of a statistic.

    Parameters
    ----------
    function, arguments
        As the configuration names them.
    value
        The values: floats, null where there is none.
    """
    return _EXPRESSIONS[function](value, arguments)


def _of_any(value: pl.Expr, made: pl.Expr) -> pl.Expr:
    """Leave the statistic null where there is no value."""
    return pl.when(value.count() > 0).then(made)


def _deviation(value: pl.Expr, ddof: int) -> pl.Expr:
    return pl.when(value.count() > ddof).then(value.std(ddof=ddof))


def _angular_mean(value: pl.Expr, arguments: Mapping[str, Any]) -> pl.Expr:
    """Give the direction of the sum of unit vectors, from 0 up to the period."""
    period = float(arguments.get("period", 360.0))
    angle = value * (2.0 * math.pi / period)
    mean = pl.arctan2(angle.sin().mean(), angle.cos().mean()) * (period / (2.0 * math.pi))
    return ((mean % period) + period) % period


_EXPRESSIONS: Mapping[str, Callable[[pl.Expr, Mapping[str, Any]], pl.Expr]] = {
    "mean": lambda value, _: value.mean(),
    "stddev": lambda value, given: _deviation(value, int(given.get("ddof", 1))),
    "min": lambda value, _: value.min(),
    "max": lambda value, _: value.max(),
    "median": lambda value, _: value.median(),
    "sum": lambda value, _: _of_any(value, value.sum()),
    "count": lambda value, _: value.count(),
    "rms": lambda value, _: (value * value).mean().sqrt(),
    "first": lambda value, _: value.drop_nulls().first(),
    "last": lambda value, _: value.drop_nulls().last(),
    "most_recent_value": lambda value, _: value.drop_nulls().last(),
    "angular_mean": _angular_mean,
    "logical_and": lambda value, _: _of_any(value, (value != 0.0).all().cast(pl.Float64)),
    "logical_or": lambda value, _: _of_any(value, (value != 0.0).any().cast(pl.Float64)),
}


def polynomial_rms(times: Floats, values: Floats, degree: int, basis: str) -> float | None:
    """Fit a polynomial, and give the root of the mean square of what is left.

    Parameters
    ----------
    times, values
        Seconds, and the values at them; both of one exposure and without gaps.
    degree
        Of the polynomial.
    basis
        What it is a polynomial of: ``index`` of the sample, or ``time``.

    Returns
    -------
    float or None
        None when there are no more values than coefficients.
    """
    number = len(values)
    if number <= degree:
        return None
    if basis == "index":
        base = _index_basis(number, degree)
    else:
        span = times[-1] - times[0]
        if span <= 0.0:
            return None
        base = _basis(2.0 * (times - times[0]) / span - 1.0, degree)
    level = values - values.mean()
    residual = level - base @ (base.T @ level)
    return float(np.sqrt(np.mean(residual * residual)))


@lru_cache(maxsize=512)
def _index_basis(number: int, degree: int) -> Floats:
    return _basis(np.linspace(-1.0, 1.0, number), degree)


def _basis(places: Floats, degree: int) -> Floats:
    """Make an orthonormal basis of the polynomials at places within -1 and 1."""
    base, _ = np.linalg.qr(np.polynomial.legendre.legvander(places, degree))
    return np.asarray(base, dtype=np.float64)
