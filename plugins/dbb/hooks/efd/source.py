"""What the Engineering and Facilities Database keeps of a topic: its fields, counts and points.

InfluxDB gives a whole ``float`` as ``1``: what a value is, its field's type says and not the answer. A
field has one type in each of the source's shards, which are longer than an hour and begin with one. Where
it was retyped, the values of the hour decide: numbers are one kind (a mixture of whole and others is
``float``), texts and truths are two more.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dbb.errors import EfdSchemaChanged
from dbb.hooks.influx import PIECE_ROWS, Influx
from dbb.model.efd import Count, from_ns, to_ns

SEQUENCE = "private_seqNum"
"""The field that every topic has; its count and sum are the fingerprint of points."""

PIECE_VALUES = 250_000
"""Values in one piece of an answer, which is held as Python objects: about 30 MB."""

QUERY_VALUES = 20_000_000
"""Values asked for in one statement; the EFD refuses from 50 million on."""

TIME = pa.field("time", pa.timestamp("ns", "UTC"), nullable=False)
_ARROW = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "tag": pa.string(),
}
_NUMBERS = ("float", "integer")


@dataclass(frozen=True, slots=True)
class Column:
    """Name one column: how it is asked for, and what it is.

    Parameters
    ----------
    name, kind
        Of the field; the kind is InfluxDB's.
    is_cast
        Whether only the values of that kind are asked for: the field has been retyped.
    """

    name: str
    kind: str
    is_cast: bool = False

    @property
    def asked(self) -> str:
        """Give it as it stands in a statement."""
        return _quoted(self.name) + (f"::{self.kind}" if self.is_cast or self.kind == "tag" else "")

    @property
    def arrow(self) -> pa.DataType:
        """Give the type of its values."""
        return _ARROW[self.kind]


@dataclass(frozen=True, slots=True)
class Shape:
    """Hold a topic's columns; those of a retyped field are several.

    A topic that the source does not know has none.
    """

    columns: tuple[Column, ...] = ()
    retyped: frozenset[str] = field(default=frozenset())

    @property
    def has_sequence(self) -> bool:
        """Say whether its points have whole sequence numbers."""
        return Column(SEQUENCE, "integer") in self.columns


class InfluxSource:
    """Ask for topics.

    Parameters
    ----------
    influx
        The database.
    """

    def __init__(self, influx: Influx) -> None:
        self._influx = influx

    @property
    def name(self) -> str:
        """Name it for the provenance: its address and database, and no user."""
        return f"{self._influx.url}/{self._influx.database}"

    def shape(self, topic: str) -> Shape:
        """Ask for the fields and tags of a topic.

        Raises
        ------
        EfdUnavailable
            If it does not answer, as with the other methods.
        """
        kinds: dict[str, set[str]] = {}
        for name, kind in self._rows(f"SHOW FIELD KEYS FROM {_quoted(topic)}"):
            kinds.setdefault(name, set()).add("float" if kind == "unsigned" else kind)
        if not kinds:
            return Shape()
        columns, retyped = [], set()
        for name, mine in sorted(kinds.items()):
            numbers = [kind for kind in _NUMBERS if kind in mine]
            groups = numbers[:1] + sorted(mine & {"string", "boolean"}, reverse=True)
            columns += [Column(name, kind, is_cast=len(groups) > 1) for kind in groups]
            if len(groups) > 1:
                retyped.add(name)
        tags = [Column(row[0], "tag") for row in self._rows(f"SHOW TAG KEYS FROM {_quoted(topic)}")]
        return Shape(
            (*columns, *(tag for tag in tags if tag.name not in kinds)), frozenset(retyped)
        )

    def counts(
        self, topic: str, shape: Shape, begin: dt.datetime, end: dt.datetime
    ) -> dict[dt.datetime, Count]:
        """Count a topic's points by the hour; hours without any are left out."""
        if not shape.columns:
            return {}
        key = _quoted(SEQUENCE)
        what = f"count({key}), sum({key})" if shape.has_sequence else "count(*)"
        statement = f"SELECT {what} {_window(topic, begin, end)} GROUP BY time(1h) fill(none)"
        found = {}
        for time, first, *others in self._rows(statement):
            if shape.has_sequence:
                found[from_ns(time)] = Count(int(first), int(others[0]))
            else:
                found[from_ns(time)] = Count(max(int(each or 0) for each in (first, *others)))
        return found

    def read(
        self, topic: str, shape: Shape, points: int, begin: dt.datetime, end: dt.datetime
    ) -> Iterator[pa.RecordBatch]:
        """Read a topic's points from ``begin`` up to before ``end``, in the order of their times.

        ``points`` is about how many there are: the window is cut so that no answer is too large.
        """
        columns = self._settle(topic, shape, begin, end)
        slices = points * len(columns) // QUERY_VALUES + 1
        edges = [begin + (end - begin) * number / slices for number in range(slices)] + [end]
        piece_rows = max(1, min(PIECE_ROWS, PIECE_VALUES // max(1, len(columns))))
        asked = ", ".join(
            f"{column.asked} AS {_quoted(f'c{number}')}" for number, column in enumerate(columns)
        )
        schema = pa.schema(
            [TIME, *(pa.field(_label(each, columns), each.arrow) for each in columns)]
        )
        for lower, upper in itertools.pairwise(edges):
            statement = f"SELECT {asked} {_window(topic, lower, upper)}"
            for series in self._influx.query(statement, piece_rows):
                yield _batch(series.rows, schema, topic)

    def _settle(
        self, topic: str, shape: Shape, begin: dt.datetime, end: dt.datetime
    ) -> list[Column]:
        """Choose, of the columns of retyped fields, those that have values in the window."""
        if not shape.retyped:
            return list(shape.columns)
        cast = [each for each in shape.columns if each.is_cast]
        found = set()
        for each in cast:
            statement = f"SELECT count({each.asked}) {_window(topic, begin, end)}"
            if any(row[1] for row in self._rows(statement)):
                found.add(each)
        chosen, named = [], set()
        for each in shape.columns:
            others = {other for other in found if other.name == each.name}
            if not each.is_cast or each in found or (not others and each.name not in named):
                chosen.append(each)
                named.add(each.name)
        return chosen

    def _rows(self, statement: str) -> Iterator[Sequence[Any]]:
        for series in self._influx.query(statement):
            yield from series.rows


def _label(column: Column, columns: Sequence[Column]) -> str:
    """Name a column; where one hour has two kinds of values, they do not share a name."""
    first = next(each for each in columns if each.name == column.name)
    return column.name if column == first else f"{column.name}::{column.kind}"


def _batch(rows: Sequence[Sequence[Any]], schema: pa.Schema, topic: str) -> pa.RecordBatch:
    values = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [_array(mine, each.type, topic) for mine, each in zip(values, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType, topic: str) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        if kind != pa.float64() or not all(isinstance(each, float | int | None) for each in values):
            raise EfdSchemaChanged.for_topic(topic, f"a value is no {kind} ({error})") from error
        # A float without a fraction comes as a whole number, however large.
        return pa.array([None if each is None else float(each) for each in values], kind)


def _window(topic: str, begin: dt.datetime, end: dt.datetime) -> str:
    return f"FROM {_quoted(topic)} WHERE time >= {to_ns(begin)} AND time < {to_ns(end)} "


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
