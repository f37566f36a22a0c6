"""Planning a release: its Felis schema and our overlay become Qserv's tables; Parquet is held against it.

Nothing here reads rows: schemas, and the footers of Parquet files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from dbb.documents import build, read_document
from dbb.errors import CatalogUnfit, UnknownItem
from dbb.model.qserv import (
    MAX_TABLE_NAME,
    QSERV_COLUMNS,
    Column,
    Drift,
    Overlay,
    ReleasePlan,
    TableKind,
    TablePlan,
    TableRule,
)

if TYPE_CHECKING:
    from felis.datamodel import Schema

_NUMBERS = {
    "boolean": "TINYINT",
    "byte": "TINYINT",
    "short": "SMALLINT",
    "int": "INT",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "timestamp": "DATETIME(6)",
}
_WIDTHS = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}
_MANTISSAS = {"FLOAT": 24, "DOUBLE": 53}
_MAX_TEXT = 65_535


def load_overlay(folder: Path, release: str) -> Overlay:
    """Read a release's overlay.

    Raises
    ------
    UnknownItem
        If there is no such release.
    PolicyUnreadable
        If it is no such document.
    """
    path = folder / f"{release}.yaml"
    if path.parent != folder or not path.is_file():
        raise UnknownItem.for_name("release", release)
    return build(Overlay, read_document(path), path.name)


def load_schema(uri: str) -> Schema:
    """Read a Felis schema: a ``resource://`` of an installed package, or a file."""
    from felis.datamodel import Schema as FelisSchema  # noqa: PLC0415 - takes a second

    return FelisSchema.from_uri(uri, context={"id_generation": True})


def plan_release(overlay: Overlay, schema: Schema, previous: Schema | None = None) -> ReleasePlan:
    """Make the plan of a release.

    Raises
    ------
    CatalogUnfit
        With all that the overlay names and the schema lacks, or that Qserv cannot keep.
    """
    known = {table.name: table for table in schema.tables}
    problems: list[str] = []
    tables = []
    for name, rule in overlay.tables.items():
        if name not in known:
            problems.append(f"{name}: the schema has no such table")
            continue
        plan = TablePlan(name, rule, _columns(known[name], rule))
        problems += [f"{name}: {problem}" for problem in _check_rule(plan, overlay)]
        tables.append(plan)
    if problems:
        raise CatalogUnfit.for_problems(f"release {overlay.release}", problems)
    return ReleasePlan(
        release=overlay.release,
        database=overlay.database,
        layout=overlay.layout,
        tables=tuple(tables),
        drift=tuple(_drift(schema, previous)) if previous is not None else (),
        felis_sha256=hashlib.sha256(schema.model_dump_json().encode()).hexdigest(),
    )


def table_request(plan: ReleasePlan, table: TablePlan) -> dict[str, Any]:
    """Write what Qserv is told when a table is registered (``POST /ingest/table``)."""
    rule = table.rule
    schema = [{"name": each.name, "type": _definition(each)} for each in table.columns]
    request: dict[str, Any] = {
        "database": plan.database,
        "table": table.name,
        "is_partitioned": int(rule.is_partitioned),
        "charset_name": rule.charset,
        "collation_name": f"{rule.charset}_general_ci",
    }
    if rule.is_partitioned:
        schema += [{"name": name, "type": "INT NOT NULL"} for name in QSERV_COLUMNS]
        request |= {"director_table": rule.director, "director_key": rule.director_key or rule.key}
    match rule.kind:
        case TableKind.DIRECTOR:
            request |= {"longitude_key": rule.ra, "latitude_key": rule.dec, "unique_primary_key": 1}
        case TableKind.REF_MATCH:
            schema.append({"name": rule.flag_column, "type": "TINYINT NOT NULL"})
            request |= {
                "director_table2": rule.director2,
                "director_key2": rule.director_key2,
                "flag": rule.flag_column,
                "ang_sep": float(rule.ang_sep_arcsec) / 3600,
            }
    return request | {"schema": schema}


def check_footer(table: TablePlan, name: str, footer: pa.Schema) -> list[str]:
    """Hold a Parquet file's columns against the plan; give what is wrong, in words."""
    found = {field.name: field for field in footer}
    wanted = {column.name: column for column in table.columns}
    problems = [
        f"{name}: column {each} is missing"
        for each in wanted
        if each not in found and each not in table.rule.optional
    ]
    problems += [
        f"{name}: column {each} is not in the schema" for each in found if each not in wanted
    ]
    for each, column in wanted.items():
        if each in found and (reason := _misfit(found[each].type, column, table.rule)):
            problems.append(f"{name}: column {each} {reason}")
    return problems


def read_footer(path: str) -> tuple[pa.Schema, int]:
    """Give a Parquet file's columns and number of rows.

    Raises
    ------
    CatalogUnfit
        If it is no Parquet file.
    """
    try:
        with pq.ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise CatalogUnfit.for_problems(
            Path(path).name, [f"it is no Parquet file: {error}"]
        ) from None


def to_json(plan: ReleasePlan) -> dict[str, Any]:
    """Write a plan for a program: what would be registered, and the drift."""
    return {
        "schema": "dbb-qserv-plan/1",
        "release": plan.release,
        "database": plan.database,
        "layout": {
            "stripes": plan.layout.stripes,
            "sub_stripes": plan.layout.sub_stripes,
            "overlap_deg": plan.layout.overlap_deg,
        },
        "felis_sha256": plan.felis_sha256,
        "tables": [table_request(plan, table) for table in plan.tables],
        "drift": [
            {
                "table": each.table,
                "added": list(each.added),
                "removed": list(each.removed),
                "retyped": list(each.retyped),
            }
            for each in plan.drift
        ],
    }


