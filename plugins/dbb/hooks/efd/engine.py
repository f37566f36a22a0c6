"""Make rows of telemetry: every topic is read once for many exposures, and cut by their windows.

A sample belongs to an exposure when it lies between its begin and its end, both included. An exposure
is worked out of its whole window, whatever interval it was asked for in: nothing is half there.

The configuration's ``pre_aggregate_interval`` saves the public tool transport, at the price of means of
means. Here samples are read in bulk, and it changes nothing: every statistic is exact.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from dbb.hooks.efd.config import Column, TransformConfig
from dbb.hooks.efd.frames import REFERENCE, Whole, choose, make_frame, unpack
from dbb.hooks.efd.samples import Samples
from dbb.hooks.efd.statistics import BY_SLICE, expression, polynomial_rms
from dbb.model.efd_values import WIDE, EfdRow, ExposureWindow

AT_ONCE = dt.timedelta(hours=1)
"""How much time the exposures may span whose samples are in memory together."""
CELLS = 8_000_000
"""How many values may be gathered at once; windows with a look-back overlap."""
LATEST = frozenset({"last", "most_recent_value"})


@dataclass
class Transformed:
    """Hold what was made of an interval, and what was noticed on the way.

    Parameters
    ----------
    exposures
        The exposures, in order of time.
    rows
        For each exposure its wide row and its arrays.
    steps_back
        By topic, how often time went back in what was read.
    units
        By topic and field, the unit that the samples come with, where they come with one.
    """

    exposures: list[ExposureWindow]
    rows: list[EfdRow] = field(default_factory=list)
    steps_back: dict[str, int] = field(default_factory=dict)
    units: dict[tuple[str, str], str] = field(default_factory=dict)


Values = dict[tuple[str, str], list[float | None]]
"""By column and field, the value of each exposure; a wide column's field is empty."""


class Engine:
    """Make rows for the exposures of an instrument.

    Parameters
    ----------
    config
        What is made.
    samples
        Of what.
    """

    def __init__(self, config: TransformConfig, samples: Samples) -> None:
        self.config = config
        self._samples = samples
        self._reach = config.reach()
        self._by_topic: dict[str, list[Column]] = defaultdict(list)
        for column in config.columns:
            self._by_topic[column.topic].append(column)

    def transform(self, exposures: Sequence[ExposureWindow]) -> Transformed:
        """Work out every value of every exposure.

        Raises
        ------
        EfdUnavailable
            If a topic cannot be read: nothing is made of half the telemetry.
        EfdSchemaChanged
            If a field is no number.
        """
        made = Transformed(sorted(exposures, key=lambda each: (each.begin, each.exposure_id)))
        for some in _batches(made.exposures):
            values: Values = {}
            counts: dict[str, Whole] = {}
            for topic, columns in sorted(self._by_topic.items()):
                counts[topic] = self._work_topic(topic, columns, some, values, made)
            made.rows += self._rows(some, values, counts)
        return made

    def _work_topic(
        self,
        topic: str,
        columns: Sequence[Column],
        some: Sequence[ExposureWindow],
        values: Values,
        made: Transformed,
    ) -> Whole:
        before, after = self._reach[topic]
        begin = min(each.begin for each in some) - before
        end = max(each.end for each in some) + after
        table = self._samples.samples(topic, _names(columns), begin, end)
        for each in table.schema:
            if each.metadata and b"unit" in each.metadata:
                made.units[topic, each.name] = each.metadata[b"unit"].decode()
        subset_fields = {column.subset_field for column in columns if column.subset_field}
        frame, back = make_frame(table, subset_fields, topic)
        made.steps_back[topic] = made.steps_back.get(topic, 0) + back
        del table
        for _, group in itertools.groupby(sorted(columns, key=_alike), key=_alike):
            alike = list(group)
            first = alike[0]
            chosen = choose(frame, first.subset_field, first.subset)
            if first.packed_series:
                chosen = unpack(chosen, first.fields[0], first.packed_length)
            low, high = _bounds(chosen, some, first.look_back)
            _work_alike(alike, chosen, low, high, values)
        low, high = _bounds(frame, some, dt.timedelta(0))
        return high - low

    def _rows(
        self, some: Sequence[ExposureWindow], values: Values, counts: dict[str, Whole]
    ) -> Iterator[EfdRow]:
        topics = {topic: each.tolist() for topic, each in counts.items()}
        for number, exposure in enumerate(some):
            key = (exposure.exposure_id, exposure.day_obs, exposure.seq_num)
            wide = {each.name: values[each.name, ""][number] for each in self.config.wide}
            samples = {topic: count[number] for topic, count in topics.items()}
            yield EfdRow(*key, WIDE, wide, samples)
            for array in self.config.arrays:
                cells = {name: values[array.name, name][number] for name in array.fields}
                yield EfdRow(*key, array.name, cells)


def _batches(exposures: Sequence[ExposureWindow]) -> Iterator[list[ExposureWindow]]:
    batch: list[ExposureWindow] = []
    for each in exposures:
        if batch and each.end - batch[0].begin > AT_ONCE:
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch


def _names(columns: Sequence[Column]) -> list[str]:
    names: set[str] = set()
    for column in columns:
        if column.packed_series:
            names.update(f"{column.fields[0]}{number}" for number in range(column.packed_length))
            names.add(REFERENCE)
        else:
            names.update(column.fields)
        if column.subset_field:
            names.add(column.subset_field)
    return sorted(names)


