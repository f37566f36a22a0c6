"""The ledger on PostgreSQL keeps the promises of every ledger."""

from __future__ import annotations

import pytest

from support.conformance_annex import *  # noqa: F403
from support.conformance_keeping import *  # noqa: F403
from support.conformance_ledger import *  # noqa: F403
from support.conformance_pages import *  # noqa: F403
from support.own_database import empty_ledger, own_database

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def database(sandbox):
    """Give the address of a database of this module's own."""
    with own_database(sandbox) as made:
        yield made


@pytest.fixture
def ledger(database):
    with empty_ledger(database) as made:
        yield made
