"""The step that publishes asks once and looks later; the ones that are only answered wait."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import TaskDeferred

from dbb.errors import QservUnavailable
from dbb.flows.qserv_views import Handoff, HandoffRow, Stage
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.qserv.records import SqlQserv
from dbb.hooks.sql import migrate
from dbb.operators.qserv import IndexCatalog, LoadBatch, PublishCatalog, ReconcileRows
from support.fake_clock import FixedClock
from support.qserv_tables import PLAN


class Slow:
    """Publish so slowly that no answer comes."""

    asked = 0
    is_done = False

    def catalog(self, _):
        return {"is_published": self.is_done}

    def publish(self, database):
        self.asked += 1
        raise QservUnavailable.for_cause(database, "ReadTimeout")


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def handoff(tmp_path, monkeypatch, clock):
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    records = SqlQserv(SqlLedger(engine, clock, "test"))
    row = HandoffRow("tiny", "usdf", "tiny", "0" * 64, Stage.PLANNED)
    records.begin(row)
    records.advance(row.name, Stage.RECONCILED)
    made = Handoff(row, PLAN, Slow(), records, SimpleNamespace())
    monkeypatch.setattr(PublishCatalog, "open", lambda *_: made)
    yield made
    engine.dispose()


def test_a_publication_is_asked_for_once_and_looked_at_until_it_is_there(handoff):
    step = PublishCatalog(task_id="publish")
    for event in (None, {}, {}):
        with pytest.raises(TaskDeferred):
            step.execute({}, event)
    assert handoff.server.asked == 1
    handoff.server.is_done = True
    step.execute({}, {})
    assert handoff.records.find("tiny", "usdf").stage is Stage.PUBLISHED
    assert not handoff.records.is_publication_open(handoff.name)


def test_what_was_not_answered_in_a_day_is_asked_for_again(handoff, clock):
    step = PublishCatalog(task_id="publish")
    for event in (None, {}):
        with pytest.raises(TaskDeferred):
            step.execute({}, event)
    clock.advance(25 * 3600)
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            step.execute({}, {})
    assert handoff.server.asked == 2


def test_what_is_only_answered_is_waited_for():
    assert ReconcileRows.patience_s == IndexCatalog.patience_s > LoadBatch.patience_s
