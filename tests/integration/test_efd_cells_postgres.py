"""The archive's cells on PostgreSQL keep the promises of every ledger."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import create_engine, make_url, text

from dbb.hooks.ledger import SqlLedger, open_engine
from support.conformance_efd_cells import *  # noqa: F403
from support.fake_clock import FixedClock

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def database(sandbox):
    """Give the address of a database of this module's own."""
    admin = make_url(sandbox.env["DBB_POSTGRES_URL"])
    name = f"efd_{uuid.uuid4().hex[:12]}"
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    yield admin.set(database=name)
    with engine.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    engine.dispose()


@pytest.fixture
def ledger(database):
    engine = open_engine(database.render_as_string(hide_password=False))
    with engine.begin() as connection:
        connection.execute(text("drop schema if exists dbb cascade"))
    ledger = SqlLedger(engine, FixedClock(), "test")
    ledger.migrate()
    yield ledger
    engine.dispose()
