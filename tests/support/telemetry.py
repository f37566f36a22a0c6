"""Telemetry in memory, and the plain way to work out a statistic of it."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa

from dbb.hooks.efd.config import Column, TransformConfig
from dbb.hooks.efd.samples import TIME
from dbb.model.efd_values import ExposureWindow

NOON = dt.datetime(2026, 11, 22, 1, tzinfo=dt.UTC)
"""An hour within the night 20261121."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def to_ns(time):
    return (time - EPOCH) // dt.timedelta(microseconds=1) * 1000


class MemorySamples:
    """Samples of Arrow tables, by topic; counts how often it was asked."""

    def __init__(self, tables):
        self.tables = dict(tables)
        self.asked = []

    def samples(self, topic, columns, begin, end):
        self.asked.append((topic, tuple(columns), begin, end))
        table = self.tables[topic].select(["time", *columns])
        times = table["time"].cast(pa.int64()).to_numpy()
        return table.filter(pa.array((times >= to_ns(begin)) & (times < to_ns(end))))


def table_of(offsets_s, **fields):
    """Make a table of samples, so many seconds after NOON."""
    base = to_ns(NOON)
    times = pa.array([base + round(each * 1e9) for each in offsets_s], type=pa.int64())
    return pa.table({"time": times.cast(TIME), **{n: pa.array(v) for n, v in fields.items()}})


def window(seq_num, begin_s, end_s, day_obs=20261121):
    """Make an exposure that lasts from so many seconds after NOON, in UTC."""
    begin, end = (NOON + dt.timedelta(seconds=each) for each in (begin_s, end_s))
    return ExposureWindow(day_obs * 100000 + seq_num, day_obs, seq_num, begin, end)


def column(name="c", function="mean", topic="lsst.sal.T", fields=("x",), **more):
    given = {
        "name": name,
        "function": function,
        "datatype": "float",
        "description": "a column",
        "packed_series": False,
        "topics": [{"name": topic, "fields": [{"name": each} for each in fields]}],
        **more,
    }
    return Column.model_validate(given)


def config_of(*columns, instrument="LATISS", sha256="c" * 64):
    return TransformConfig(instrument, "1.0.0", list(columns), sha256=sha256, file="test.yaml")


def naive(function, values, arguments=None):  # noqa: PLR0911 - one branch a statistic
    """Work out a statistic of one exposure's values, one after the other, in numpy."""
    arguments = arguments or {}
    x = np.array([v for v in values if v is not None and math.isfinite(v)], dtype=np.float64)
    if function == "count":
        return float(len(x))
    if not len(x):
        return None
    if function == "stddev":
        ddof = arguments.get("ddof", 1)
        return None if len(x) <= ddof else float(np.std(x, ddof=ddof))
    if function == "rms_from_polynomial_fit":
        degree = arguments["degree"]
        if len(x) <= degree:
            return None
        i = np.arange(len(x))
        fit = np.polynomial.Polynomial.fit(i, x, degree)
        return float(np.sqrt(np.mean((x - fit(i)) ** 2)))
    if function == "angular_mean":
        turn = 2 * math.pi / arguments.get("period", 360.0)
        sine, cosine = float(np.mean(np.sin(x * turn))), float(np.mean(np.cos(x * turn)))
        return math.atan2(sine, cosine) / turn % arguments.get("period", 360.0)
    simple = {
        "mean": np.mean,
        "min": np.min,
        "max": np.max,
        "median": np.median,
        "sum": np.sum,
        "rms": lambda v: np.sqrt(np.mean(v * v)),
        "first": lambda v: v[0],
        "last": lambda v: v[-1],
        "most_recent_value": lambda v: v[-1],
        "logical_and": lambda v: np.all(v != 0),
        "logical_or": lambda v: np.any(v != 0),
    }
    return float(simple[function](x))
