"""A run of publications of exposures as a Parquet file, and such a file as publications.

A line is a version: an exposure, its rows of one table, or a message about it, as JSON. Its hash is worked
out again of what the line says, here before it is written and there before it is loaded.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row

from dbb.errors import BadDocument, EfdValuesDiffer
from dbb.hooks.consdb.database import read_message
from dbb.hooks.consdb.records import Additions, Signature, add_versions
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.carrying import check_hashes, load_in_order, to_file
from dbb.hooks.publications.identity import digest_of
from dbb.hooks.sql import statement, to_time
from dbb.model.consdb import EXPOSURE_COLUMNS, ExposureRecord, Members
from dbb.model.efd_values import Loaded
from dbb.model.exposure_log import ExposureFlag, LogMessage

SCHEMA = "dbb-exposures/1"
_ROWS = pa.schema(
    [
        ("publication", pa.int64()),
        ("kind", pa.string()),
        ("row_sha256", pa.string()),
        ("said", pa.string()),
    ]
)
_TRUTHS = frozenset({"emulated", "simulated", "can_see_sky"})
_INSTANTS = frozenset({"exp_midpt", "obs_start", "obs_end"})

Version = ExposureRecord | Members | LogMessage


_KINDS: Mapping[str, type[Version]] = {
    "exposure": ExposureRecord,
    "members": Members,
    "message": LogMessage,
}


def write_run(ledger: SqlLedger, first: int, last: int) -> bytes:
    """Write the publications from one number to another, every one of which is of exposures.

    Raises
    ------
    EfdValuesDiffer
        If a row in the database is not what was published.
    """
    span = {"first": first, "last": last}
    with ledger.transaction() as connection:
        about = connection.execute(statement("consdb/publications"), span).all()
        versions = list(_read_versions(connection, span))
    changed = [_name(version) for _, version, sha256 in versions if version.sha256 != sha256]
    if changed:
        raise EfdValuesDiffer.for_archive(first, last, changed)
    lines = [
        {
            "publication": number,
            "kind": next(kind for kind, type_ in _KINDS.items() if isinstance(version, type_)),
            "row_sha256": sha256,
            "said": json.dumps(dataclasses.asdict(version), default=dt.datetime.isoformat),
        }
        for number, version, sha256 in sorted(versions, key=lambda each: each[0])
    ]
    told = [{**row._asdict(), "at": to_time(row.at).isoformat()} for row in about]
    said = {"schema": SCHEMA, "publications": json.dumps(told, sort_keys=True)}
    return to_file(lines, _ROWS, said)


def load_run(ledger: SqlLedger, table: pa.Table, where: str) -> Loaded:
    """Add a run of publications to a database, in one transaction; one that is there writes nothing.

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
        If a row is not what its hash says.
    """
    publications, versions = _parse(table, where)
    signs = {
        each["publication_id"]: Signature(
            dt.datetime.fromisoformat(each["at"]), each["actor"], each["reason"]
        )
        for each in publications
    }

    def add(connection: Connection, number: int) -> int:
        return add_versions(connection, number, versions[number], signs[number])

    return load_in_order(ledger, list(signs), add, where)


def _read_versions(
    connection: Connection, span: Mapping[str, int]
) -> Iterator[tuple[int, Version, str]]:
    for name, make in (
        ("consdb/exposures_of", _record),
        ("consdb/members_of", _members),
        ("consdb/messages_of", read_message),
    ):
        for row in connection.execute(statement(name), span):
            yield row.publication_from, make(row), row.row_sha256


def _name(version: Version) -> str:
    if isinstance(version, LogMessage):
        return f"{version.instrument} exposure_log {version.message_id}"
    table = version.table if isinstance(version, Members) else "exposure"
    return f"{version.instrument} {table} {version.exposure_id}"


def _record(row: Row[Any]) -> ExposureRecord:
    values = {name: _value(name, getattr(row, name)) for name in EXPOSURE_COLUMNS}
    return ExposureRecord(row.instrument, values)


def _value(name: str, value: Any) -> Any:
    """Give what was published: databases have other types for truths and times."""
    if name in _TRUTHS and value is not None:
        return bool(value)
    if name in _INSTANTS and isinstance(value, dt.datetime):
        return value.isoformat(timespec="microseconds")
    return value


def _members(row: Row[Any]) -> Members:
    return Members(
        row.instrument, row.table_name, row.exposure_id, row.day_obs, row.seq_num,
        json.loads(row.members),
    )  # fmt: skip


def _parse(table: pa.Table, where: str) -> tuple[list[dict[str, Any]], dict[int, Additions]]:
    """Read a file strictly; work every row's hash out again, and that of all of a publication."""
    try:
        publications = json.loads((table.schema.metadata or {})[b"dbb.publications"])
        versions = [
            (line["publication"], _read(line["kind"], json.loads(line["said"])))
            for line in table.to_pylist()
        ]
        hashes = [version.sha256 for _, version in versions]
        wanted = table.column("row_sha256").to_pylist()
    except (KeyError, TypeError, ValueError) as error:
        raise BadDocument.for_document(where, f"it holds no exposures: {error}") from error
    check_hashes(hashes, wanted, where)
    additions: dict[int, Additions] = {}
    for about in publications:
        number = about["publication_id"]
        some = [version for each, version in versions if each == number]
        check_hashes([digest_of(each.sha256 for each in some)], [about["digest"]], where)
        additions[number] = Additions(
            [each for each in some if isinstance(each, ExposureRecord)],
            [each for each in some if isinstance(each, Members)],
            [each for each in some if isinstance(each, LogMessage)],
        )
    return publications, additions


def _read(kind: str, said: dict[str, Any]) -> Version:
    if kind == "message":
        said = {
            **said,
            "exposure_flag": ExposureFlag(said["exposure_flag"]),
            "tags": tuple(said["tags"]),
            "date_added": dt.datetime.fromisoformat(said["date_added"]),
        }
    made = _KINDS[kind](**said)
    if isinstance(made, ExposureRecord) and set(made.values) != set(EXPOSURE_COLUMNS):
        raise ValueError("an exposure has other columns")
    return made
