"""SQL files of ``include/sql``: one statement a file, loaded by name; schema migrations."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Dialect,
    Engine,
    String,
    TextClause,
    TypeDecorator,
    bindparam,
    inspect,
    text,
)
from sqlalchemy.exc import InternalError, ProgrammingError
from sqlalchemy.types import DateTime, TypeEngine

from dbb.errors import SchemaOutOfDate, ViewsRefused
from dbb.settings import INCLUDE

SQL = INCLUDE / "sql"


class UtcTime(TypeDecorator[dt.datetime]):
    """Bind an aware time; SQLite, which has no such type, gets sortable ISO 8601 text in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose text for SQLite."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> Any:
        """Write a time."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds")


def to_time(value: Any) -> dt.datetime:
    """Read a time column of either database, in UTC."""
    time = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return time.astimezone(dt.UTC)


@cache
def statement(name: str) -> TextClause:
    """Load ``include/sql/<name>.sql``.

    ``:at`` and ``:…_at`` are bound as times, ``in :…`` as lists.
    """
    source = (SQL / f"{name}.sql").read_text(encoding="utf-8")
    clause = text(re.sub(r"^--.*$", "", source, flags=re.MULTILINE).strip())
    binds: list[BindParameter[Any]] = []
    for parameter in sorted(set(re.findall(r"(?<![:\w]):([a-z_0-9]+)", clause.text))):
        if re.search(rf"\bin :{parameter}\b", clause.text):
            binds.append(bindparam(parameter, expanding=True))
        elif parameter == "at" or parameter.endswith("_at"):
            binds.append(bindparam(parameter, type_=UtcTime()))
    return clause.bindparams(*binds)


def migrations(dialect: str) -> list[tuple[int, Path]]:
    """List the schema's migrations for a database, in order."""
    found = []
    for path in sorted((SQL / "schema").glob("*.sql")):
        only = path.name.split(".")[1:-1]
        if not only or only == [dialect]:
            found.append((int(path.name.split("_")[0]), path))
    return found


def migrate(engine: Engine) -> int:
    """Bring a database to the newest schema; each migration and its record share a transaction.

    Returns
    -------
    int
        Number of migrations that were applied.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("create schema if not exists dbb"))
            connection.execute(text("select pg_advisory_xact_lock(20261122)"))
        connection.execute(
            text(
                "create table if not exists schema_migration "
                "(version integer primary key, name text not null, sha256 text not null)"
            )
        )
        done = _versions(connection)
        todo = [
            (version, path)
            for version, path in migrations(engine.dialect.name)
            if version not in done
        ]
        for version, path in todo:
            _apply(connection, version, path)
    return len(todo)


def check_schema(connection: Connection, dialect: str) -> None:
    """Refuse a ledger of another schema.

    Raises
    ------
    SchemaOutOfDate
        If a migration is missing, or the ledger is newer than the program.
    """
    is_ledger = inspect(connection).has_table("schema_migration")
    found = _versions(connection) if is_ledger else set()
    wanted = {version for version, _ in migrations(dialect)}
    if found != wanted:  # a lower number may have come later
        raise SchemaOutOfDate.for_versions(found, wanted)


def _versions(connection: Connection) -> set[int]:
    return {row.version for row in connection.execute(text("select version from schema_migration"))}


def _apply(connection: Connection, version: int, path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for part in re.split(r";[ \t]*\n[ \t]*\n", source):
        code = re.sub(r"--[^\n]*$", "", part, flags=re.MULTILINE).strip()
        if code:
            connection.exec_driver_sql(code)
    connection.execute(
        text("insert into schema_migration values (:version, :name, :sha256)"),
        {
            "version": version,
            "name": path.name,
            "sha256": hashlib.sha256(source.encode()).hexdigest(),
        },
    )


@contextmanager
def naming_refused_views(place: str) -> Iterator[None]:
    """Give a database's refusal to make views its code: a right that misses, or somebody's view upon one of them."""
    try:
        yield
    except (InternalError, ProgrammingError) as error:
        raise ViewsRefused.for_views(place, error.orig) from error
