"""A publication of values as a Parquet file, and such a file as a publication: versions travel as they are.

An endpoint does not work its values out again: another library, processor or order of sums would give other
last digits, and two late points that one place saw one by one another place would see at once. It has the
archive's versions under the archive's numbers, so that *as of publication N* has one answer everywhere.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from dbb.errors import BadDocument, EfdValuesDiffer
from dbb.hooks.efd.views import make_views
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.carrying import check_hashes, load_in_order, to_file
from dbb.hooks.publications.identity import digest_of
from dbb.hooks.sql import statement, to_time
from dbb.model.efd_values import EfdRow, Loaded

SCHEMA = "dbb-efd-values/1"
_ROWS = pa.schema(
    [
        ("exposure_id", pa.int64()),
        ("property", pa.string()),
        ("day_obs", pa.int32()),
        ("seq_num", pa.int32()),
        ("row_sha256", pa.string()),
        ("row_check", pa.int64()),
        ("cells", pa.list_(pa.float64())),
        ("samples", pa.string()),
    ]
)
_COLUMNS = ("property", "field", "position", "datatype", "unit", "ucd", "shown_of")


def write_values(ledger: SqlLedger, publication_id: int) -> bytes:
    """Write a publication's versions, what its places mean, and what it is.

    Raises
    ------
    EfdValuesDiffer
        If a row in the database is not what was published.
    """
    with ledger.transaction() as connection:
        number = {"publication_id": publication_id}
        about = connection.execute(statement("efd/publication"), number).one()._asdict()
        rows = connection.execute(statement("efd/versions_of"), number).all()
        named = {"instrument": about["instrument"]}
        places = connection.execute(statement("efd/columns"), named).all()
    for name in ("begin_at", "end_at", "at"):
        about[name] = to_time(about[name]).isoformat()
    told = [row._asdict() | {"cells": _cells(row.cells)} for row in rows]
    columns = [[getattr(place, name) for name in _COLUMNS] for place in places]
    changed = [
        f"{about['instrument']} telemetry {each.exposure_id} {each.property}".rstrip()
        for row, each in zip(told, _make_rows(told, columns), strict=True)
        if each.sha256 != row["row_sha256"]
    ]
    if changed:
        raise EfdValuesDiffer.for_archive(publication_id, publication_id, changed)
    said = {
        "schema": SCHEMA,
        "publication": json.dumps(about, sort_keys=True),
        "columns": json.dumps(columns),
    }
    return to_file(told, _ROWS, said)


def load_values(ledger: SqlLedger, table: pa.Table, where: str) -> Loaded:
    """Add a publication's versions to a database, in one transaction; one that is there writes nothing.

    Parameters
    ----------
    ledger
        The endpoint's database.
    table, where
        What the file holds, and its address for errors.

    Raises
    ------
    BadDocument
        If it is no such file, or a publication before it is not there yet.
    DigestMismatch
        If its values are not those whose hashes it has.
    """
    about, columns = _read(table, where)
    rows = table.to_pylist()
    _check(rows, about, columns, where)

    def add(connection: Connection, number: int) -> int:
        _note_places(connection, about["instrument"], columns)
        times = {
            name: dt.datetime.fromisoformat(about[name]) for name in ("begin_at", "end_at", "at")
        }
        connection.execute(statement("efd/note_publication"), {**about, **times})
        shared = {"instrument": about["instrument"], "publication_from": number}
        is_json = connection.dialect.name == "sqlite"
        connection.execute(
            statement("efd/note_version"),
            [
                {**row, **shared, "cells": json.dumps(row["cells"]) if is_json else row["cells"]}
                for row in rows
            ],
        )
        return len(rows)

    return load_in_order(ledger, [about["publication_id"]], add, where)


def _read(table: pa.Table, where: str) -> tuple[dict[str, Any], list[list[Any]]]:
    metadata = table.schema.metadata or {}
    try:
        return json.loads(metadata[b"dbb.publication"]), json.loads(metadata[b"dbb.columns"])
    except (KeyError, ValueError) as error:
        raise BadDocument.for_document(where, f"it holds no values: {error}") from error


def _check(
    rows: list[dict[str, Any]], about: Mapping[str, Any], columns: list[list[Any]], where: str
) -> None:
    """Work every row's hash out again, and that of all of them."""
    hashes = [each.sha256 for each in _make_rows(rows, columns)]
    check_hashes(hashes, [row["row_sha256"] for row in rows], where)
    check_hashes([digest_of(hashes)], [about["digest"]], where)


def _make_rows(rows: list[dict[str, Any]], columns: list[list[Any]]) -> list[EfdRow]:
    names: dict[str, dict[int, str]] = {}
    for name, field, position, *_ in columns:
        names.setdefault(name, {})[position] = field
    made = []
    for row in rows:
        values = {
            names[row["property"]][place]: value
            for place, value in enumerate(row["cells"], start=1)
            if value is not None
        }
        key = (row["exposure_id"], row["day_obs"], row["seq_num"], row["property"])
        made.append(EfdRow(*key, values, json.loads(row["samples"])))
    return made


def _note_places(connection: Connection, instrument: str, columns: list[list[Any]]) -> None:
    found = connection.execute(statement("efd/columns"), {"instrument": instrument})
    known = [[getattr(place, name) for name in _COLUMNS] for place in found]
    new = [each for each in columns if each not in known]
    if new:
        connection.execute(
            statement("efd/note_column"),
            [{"instrument": instrument, **dict(zip(_COLUMNS, each, strict=True))} for each in new],
        )
        make_views(connection, instrument)


def _cells(cells: Any) -> list[float | None]:
    read = json.loads(cells) if isinstance(cells, str) else cells
    return [None if cell is None else float(cell) for cell in read]
