"""Publishing values of telemetry on PostgreSQL keeps the promises of every database."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from support.conformance_efd_replication import *  # noqa: F403
from support.conformance_published import *  # noqa: F403
from support.conformance_published import NIGHT, name_of, run, telemetry
from support.own_database import empty_ledger, own_database

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def database(sandbox):
    """Give the address of a database of this module's own."""
    with own_database(sandbox) as made:
        yield made


@pytest.fixture
def ledger(database):
    with empty_ledger(database, "efd_latiss") as made:
        yield made


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
