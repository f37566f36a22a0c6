"""Engines of SQLAlchemy for the ledger's database, PostgreSQL or SQLite, with what both must know."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Engine, create_engine, event

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 120
"""A database that hangs must not hold workers and pages for ever."""


def open_engine(url: str) -> Engine:
    """Connect to a ledger: schema ``dbb`` of a PostgreSQL database, or an SQLite file."""
    if url.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": 60})
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    options = f"-csearch_path=dbb -cstatement_timeout={STATEMENT_TIMEOUT_S * 1000}"
    connect_args = {"options": options, "connect_timeout": CONNECT_TIMEOUT_S}
    return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args=connect_args)


class _StringAgg:
    """Join texts in a group, as PostgreSQL's function of that name does."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.between = ""

    def step(self, text: str | None, between: str) -> None:
        self.between = between
        if text is not None:
            self.parts.append(text)

    def finalize(self) -> str | None:
        return self.between.join(self.parts) if self.parts else None


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def _microseconds(time: str | None) -> int | None:
    """Count from 1970, as the schema's function of that name does on PostgreSQL."""
    return None if time is None else (dt.datetime.fromisoformat(time) - _EPOCH) // MICROSECOND


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.create_aggregate("string_agg", 2, _StringAgg)
    connection.create_function("microseconds", 1, _microseconds, deterministic=True)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma foreign_keys = on")
