"""Making values what Qserv's CSV and MariaDB's columns hold, without a silent change of any of them.

MariaDB's ``LOAD DATA`` turns what does not fit into something else and warns: NaN becomes 0, long text
is cut, ``true`` is 0. So nothing of that kind is ever written: NaN and infinity are NULL, truth is
0 or 1, time has microseconds, and text or numbers that do not fit are refused. Blanks at the end of a CHAR
are dropped without even a warning: they are refused too.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pyarrow as pa

from dbb.model.qserv import Column, ColumnStatistics, TablePlan

SEPARATOR = "\t"
"""Fields end with a tab, lines with a line feed, NULL is ``\\N``, the escape is a backslash."""

_INTEGERS = {"TINYINT": pl.Int8, "SMALLINT": pl.Int16, "INT": pl.Int32, "BIGINT": pl.Int64}
_FLOATS = {"FLOAT": pl.Float32, "DOUBLE": pl.Float64}
_CONTROL = r"[\x00-\x1f\\]"
_NOT_LATIN1 = r"[^\x{00}-\x{FF}]"


def clean(
    batch: pa.RecordBatch | pa.Table, table: TablePlan, extra: tuple[str, ...] = ()
) -> pl.DataFrame:
    """Give a table's columns, in the plan's order and types; ``extra`` columns follow as they are."""
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch is no single column
    there = set(frame.columns)
    return frame.select(
        *(
            _cleaned(column, frame.schema[column.name])
            if column.name in there
            else pl.lit(None, dtype=_type(column)).alias(column.name)
            for column in table.columns
        ),
        *extra,
    )


def find_misfits(batch: pa.RecordBatch | pa.Table, table: TablePlan) -> list[str]:
    """Name the columns with values that would be changed by the database, with an example."""
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch is no single column
    tests = {}
    for column in table.columns:
        if column.name in frame.columns:
            test = _misfit(column, frame.schema[column.name], table.rule.charset)
            if test is not None:
                tests[column.name] = test
    if not tests:
        return []
    found = frame.select(
        test.fill_null(value=False).any().alias(name) for name, test in tests.items()
    )
    return [
        f"column {name} has values that do not fit {_told(table, name)}, such as "
        f"{frame.filter(tests[name])[name].cast(pl.String)[0]!a:.60}"
        for name in tests
        if found[name][0]
    ]


def write_csv(frame: pl.DataFrame) -> bytes:
    """Write cleaned rows as Qserv reads them."""
    text = [name for name, kind in frame.schema.items() if kind == pl.String]
    awkward = [name for name in text if frame[name].str.contains(_CONTROL).any()]
    if awkward:
        frame = frame.with_columns(_escaped(name) for name in awkward)
    written = frame.write_csv(
        include_header=False,
        separator=SEPARATOR,
        quote_style="never",
        null_value="\\N",
        datetime_format="%Y-%m-%d %H:%M:%S%.6f",
    )
    return written.encode()


def statistics(frame: pl.DataFrame, columns: tuple[str, ...]) -> dict[str, ColumnStatistics]:
    """Sum up numbers, and the lengths of texts: what SQL must find after publication."""
    wanted = [
        (pl.col(name).str.len_chars() if frame.schema[name] == pl.String else pl.col(name)).cast(
            pl.Float64
        )
        for name in columns
    ]
    if not wanted or frame.is_empty():
        return {}
    found = [frame.select(*(getattr(each, verb)() for each in wanted)).row(0) for verb in
             ("null_count", "min", "max", "sum")]  # fmt: skip
    return {
        name: ColumnStatistics(
            nulls=found[0][place],
            least=found[1][place],
            most=found[2][place],
            total=found[3][place] if found[0][place] < len(frame) else None,
        )
        for place, name in enumerate(columns)
    }


def merge(many: list[dict[str, ColumnStatistics]]) -> dict[str, ColumnStatistics]:
    """Add up the statistics of parts."""

    def over(values: list[float | None], how: Callable[[list[float]], float]) -> float | None:
        numbers = [value for value in values if value is not None]
        return how(numbers) if numbers else None

    merged = {}
    for name in {name for part in many for name in part}:
        parts = [part[name] for part in many if name in part]
        merged[name] = ColumnStatistics(
            nulls=sum(part.nulls for part in parts),
            least=over([part.least for part in parts], min),
            most=over([part.most for part in parts], max),
            total=over([part.total for part in parts], sum),
        )
    return merged


def sampled_columns(table: TablePlan, most: int = 12, texts: int = 4) -> tuple[str, ...]:
    """Choose the columns that are compared after publication: keys, positions, a spread, some text."""
    numbers = [column.name for column in table.columns if column.type in {*_INTEGERS, *_FLOATS}]
    rule = table.rule
    named = [name for name in (rule.key, rule.director_key, rule.ra, rule.dec) if name in numbers]
    step = max(1, len(numbers) // max(1, most - len(named)))
    chosen = tuple(dict.fromkeys([*named, *numbers[::step]]))[:most]
    return chosen + tuple(column.name for column in table.columns if column.max_bytes)[:texts]


def _type(column: Column) -> pl.DataType | type[pl.DataType]:
    if column.max_bytes:
        return pl.String
    if column.type.startswith("DATETIME"):
        return pl.Datetime("us")
    return {**_INTEGERS, **_FLOATS}[column.type]


def _cleaned(column: Column, found: pl.DataType) -> pl.Expr:
    value = pl.col(column.name)
    if found.is_float():
        value = pl.when(value.is_finite()).then(value)
    if isinstance(found, pl.Datetime) and found.time_zone:
        value = value.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return value.cast(_type(column)).alias(column.name)


def _misfit(column: Column, found: pl.DataType, charset: str) -> pl.Expr | None:
    value = pl.col(column.name)
    if column.max_bytes:
        text = value.cast(pl.String)
        if column.type == "TEXT":
            too_long = text.str.len_bytes() > column.max_bytes
        else:
            too_long = text.str.len_chars() > column.max_bytes
        if charset == "latin1":
            too_long |= text.str.contains(_NOT_LATIN1)
        return too_long | text.str.ends_with(" ") if column.type.startswith("CHAR") else too_long
    if found.is_integer() and column.type in _INTEGERS and found != _INTEGERS[column.type]:
        kept = value.cast(_INTEGERS[column.type], strict=False)
        return value.is_not_null() & kept.is_null()
    if found.is_float() and column.type == "FLOAT" and found == pl.Float64:
        return value.is_finite() & value.cast(pl.Float32).is_infinite()
    if isinstance(found, pl.Datetime):
        return (value.dt.year() < 1000) | (value.dt.year() > 9999)
    return None


def _told(table: TablePlan, name: str) -> str:
    column = table.column(name)
    return f"{column.type if column else ''} in {table.rule.charset}"


def _escaped(name: str) -> pl.Expr:
    value = pl.col(name).str.replace_all("\\", "\\\\", literal=True)
    for raw, letter in (
        ("\t", "t"),
        ("\n", "n"),
        ("\r", "r"),
        ("\x00", "0"),
        ("\b", "b"),
        ("\x1a", "Z"),
    ):
        value = value.str.replace_all(raw, f"\\{letter}", literal=True)
    return value
