"""The files in which publications of values travel, and an endpoint's database that they are loaded into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dbb.errors import DbbError
from dbb.hooks.efd.publication_files import load_publication, write_publication
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sql import statement, to_time
from dbb.model.digest import Digest
from dbb.model.efd import EfdFile
from dbb.model.efd_values import Publication, ValuesFile


class SqlValuesFiles:
    """Remember the files of publications; they travel as the archive's files do.

    Parameters
    ----------
    ledger
        The archive's database.
    """

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def unwritten(self) -> list[ValuesFile]:
        """Name the files that are to be written, in the order of their publications."""
        return [
            ValuesFile.of(
                row.publication_id, row.instrument, to_time(row.begin_at), row.version + 1
            )
            for row in self._ledger.rows("efd/values_unwritten")
        ]

    def write(self, publication_id: int) -> bytes:
        """Give a publication as the bytes of a file."""
        return write_publication(self._ledger, publication_id)

    def note(self, file: ValuesFile, digest: Digest) -> None:
        """Note a file that was written and read back."""
        row = {
            "publication_id": file.publication_id,
            "name": file.name,
            "version": file.version,
            "size_bytes": digest.size_bytes,
            "sha256": digest.sha256,
            "adler32": digest.adler32,
            "crc32c": digest.crc32c,
        }
        self._change("efd/values_note", row)

    def at_endpoint(self, endpoint: str, after: int) -> list[tuple[int, str, str]]:
        """List number, name and sha256 of the files after a publication that are published there."""
        rows = self._ledger.rows("efd/values_at_endpoint", endpoint=endpoint, publication_id=after)
        return [(row.publication_id, row.name, row.sha256) for row in rows]

    # -- what makes parcels of files asks ------------------------------------------------------

    def loose(self, most: int) -> list[EfdFile]:
        """Read the files that travel in no parcel that is made."""
        return [_file(row) for row in self._ledger.rows("efd/values_loose", most=most)]

    def assign(self, files: Sequence[EfdFile], unit: str) -> None:
        """Decide in which parcel files travel."""
        self._change(
            "efd/values_assign", [{"publication_id": _id(file), "unit": unit} for file in files]
        )

    def of_unit(self, unit: str) -> list[EfdFile]:
        """Read the files of a parcel that is not made yet."""
        return [_file(row) for row in self._ledger.rows("efd/values_of_unit", unit=unit)]

    def seal(self, unit: str) -> None:
        """Say that a parcel is made of its files."""
        self._change("efd/values_seal", {"unit": unit})

    def discard(self, file: EfdFile, why: DbbError) -> None:
        """Say that a file is damaged before it travelled; the publication is written again."""
        del why  # it is in the log; the row says that it is damaged
        key = {"publication_id": _id(file), "version": file.version}
        self._change("efd/values_discard", key)

    def _change(self, name: str, values: Any) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(statement(name), values)


class SqlEndpointValues:
    """Load publications into an endpoint's database.

    Parameters
    ----------
    ledger
        That database.
    bands
        By instrument and physical filter, the band.
    """

    def __init__(self, ledger: SqlLedger, bands: Mapping[str, Mapping[str, str]]) -> None:
        self._ledger = ledger
        self._bands = bands

    def last(self) -> int:
        """Give the number of the last publication that is there."""
        return int(self._ledger.rows("efd/last_publication")[0].last)

    def load(self, data: bytes, where: str) -> Publication:
        """Add a publication, which is checked before."""
        return load_publication(self._ledger, data, where, self._bands)


def _id(file: EfdFile) -> int:
    return int(file.notes["publication"])


def _file(row: Any) -> EfdFile:
    return EfdFile(
        topic=f"values.{row.instrument}",
        begin=to_time(row.begin_at),
        version=row.version,
        name=row.name,
        rows=row.versions,
        content_sha256=row.sha256,
        digest=Digest(int(row.size_bytes), row.sha256, row.adler32, row.crc32c),
        unit=row.unit,
        notes={"publication": str(row.publication_id)},
    )
