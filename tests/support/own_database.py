"""A database of a test's own on the sandbox's PostgreSQL, and an empty ledger in it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, create_engine, make_url, text

from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from support.fake_clock import FixedClock


@contextlib.contextmanager
def own_database(sandbox: Any) -> Iterator[URL]:
    """Make a database; drop it at the end, whoever still has it open."""
    admin = make_url(sandbox.env["DBB_POSTGRES_URL"])
    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    yield admin.set(database=name)
    with engine.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    engine.dispose()


@contextlib.contextmanager
def empty_ledger(database: URL, *schemas: str) -> Iterator[SqlLedger]:
    """Make the ledger of a database anew; other schemas that are named are dropped with it."""
    engine = open_engine(database.render_as_string(hide_password=False))
    with engine.begin() as connection:
        for schema in (*schemas, "dbb"):
            connection.execute(text(f"drop schema if exists {schema} cascade"))
    ledger = SqlLedger(engine, FixedClock(), "test")
    ledger.migrate()
    yield ledger
    engine.dispose()
