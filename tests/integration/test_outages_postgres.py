"""The account of outages over a ledger in PostgreSQL."""

import pytest

from support.conformance_outages import *  # noqa: F403
from support.conformance_outages import take
from support.own_database import own_database
from support.world import World, run_night

pytestmark = pytest.mark.sandbox


@pytest.fixture
def world(sandbox):
    with own_database(sandbox) as database:
        made = World(ledger_url=database.render_as_string(hide_password=False))
        take(made, 1)
        run_night(made)
        yield made
        made.ledger.engine.dispose()
