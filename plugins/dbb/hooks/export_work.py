"""The notes of an export in the making: a small database beside it, so that memory stays small.

What was pinned stays pinned: killed anywhere, the same command goes on from here.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dbb.errors import ExportRefused
from dbb.model.export import Pinned, Unavailable, Wanted

_SCHEMA = """
create table if not exists note (name text primary key, value text not null);
create table if not exists wanted (id text primary key, unit text not null, line text not null);
create index if not exists wanted_unit on wanted (unit);
create table if not exists pinned (
    id text primary key, path text not null, folded text not null, bytes integer not null,
    stored_name text not null, line blob not null);
create index if not exists pinned_path on pinned (path);
create index if not exists pinned_folded on pinned (folded);
create index if not exists pinned_stored on pinned (stored_name);
create table if not exists earlier (id text primary key) without rowid;
create table if not exists unavailable (what text primary key, why text not null);
"""


class ExportWork:
    """Keep what an export has selected and pinned; one process at a time.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ExportRefused
        If another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = path.open("ab")  # closed last: closing it frees what SQLite has locked
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ExportRefused.for_other(f"{path}: somebody is making it") from None
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file; again is nothing."""
        self._db.close()
        self._lock.close()

    def remove(self) -> None:
        """Delete and close the file: the export is whole."""
        self._path.unlink(missing_ok=True)
        self.close()

    def note(self, name: str, value: Any) -> None:
        """Write a note down."""
        self._db.execute("insert or replace into note values (?, ?)", (name, json.dumps(value)))

    def read(self, name: str) -> Any:
        """Read a note; None where there is no such one."""
        row = self._db.execute("select value from note where name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def restart(self) -> None:
        """Forget a selection that was not finished."""
        for table in ("wanted", "pinned", "unavailable"):
            self._db.execute(f"delete from {table}")  # noqa: S608 - its own names

    def want(self, rows: Iterable[tuple[str, Wanted]]) -> None:
        """Keep datasets that are wanted, each with its unit; again is nothing."""
        lines = (
            (
                each.dataset_id,
                unit,
                json.dumps([each.dataset_type, each.run, dict(each.data_id), each.url]),
            )
            for unit, each in rows
        )
        self._db.execute("begin")
        self._db.executemany("insert or ignore into wanted values (?, ?, ?)", lines)
        self._db.execute("commit")

    def units(self) -> Iterator[str]:
        """Name the units of what is wanted, in order."""
        for (unit,) in self._db.execute(
            "select distinct unit from wanted order by unit"
        ).fetchall():
            yield unit

    def wanted_of(self, unit: str) -> list[Wanted]:
        """List what is wanted of a unit."""
        found = self._db.execute("select id, line from wanted where unit = ? order by id", (unit,))
        return [Wanted(name, *json.loads(line)) for name, line in found]

    def note_earlier(self, dataset_ids: Iterable[str]) -> None:
        """Note datasets that an earlier export has; again is nothing."""
        self._db.execute("begin")
        self._db.executemany(
            "insert or ignore into earlier values (?)", ((each,) for each in dataset_ids)
        )
        self._db.execute("commit")

    def knows_earlier(self, dataset_ids: Sequence[str]) -> set[str]:
        """Name those of some datasets that an earlier export has."""
        found = self._db.execute(
            "select id from earlier where id in (select value from json_each(?))",
            (json.dumps(list(dataset_ids)),),
        )
        return {name for (name,) in found}

    def pin(self, rows: Iterable[Pinned]) -> None:
        """Pin datasets."""
        self._db.execute("begin")
        self._db.executemany(
            "insert or replace into pinned values (?, ?, ?, ?, ?, ?)",
            (
                (
                    each.dataset_id,
                    each.path,
                    each.path.casefold(),
                    each.size_bytes,
                    each.stored_name,
                    each.to_line(),
                )
                for each in rows
            ),
        )
        self._db.execute("commit")

    def refuse(self, rows: Iterable[Unavailable]) -> None:
        """Note what is wanted and cannot go out."""
        self._db.execute("begin")
        self._db.executemany(
            "insert or ignore into unavailable values (?, ?)",
            ((each.what, each.why) for each in rows),
        )
        self._db.execute("commit")

    def unavailable(self) -> list[Unavailable]:
        """List what is wanted and cannot go out."""
        found = self._db.execute("select what, why from unavailable order by what")
        return [Unavailable(*row) for row in found]

    def takes(self, path: str, dataset_id: str) -> bool:
        """Say whether another file has a path already, or one that differs in case alone."""
        found = self._db.execute(
            "select 1 from pinned where folded = ? and path <> ? and id <> ?",
            (path.casefold(), path, dataset_id),
        )
        return found.fetchone() is not None

    def totals(self) -> tuple[int, int, int]:
        """Count the datasets, the files and their bytes."""
        (datasets,) = self._db.execute("select count(*) from pinned").fetchone()
        files, size = self._db.execute(
            "select count(*), coalesce(sum(bytes), 0) from (select path, max(bytes) bytes from pinned group by path)"
        ).fetchone()
        return int(datasets), int(files), int(size)

    def stored_names(self) -> list[str]:
        """Name the stored files that datasets come from."""
        found = self._db.execute("select distinct stored_name from pinned order by stored_name")
        return [name for (name,) in found]

    def pinned_in(self, stored_name: str) -> list[Pinned]:
        """List the pinned datasets of a stored file."""
        found = self._db.execute(
            "select line from pinned where stored_name = ? order by path", (stored_name,)
        )
        return [Pinned.from_line(line) for (line,) in found]

    def pinned(self) -> Iterator[Pinned]:
        """List all pinned datasets by path; the reader may not change anything meanwhile."""
        for (line,) in self._db.execute("select line from pinned order by path, id"):
            yield Pinned.from_line(line)

    def pinned_paths(self, at_once: int) -> Iterator[dict[str, str]]:
        """List where each dataset lies, by UUID, in pieces."""
        cursor = self._db.execute("select id, path from pinned order by path, id")
        while rows := cursor.fetchmany(at_once):
            yield dict(rows)