def plan_sha256(plan: ReleasePlan) -> str:
    """Name a plan by its content."""
    text = json.dumps(to_json(plan) | {"drift": []}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _columns(table: Any, rule: TableRule) -> tuple[Column, ...]:
    needed = {rule.key, rule.ra, rule.dec, *rule.unique}
    if rule.kind is not TableKind.REF_MATCH:  # a match may lack one of its partners
        needed.add(rule.director_key)
    return tuple(_column(column, is_needed=column.name in needed) for column in table.columns)


def _column(column: Any, *, is_needed: bool) -> Column:
    kind = column.datatype.value
    if kind in _NUMBERS:
        return Column(column.name, _NUMBERS[kind], not_null=is_needed)
    if kind in ("char", "string", "unicode") and column.length:
        sql = "CHAR" if kind == "char" and column.length <= 255 else "VARCHAR"
        return Column(column.name, f"{sql}({column.length})", column.length, is_needed)
    return Column(column.name, "TEXT", _MAX_TEXT, is_needed)


def _definition(column: Column) -> str:
    return f"{column.type} NOT NULL" if column.not_null else column.type


_NEEDED: dict[TableKind, tuple[str, ...]] = {
    TableKind.DIRECTOR: ("key", "ra", "dec"),
    TableKind.CHILD: ("director", "director_key"),
    TableKind.REF_MATCH: (
        "director",
        "director_key",
        "director2",
        "director_key2",
        "ang_sep_arcsec",
    ),
    TableKind.REGULAR: (),
}
"""What a rule must say, by the kind of table."""


def _check_rule(table: TablePlan, overlay: Overlay) -> Iterator[str]:
    rule = table.rule
    for name in _NEEDED[rule.kind]:
        if not getattr(rule, name):
            yield f"a {rule.kind} table needs {name}"
    names = (rule.key, rule.ra, rule.dec, rule.director_key, rule.director_key2)
    named = [*names, *rule.unique, *rule.indexes, *rule.optional, *rule.narrowed, *rule.ranges]
    for name in sorted({name for name in named if name and table.column(name) is None}):
        yield f"the schema has no column {name}"
    for name in filter(None, (rule.key, rule.director_key, rule.director_key2)):
        column = table.column(name)
        if column is not None and column.type not in _WIDTHS:
            yield f"column {name} is a key and no whole number"
    for name in filter(None, (rule.director, rule.director2)):
        other = overlay.tables.get(name)
        if other is None or other.kind is not TableKind.DIRECTOR:
            yield f"{name} is no director of this release"
    if rule.ang_sep_arcsec and not 0 < float(rule.ang_sep_arcsec) / 3600 <= overlay.layout.overlap:
        yield "ang_sep_arcsec is larger than the overlap"
    if not 1 <= rule.transactions <= 100:
        yield "transactions is not 1 to 100"
    yield from _beyond_qserv(table, overlay.database)


def _beyond_qserv(table: TablePlan, database: str) -> Iterator[str]:
    if len(database) + len(table.name) > MAX_TABLE_NAME:
        yield f"database and table have more than {MAX_TABLE_NAME} characters"
    for column in table.columns:
        if column.name in (*QSERV_COLUMNS, "qserv_trans_id"):
            yield f"column {column.name} is Qserv's own"
        if table.rule.kind is TableKind.REF_MATCH and column.name == table.rule.flag_column:
            yield f"column {column.name} is where the flag of a match is kept"
        if column.type == "TEXT" and table.rule.kind is TableKind.DIRECTOR:
            yield f"column {column.name} is text without a length, which no director may have"


def _drift(schema: Schema, previous: Schema) -> Iterator[Drift]:
    def types(of: Schema) -> dict[str, dict[str, str]]:
        return {
            table.name: {each.name: str(each.datatype.value) for each in table.columns}
            for table in of.tables
        }

    now, before = types(schema), types(previous)
    for name in sorted(now.keys() | before.keys()):
        new, old = now.get(name, {}), before.get(name, {})
        drift = Drift(
            table=name,
            added=tuple(sorted(new.keys() - old.keys())),
            removed=tuple(sorted(old.keys() - new.keys())),
            retyped=tuple(
                f"{each}: {old[each]} → {new[each]}"
                for each in sorted(new.keys() & old.keys())
                if new[each] != old[each]
            ),
        )
        if drift.added or drift.removed or drift.retyped:
            yield drift


def _misfit(found: pa.DataType, column: Column, rule: TableRule) -> str:  # noqa: PLR0911 - a table of cases
    """Say why values of an Arrow type do not fit a column; empty if they do."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    told = f"is {found} in the file and {column.type} in the schema"
    if pa.types.is_null(found):
        return "" if not column.not_null else f"is always null, and {column.type} NOT NULL"
    if column.max_bytes:
        return "" if pa.types.is_string(found) or pa.types.is_large_string(found) else told
    if column.type.startswith("DATETIME"):
        return "" if pa.types.is_timestamp(found) else told
    if pa.types.is_boolean(found):
        return "" if column.type == "TINYINT" else told
    is_narrowed = column.name in rule.narrowed
    if pa.types.is_integer(found) and column.type in _WIDTHS:
        bits = found.bit_width + pa.types.is_unsigned_integer(found)
        return "" if bits <= _WIDTHS[column.type] or is_narrowed else f"{told}, which is narrower"
    if pa.types.is_integer(found) and column.type in _MANTISSAS:
        return "" if found.bit_width < _MANTISSAS[column.type] else told
    if pa.types.is_floating(found) and column.type in _MANTISSAS:
        fits = found.bit_width <= (32 if column.type == "FLOAT" else 64)
        return "" if fits or is_narrowed else f"{told}, which is narrower"
    return told
