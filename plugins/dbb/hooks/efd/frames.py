"""Samples as columns of numbers: one frame for a topic, sorted by time, ready to be cut by exposure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from dbb.errors import EfdSchemaChanged
from dbb.model.day_obs import TAI_MINUS_UTC

Whole = npt.NDArray[np.int64]

REFERENCE = "cRIO_timestamp"
"""When the first sample of a packed message was taken: seconds, TAI."""
NOMINAL_S = 1.0
"""How long a packed message lasts if it has no neighbour to tell."""


def make_frame(table: pa.Table, subset_fields: set[str], topic: str) -> tuple[pl.DataFrame, int]:
    """Make a frame of samples.

    Parameters
    ----------
    table
        A column ``time`` and the fields.
    subset_fields
        Fields that choose samples; they may be text.
    topic
        For the error.

    Returns
    -------
    DataFrame
        ``time`` in ns since 1970 (UTC), sorted; fields as floats, null where they are not finite.
    int
        How often time went back in what came.

    Raises
    ------
    EfdSchemaChanged
        If a field is no number: the topic was changed.
    """
    columns: dict[str, pa.ChunkedArray] = {"time": table["time"].cast(pa.int64())}
    for name in table.column_names:
        if name == "time":
            continue
        kind = table[name].type
        number = (
            pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        )
        if not number and not pa.types.is_null(kind) and name not in subset_fields:
            raise EfdSchemaChanged.for_topic(topic, f"{name} is {kind}, no number")
        is_value = number and not (name in subset_fields and not pa.types.is_floating(kind))
        columns[name] = pc.cast(table[name], pa.float64()) if is_value else table[name]
    frame = pl.DataFrame(pa.table(columns))
    times = frame["time"].to_numpy()
    back = int(np.count_nonzero(np.diff(times) < 0))
    if back:
        frame = frame.sort("time", maintain_order=True)
    floats = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats]
    return frame.with_columns(finite), back


def choose(frame: pl.DataFrame, field: str | None, values: tuple[str | int, ...]) -> pl.DataFrame:
    """Keep the samples of which a field has one of the values."""
    if field is None:
        return frame
    kind = frame.schema[field]
    if kind == pl.String:
        return frame.filter(pl.col(field).is_in([str(value) for value in values]))
    return frame.filter(pl.col(field).cast(pl.Float64).is_in([float(value) for value in values]))


def unpack(frame: pl.DataFrame, field: str, length: int) -> pl.DataFrame:
    """Make single samples of packed messages.

    A message's samples are evenly spaced until the next one begins. Before a gap, where the next is far,
    the spacing is that of the message before; so it never depends on what else was read.
    """
    packed = frame.drop_nulls(REFERENCE).sort(REFERENCE, maintain_order=True)
    reference_us = np.rint(packed[REFERENCE].to_numpy() * 1e6).astype(np.int64)
    begin = (reference_us - round(TAI_MINUS_UTC.total_seconds() * 1e6)) * 1000
    lasts = _lasts(begin)
    times = begin[:, None] + (lasts[:, None] * np.arange(length)) // length
    values = packed.select(f"{field}{number}" for number in range(length)).to_numpy()
    unpacked = pl.DataFrame(
        {"time": times.ravel(), field: values.ravel()},
        schema={"time": pl.Int64, field: pl.Float64},
        nan_to_null=True,
    )
    return unpacked.sort("time", maintain_order=True)


def _lasts(begin: Whole) -> Whole:
    """Say how long each message lasts: until the next, or as long as the one before if that is less."""
    far = np.iinfo(np.int64).max
    step = np.diff(begin)
    step = np.where(step > 0, step, far)
    after = np.append(step, far)
    before = np.insert(step, 0, far)
    lasts = np.minimum(after, before)
    return np.where(lasts == far, round(NOMINAL_S * 1e9), lasts).astype(np.int64)
