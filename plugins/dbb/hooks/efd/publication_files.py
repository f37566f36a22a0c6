"""A publication as a Parquet file, and such a file as a publication: versions travel as they are.

An endpoint does not work its values out again: another library, processor or order of sums would give other
last digits, and two late points that one place saw one by one another place would see at once. It has the
archive's versions under the archive's numbers, so that *as of publication N* has one answer everywhere.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from dbb.errors import BadDocument, DigestMismatch
from dbb.hooks.efd.published import digest_of
from dbb.hooks.efd.views import make_views
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sql import statement, to_time
from dbb.model.efd_values import EfdRow, Publication

SCHEMA = b"dbb-efd-values/1"
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


def write_publication(ledger: SqlLedger, publication_id: int) -> bytes:
    """Write a publication's versions, what its places mean, and what it is."""
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
    table = pa.Table.from_pylist(told, _ROWS).replace_schema_metadata(
        {
            b"dbb.schema": SCHEMA,
            b"dbb.publication": json.dumps(about, sort_keys=True).encode(),
            b"dbb.columns": json.dumps(columns).encode(),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def load_publication(
    ledger: SqlLedger, data: bytes, where: str, bands: Mapping[str, Mapping[str, str]]
) -> Publication:
    """Add a publication's versions to a database, in one transaction; one that is there writes nothing.

    Parameters
    ----------
    ledger
        The endpoint's database.
    data, where
        The file, and its address for errors.
    bands
        By instrument and physical filter, the band; for the view of exposures.

    Raises
    ------
    BadDocument
        If it is no such file, or a publication before it is not there yet.
    DigestMismatch
        If its values are not those whose hashes it has.
    """
    table, about, columns = _read(data, where)
    rows = table.to_pylist()
    _check(rows, about, columns, where)
    with ledger.transaction() as connection:
        savepoint = connection.begin_nested()
        number = connection.execute(statement("efd/next_publication")).scalar_one()
        if number != about["publication_id"]:
            savepoint.rollback()
            if number > about["publication_id"]:
                return Publication(0, 0, 0)
            raise BadDocument.for_document(where, f"publication {number} has to come first")
        _note_places(connection, about["instrument"], columns, bands)
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
        savepoint.commit()
    return Publication(number, len(rows), about["exposures"])


def _read(data: bytes, where: str) -> tuple[pa.Table, dict[str, Any], list[list[Any]]]:
    try:
        table = pq.read_table(io.BytesIO(data))
        metadata = table.schema.metadata or {}
        if metadata.get(b"dbb.schema") != SCHEMA:
            raise BadDocument.for_document(where, "it holds no values of telemetry")
        about = json.loads(metadata[b"dbb.publication"])
        return table, about, json.loads(metadata[b"dbb.columns"])
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise BadDocument.for_document(where, str(error)) from error


def _check(
    rows: list[dict[str, Any]], about: Mapping[str, Any], columns: list[list[Any]], where: str
) -> None:
    """Work every row's hash out again, and that of all of them."""
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
        if made[-1].sha256 != row["row_sha256"]:
            raise DigestMismatch.for_copy(where, row["row_sha256"], made[-1].sha256)
    if digest_of(made) != about["digest"]:
        raise DigestMismatch.for_copy(where, about["digest"], digest_of(made))


def _note_places(
    connection: Connection,
    instrument: str,
    columns: list[list[Any]],
    bands: Mapping[str, Mapping[str, str]],
) -> None:
    found = connection.execute(statement("efd/columns"), {"instrument": instrument})
    known = [[getattr(place, name) for name in _COLUMNS] for place in found]
    new = [each for each in columns if each not in known]
    if new:
        connection.execute(
            statement("efd/note_column"),
            [{"instrument": instrument, **dict(zip(_COLUMNS, each, strict=True))} for each in new],
        )
        make_views(connection, instrument, bands.get(instrument, {}))


def _cells(cells: Any) -> list[float | None]:
    read = json.loads(cells) if isinstance(cells, str) else cells
    return [None if cell is None else float(cell) for cell in read]
