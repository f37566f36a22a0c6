"""Publishing values of telemetry on SQLite keeps the promises of every database."""

import pytest

from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from support.conformance_efd_replication import *  # noqa: F403
from support.conformance_published import *  # noqa: F403
from support.fake_clock import FixedClock


@pytest.fixture
def ledger(tmp_path):
    ledger = SqlLedger(open_engine(f"sqlite:///{tmp_path}/ledger.db"), FixedClock(), "test")
    ledger.migrate()
    yield ledger
    ledger.engine.dispose()
