"""The files in which publications travel, and an endpoint's database that they are loaded into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dbb.errors import BadDocument, DbbError
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.publications import exposures, values
from dbb.hooks.sql import to_time
from dbb.model.digest import Digest
from dbb.model.efd import EfdFile, hour_of
from dbb.model.efd_values import FileKind, FileThere, Loaded, PublicationFile

RUN_VERSIONS = 1000
"""Versions after which a run of publications goes on in another file; a publication is never cut."""


class SqlPublicationFiles(LedgerHook):
    """Remember the files of publications; they travel as the archive's files do."""

    def unwritten(self) -> list[PublicationFile]:
        """Name the files that are to be written, in the order of their publications."""
        found = [
            _unwritten(FileKind.VALUES, row, row.instrument)
            for row in self._ledger.rows("publications/unwritten_values")
        ]
        found += [
            _unwritten(FileKind.EXPOSURES, row) for row in self._ledger.rows("publications/damaged")
        ]
        found += _runs(self._ledger.rows("publications/unwritten_exposures"))
        return sorted(found, key=lambda file: file.first)

    def write(self, file: PublicationFile) -> bytes:
        """Give the bytes of a file."""
        if file.kind is FileKind.VALUES:
            return values.write_values(self._ledger, file.first)
        return exposures.write_run(self._ledger, file.first, file.last)

    def note(self, file: PublicationFile, digest: Digest) -> None:
        """Note a file that was written and read back."""
        self._ledger.write(
            "publications/note",
            first_publication=file.first,
            last_publication=file.last,
            kind=str(file.kind),
            topic=file.topic,
            begin_at=file.begin,
            versions=file.versions,
            name=file.name,
            version=file.version,
            size_bytes=digest.size_bytes,
            sha256=digest.sha256,
            adler32=digest.adler32,
            crc32c=digest.crc32c,
        )

    def at_endpoint(self, endpoint: str, after: int) -> list[FileThere]:
        """List the files with publications after one that are published at an endpoint."""
        rows = self._ledger.rows(
            "publications/at_endpoint", endpoint=endpoint, publication_id=after
        )
        return [
            FileThere(row.first_publication, row.last_publication, row.name, row.sha256)
            for row in rows
        ]

    # -- what makes parcels of files asks ------------------------------------------------------

    def loose(self, most: int) -> list[EfdFile]:
        """Read the files that travel in no parcel that is made."""
        return [_file(row) for row in self._ledger.rows("publications/loose", most=most)]

    def assign(self, files: Sequence[EfdFile], unit: str) -> None:
        """Decide in which parcel files travel."""
        self._ledger.write_all(
            "publications/assign",
            [{"first_publication": _id(file), "unit": unit} for file in files],
        )

    def of_unit(self, unit: str) -> list[EfdFile]:
        """Read the files of a parcel that is not made yet."""
        return [_file(row) for row in self._ledger.rows("publications/of_unit", unit=unit)]

    def seal(self, unit: str) -> None:
        """Say that a parcel is made of its files."""
        self._ledger.write("publications/seal", unit=unit)

    def discard(self, file: EfdFile, why: DbbError) -> None:
        """Say that a file is damaged before it travelled; it is written again."""
        del why  # it is in the log; the row says that it is damaged
        self._ledger.write(
            "publications/discard", first_publication=_id(file), version=file.version
        )


class SqlEndpoint(LedgerHook):
    """Load publications into an endpoint's database."""

    def last(self) -> int:
        """Give the number of the last publication that is there."""
        return int(self._ledger.rows("publications/last")[0].last)

    def load(self, data: bytes, where: str) -> Loaded:
        """Add a file's publications, which are checked before.

        Raises
        ------
        BadDocument
            If it is no file of publications, or one before it is not there yet.
        DigestMismatch
            If its rows are not those whose hashes it has.
        """
        try:
            table = pq.read_table(pa.BufferReader(data))
        except pa.ArrowException as error:
            raise BadDocument.for_document(where, str(error)) from error
        schema = (table.schema.metadata or {}).get(b"dbb.schema")
        if schema == values.SCHEMA.encode():
            return values.load_values(self._ledger, table, where)
        if schema == exposures.SCHEMA.encode():
            return exposures.load_run(self._ledger, table, where)
        raise BadDocument.for_document(where, "it holds no publications")


def _unwritten(kind: FileKind, row: Any, instrument: str = "") -> PublicationFile:
    return PublicationFile(
        kind, row.first_publication, row.last_publication, to_time(row.begin_at), instrument,
        row.versions, row.version + 1,
    )  # fmt: skip


def _runs(rows: Sequence[Any]) -> Iterator[PublicationFile]:
    """Put publications that follow each other into one file, up to a number of versions."""
    run: list[Any] = []
    for row in rows:
        versions = sum(each.versions for each in run)
        is_next = bool(run) and row.publication_id == run[-1].publication_id + 1
        if run and (not is_next or versions + row.versions > RUN_VERSIONS):
            yield _run(run)
            run = []
        run.append(row)
    if run:
        yield _run(run)


def _run(rows: Sequence[Any]) -> PublicationFile:
    begin = hour_of(to_time(rows[0].at))
    versions = sum(each.versions for each in rows)
    first, last = rows[0].publication_id, rows[-1].publication_id
    return PublicationFile(FileKind.EXPOSURES, first, last, begin, "", versions)


def _id(file: EfdFile) -> int:
    return int(file.notes["publication"])


def _file(row: Any) -> EfdFile:
    return EfdFile(
        topic=row.topic,
        begin=to_time(row.begin_at),
        version=row.version,
        name=row.name,
        rows=row.versions,
        content_sha256=row.sha256,
        digest=Digest(int(row.size_bytes), row.sha256, row.adler32, row.crc32c),
        unit=row.unit,
        notes={"publication": str(row.first_publication)},
    )