def _alike(column: Column) -> tuple[str, ...]:
    """Name what columns have in common that are cut out of the same samples by the same windows."""
    packed = f"{column.fields[0]} {column.packed_length}" if column.packed_series else ""
    subset = repr(sorted(column.subset, key=str))
    return (column.subset_field or "", subset, str(column.look_back), packed)


def _bounds(
    frame: pl.DataFrame, some: Sequence[ExposureWindow], look_back: dt.timedelta
) -> tuple[Whole, Whole]:
    """Find the first sample of each window, and the first after it."""
    times = frame["time"].to_numpy()
    begin = np.array([_ns(each.begin - look_back) for each in some], dtype=np.int64)
    end = np.array([_ns(each.end) for each in some], dtype=np.int64)
    return np.searchsorted(times, begin, "left"), np.searchsorted(times, end, "right")


def _ns(time: dt.datetime) -> int:
    since = time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def _work_alike(
    columns: Sequence[Column], frame: pl.DataFrame, low: Whole, high: Whole, values: Values
) -> None:
    expressions: list[pl.Expr] = []
    pooled: list[Column] = []
    keys: list[tuple[str, str]] = []
    for column in columns:
        several = [""] if not column.store_unpivoted else column.fields
        for name in several:
            source = name or column.fields[0]
            key = (column.name, name)
            if column.function in LATEST:
                values[key] = _latest(frame[source], low, high)
            elif column.function in BY_SLICE:
                values[key] = _fits(column, frame, source, low, high)
            elif not name and len(column.fields) > 1:
                pooled.append(column)
            else:
                made = expression(column.function, column.function_args or {}, pl.col(source))
                expressions.append(made.cast(pl.Float64).alias(str(len(keys))))
                keys.append(key)
    if expressions:
        table = _gather(frame, expressions, low, high)
        for number, key in enumerate(keys):
            values[key] = table[str(number)].to_list()
    for column in pooled:
        values[column.name, ""] = _pool(column, frame, low, high)


def _gather(
    frame: pl.DataFrame, expressions: Sequence[pl.Expr], low: Whole, high: Whole
) -> pl.DataFrame:
    """Evaluate expressions over the samples of each window; one line for each window, in order."""
    names = sorted({name for each in expressions for name in each.meta.root_names()})
    frame = frame.select(names)
    limit = max(1, CELLS // max(1, len(names)))
    parts = []
    for first, last in _portions(high - low, limit):
        counts = high[first:last] - low[first:last]
        shift = np.repeat(low[first:last] - (np.cumsum(counts) - counts), counts)
        index = np.arange(int(counts.sum()), dtype=np.int64) + shift
        window = np.repeat(np.arange(first, last, dtype=np.int64), counts)
        gathered = frame[index].with_columns(pl.Series("window", window).set_sorted())
        parts.append(gathered.group_by("window", maintain_order=True).agg(*expressions))
    empty = frame.clear().select(*expressions)
    found = pl.concat(parts)
    lines = pl.DataFrame({"window": np.arange(len(low), dtype=np.int64)})
    joined = lines.join(found, on="window", how="left", maintain_order="left")
    if len(found) < len(lines):  # a window without samples: what each expression says of nothing
        silent = ~lines["window"].is_in(found["window"].implode())
        joined = joined.with_columns(
            pl.when(silent).then(pl.lit(empty[name][0])).otherwise(pl.col(name)).alias(name)
            for name in empty.columns
        )
    return joined


def _portions(counts: Whole, limit: int) -> Iterator[tuple[int, int]]:
    """Cut windows into runs of at most so many samples; at least one window each."""
    first, total = 0, 0
    for number, count in enumerate(counts.tolist()):
        if number > first and total + count > limit:
            yield first, number
            first, total = number, 0
        total += count
    yield first, len(counts)


def _pool(column: Column, frame: pl.DataFrame, low: Whole, high: Whole) -> list[float | None]:
    """Make one statistic of the values of several fields together."""
    number = len(column.fields)
    together = frame.select(pl.concat_list(column.fields).alias("value")).explode("value")
    made = expression(column.function, column.function_args or {}, pl.col("value"))
    table = _gather(together, [made.cast(pl.Float64).alias("0")], low * number, high * number)
    return table["0"].to_list()


def _latest(series: pl.Series, low: Whole, high: Whole) -> list[float | None]:
    """Give the last value of each window; nothing is gathered, however far it looks back."""
    there = np.flatnonzero(series.is_not_null().to_numpy())
    if not len(there):
        return [None] * len(low)
    place = np.searchsorted(there, high, "left") - 1
    index = there[np.maximum(place, 0)]
    found = series.gather(index).to_list()
    good = (place >= 0) & (index >= low)
    return [value if is_good else None for value, is_good in zip(found, good, strict=True)]


def _fits(
    column: Column, frame: pl.DataFrame, source: str, low: Whole, high: Whole
) -> list[float | None]:
    arguments = column.function_args or {}
    times = frame["time"].to_numpy()
    values = frame[source].to_numpy()
    made: list[float | None] = []
    for first, last in zip(low.tolist(), high.tolist(), strict=True):
        inside, at = values[first:last], times[first:last]
        is_there = ~np.isnan(inside)
        made.append(
            polynomial_rms(
                (at[is_there] - at[:1]) / 1e9,
                inside[is_there],
                int(arguments.get("degree", 1)),
                str(arguments.get("fit_basis", "index")),
            )
        )
    return made
