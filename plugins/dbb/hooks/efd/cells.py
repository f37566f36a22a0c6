"""What the ledger's database knows of the archive of the Engineering and Facilities Database."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from dbb.errors import DbbError
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement, to_time
from dbb.model.digest import Digest
from dbb.model.efd import (
    Cell,
    CellState,
    Copied,
    Count,
    EfdFile,
    fields_json,
    from_ns,
)


class SqlEfdCells(LedgerHook):
    """Remember cells and files."""

    # -- cells ---------------------------------------------------------------------------------

    def expect(self, cells: Iterable[tuple[str, dt.datetime]], why: DbbError) -> int:
        """Open cells that are not known; give their number."""
        new = [{"topic": topic, "begin_at": begin, **self._told(why)} for topic, begin in cells]
        with self._ledger.transaction() as connection:
            return sum(connection.execute(statement("efd/expect"), row).rowcount for row in new)

    def first(self) -> dt.datetime | None:
        """Give the first hour that was ever expected."""
        (row,) = self._ledger.rows("efd/first")
        return None if row.begin_at is None else to_time(row.begin_at)

    def cells(self, topics: Sequence[str], begin: dt.datetime, end: dt.datetime) -> list[Cell]:
        """Read the cells of topics that begin in a span of time."""
        rows = self._ledger.rows("efd/cells", topics=list(topics), begin_at=begin, end_at=end)
        return [_cell(row) for row in rows]

    def open(
        self, topics: Sequence[str], begin: dt.datetime, end: dt.datetime, most: int
    ) -> list[Cell]:
        """Read the cells to extract: those that failed least first, and of these the newest."""
        rows = self._ledger.rows(
            "efd/open", topics=list(topics), begin_at=begin, end_at=end, most=most
        )
        return [_cell(row) for row in rows]

    def fail(self, cell: Cell, why: DbbError) -> None:
        """Record that a cell could not be extracted."""
        self._change("efd/fail", cell, **self._told(why))

    def reopen(self, cell: Cell, why: DbbError) -> None:
        """Have a cell extracted again."""
        self._change("efd/reopen", cell, **self._told(why))

    def mark(self, cell: Cell, why: DbbError | None) -> None:
        """Say what is wrong with a cell's source, or that nothing is any more."""
        self._change("efd/mark", cell, **self._told(why))

    def settle(self, cell: Cell, state: CellState, count: Count, why: DbbError | None) -> None:
        """Record what a cell is whose current file stays what it was; or that has none."""
        values = self._filled(cell, state, cell.version, count, cell.last_at)
        self._ledger.write("efd/fill", **values, **self._told(why))

    def fill(self, cell: Cell, version: int, name: str, count: Count, copied: Copied) -> None:
        """Record a new file, and that it is a cell's current one."""
        key = {"topic": cell.topic, "begin_at": cell.begin, "version": version}
        row = {
            "name": name,
            "rows_written": copied.rows,
            "first_ns": copied.first_ns,
            "last_ns": copied.last_ns,
            "content_sha256": copied.content_sha256,
            "schema_sha256": copied.schema_sha256,
            "notes": json.dumps(dict(copied.remarks), sort_keys=True),
            "size_bytes": copied.digest.size_bytes,
            "sha256": copied.digest.sha256,
            "adler32": copied.digest.adler32,
            "crc32c": copied.digest.crc32c,
            "actor": self._ledger.actor,
        }
        schema = {"schema_sha256": copied.schema_sha256, "fields": fields_json(copied.fields)}
        last_at = from_ns(copied.last_ns)
        values = self._filled(cell, CellState.EXTRACTED, version, count, last_at)
        with self._ledger.transaction() as connection:
            connection.execute(statement("efd/note_schema"), schema)
            connection.execute(statement("efd/note_file"), {**key, **row, "at": self._ledger.now()})
            connection.execute(statement("efd/fill"), {**values, **self._told(None)})

    # -- files ---------------------------------------------------------------------------------

    def current(self, topic: str, begin: dt.datetime, end: dt.datetime) -> list[EfdFile]:
        """Read a topic's current files of the hours that begin in a span, in order."""
        rows = self._ledger.rows("efd/current", topic=topic, begin_at=begin, end_at=end)
        return [_file(row) for row in rows]

    def remarks(self, begin: dt.datetime, end: dt.datetime) -> list[EfdFile]:
        """Read the current files with something remarkable about them, of a span of time."""
        return [_file(row) for row in self._ledger.rows("efd/remarks", begin_at=begin, end_at=end)]

    def claim(self, cell: Cell) -> int:
        """Take the next version of a cell's files, which nobody else gets."""
        key = {"topic": cell.topic, "begin_at": cell.begin}
        with self._ledger.transaction() as connection:
            connection.execute(statement("efd/claim"), key)
            return int(connection.execute(statement("efd/claimed"), key).scalar_one())

    def fields_before(self, cell: Cell) -> dict[str, str] | None:
        """Give a topic's fields in its last file before a cell."""
        rows = self._ledger.rows("efd/schema_before", topic=cell.topic, begin_at=cell.begin)
        return json.loads(rows[0].fields) if rows else None

    def loose(self, most: int) -> list[EfdFile]:
        """Read the files that travel in no parcel that is made."""
        return [_file(row) for row in self._ledger.rows("efd/loose", most=most)]

    def assign(self, files: Sequence[EfdFile], unit: str) -> None:
        """Decide in which parcel files travel."""
        self._ledger.write_all("efd/assign", [{**_key(file), "unit": unit} for file in files])

    def of_unit(self, unit: str) -> list[EfdFile]:
        """Read the files of a parcel that is not made yet."""
        return [_file(row) for row in self._ledger.rows("efd/of_unit", unit=unit)]

    def seal(self, unit: str) -> None:
        """Say that a parcel is made of its files."""
        self._ledger.write("efd/seal", unit=unit)

    def discard(self, file: EfdFile, why: DbbError) -> None:
        """Say that a file is damaged before it travelled; its cell is extracted again."""
        told = {"topic": file.topic, "begin_at": file.begin, **self._told(why)}
        with self._ledger.transaction() as connection:
            connection.execute(statement("efd/discard"), _key(file))
            connection.execute(statement("efd/reopen"), told)

    def _change(self, name: str, cell: Cell, **values: Any) -> None:
        self._ledger.write(name, topic=cell.topic, begin_at=cell.begin, **values)

    def _told(self, why: DbbError | None) -> dict[str, Any]:
        code, reason = ("", "") if why is None else (why.code, why.message)
        return {"code": code, "reason": reason, "at": self._ledger.now()}

    def _filled(
        self,
        cell: Cell,
        state: CellState,
        version: int,
        count: Count,
        last_at: dt.datetime | None,
    ) -> dict[str, Any]:
        return {
            "topic": cell.topic,
            "begin_at": cell.begin,
            "state": str(state),
            "version": version,
            "points": count.points,
            "seq_sum": count.seq_sum,
            "last_at": last_at,
        }


def _key(file: EfdFile) -> dict[str, Any]:
    return {"topic": file.topic, "begin_at": file.begin, "version": file.version}


def _cell(row: Any) -> Cell:
    return Cell(
        topic=row.topic,
        begin=to_time(row.begin_at),
        state=CellState(row.state),
        code=row.code,
        reason=row.reason,
        attempts=row.attempts,
        version=row.version,
        count=Count(int(row.points), None if row.seq_sum is None else int(row.seq_sum)),
        last_at=None if row.last_at is None else to_time(row.last_at),
    )


def _file(row: Any) -> EfdFile:
    return EfdFile(
        topic=row.topic,
        begin=to_time(row.begin_at),
        version=row.version,
        name=row.name,
        rows=int(row.rows_written),
        content_sha256=row.content_sha256,
        digest=Digest(int(row.size_bytes), row.sha256, row.adler32, row.crc32c),
        unit=row.unit,
        notes=json.loads(row.notes),
    )
