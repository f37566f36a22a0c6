"""What both kinds of files of publications share: they are Parquet that describes itself, and are loaded in order."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection

from dbb.errors import BadDocument, DigestMismatch
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sql import statement
from dbb.model.efd_values import Loaded


def to_file(rows: list[dict[str, Any]], schema: pa.Schema, about: Mapping[str, str]) -> bytes:
    """Write rows, with what the file says of itself by ``dbb.…``."""
    told = {f"dbb.{name}": value for name, value in about.items()}
    table = pa.Table.from_pylist(rows, schema).replace_schema_metadata(told)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def check_hashes(found: Iterable[str], wanted: Iterable[str], where: str) -> None:
    """Hold hashes that were worked out again against those that a file has.

    Raises
    ------
    DigestMismatch
        If one differs.
    """
    for mine, theirs in zip(found, wanted, strict=True):
        if mine != theirs:
            raise DigestMismatch.for_copy(where, theirs, mine)


def load_in_order(
    ledger: SqlLedger, numbers: Sequence[int], add: Callable[[Connection, int], int], where: str
) -> Loaded:
    """Add publications under their numbers, in one transaction; those that are there write nothing.

    Parameters
    ----------
    ledger
        The endpoint's database.
    numbers
        The publications of a file, in order.
    add
        Writes the publication of a number, and gives how many versions it has.
    where
        The file's address, for errors.

    Raises
    ------
    BadDocument
        If a publication before one of them is not there yet.
    """
    versions = 0
    with ledger.transaction() as connection:
        savepoint = connection.begin_nested()
        for number in numbers:
            due = connection.execute(statement("publications/next")).scalar_one()
            if due != number:
                savepoint.rollback()  # the number is given back, and nothing was written
                if due > number:
                    return Loaded()
                raise BadDocument.for_document(where, f"publication {due} has to come first")
            versions += add(connection, number)
        savepoint.commit()
    return Loaded(len(numbers), versions)
