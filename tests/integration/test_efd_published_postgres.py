"""Publishing values of telemetry on PostgreSQL keeps the promises of every database."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import create_engine, make_url, text

from dbb.hooks.ledger import SqlLedger, open_engine
from support.conformance_efd_replication import *  # noqa: F403
from support.conformance_published import *  # noqa: F403
from support.conformance_published import NIGHT, name_of, run, telemetry
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
        connection.execute(text("drop schema if exists efd_latiss cascade"))
        connection.execute(text("drop schema if exists dbb cascade"))
    ledger = SqlLedger(engine, FixedClock(), "test")
    ledger.migrate()
    yield ledger
    engine.dispose()


def test_a_users_query_answers_as_of_a_publication(published, ledger):
    run(published)
    run(published, telemetry(late=45.0))
    query = text(
        f"select wind_mean from {name_of(ledger, 'exposure_efd')} where seq_num = 2"  # noqa: S608
    )
    with ledger.transaction() as connection:
        connection.execute(text("set local dbb.efd_publication = '1'"))
        assert connection.execute(query).scalar_one() == 4.0
        connection.execute(text("set local dbb.efd_publication = ''"))
        assert connection.execute(query).scalar_one() > 5.0
    assert published.values("LATISS", NIGHT, 1)[NIGHT * 100000 + 2][""]["wind_mean"] == 4.0
