"""A source that dies or answers wrongly: the hour stays open, and only that one."""

from __future__ import annotations

import pytest

from dbb.errors import EfdSchemaChanged, EfdUnavailable
from dbb.hooks.influx import Influx
from dbb.model.efd import CellState
from support.cutter import Cutter
from support.efd_world import BEGIN_NS, EVENT, MOUNT


def test_a_source_that_dies_in_mid_read_leaves_nothing_and_the_next_run_heals(
    efd, server, monkeypatch
):
    monkeypatch.setattr("dbb.hooks.efd.source.PIECE_VALUES", 300)
    monkeypatch.setattr("dbb.hooks.efd.copying.GROUP_VALUES", 200)
    efd.fill(step_s=1)
    cutter = Cutter(server.port(), 60_000)
    dying = Influx(cutter.url, efd.database)
    efd.use(dying)
    with pytest.raises(EfdUnavailable, match="1 hours"):
        efd.run()
    dying.close()
    cutter.close()
    assert (efd.cell().state, efd.cell().code) == (CellState.OPEN, "efd-unavailable")
    assert efd.cell().attempts == 1
    assert [name for name in efd.efd.store.names if MOUNT in name] == []
    efd.use(efd.influx)
    assert efd.run()["extracted"] == 1
    assert efd.file().rows == 3600


def test_an_answer_without_some_points_is_not_believed(efd, monkeypatch):
    efd.fill()
    read = type(efd.efd.source).read

    def forgetful(*arguments):
        for batch in read(*arguments):
            yield batch.slice(1)

    monkeypatch.setattr(type(efd.efd.source), "read", forgetful)
    with pytest.raises(EfdUnavailable, match="it gave 59 of 60 points"):
        efd.run()
    assert efd.cell().state is CellState.OPEN
    assert [name for name in efd.efd.store.names if MOUNT in name] == []


def test_a_field_that_comes_while_its_hour_is_read_is_not_missed(efd, monkeypatch):
    efd.fill()
    counts = type(efd.efd.source).counts

    def late(self, *arguments):
        efd.write(MOUNT, BEGIN_NS + 5, brand_new=1.5, private_seqNum=99)
        return counts(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(type(efd.efd.source), "counts", late)
        with pytest.raises(EfdUnavailable, match="fields changed while it was read"):
            efd.run()
    assert efd.cell().state is CellState.OPEN
    efd.run()
    assert efd.parquet().read().column("brand_new").to_pylist()[1] == 1.5


def test_a_value_of_another_type_than_its_field_costs_its_hour_only(efd, monkeypatch):
    efd.fill(hours=2)
    query = type(efd.influx).query

    def wrong(self, statement, *arguments):
        for series in query(self, statement, *arguments):
            is_bad = "AS" in statement and f"time >= {BEGIN_NS} " in statement
            rows = [[row[0], "text", *row[2:]] for row in series.rows] if is_bad else series.rows
            yield series._replace(rows=rows)

    efd.at(2)
    with monkeypatch.context() as patch:
        patch.setattr(type(efd.influx), "query", wrong)
        with pytest.raises(EfdSchemaChanged, match="a value is no double"):
            efd.run(hours=2)
    assert (efd.cell().state, efd.cell().code) == (CellState.OPEN, "efd-schema-changed")
    assert efd.cell(hour=1).state is CellState.EXTRACTED
    efd.run(hours=2)
    assert efd.cell().state is CellState.EXTRACTED


def test_one_bad_topic_costs_itself_only(efd, monkeypatch):
    efd.fill(hours=4)
    efd.fill(EVENT, hours=4)
    shape = type(efd.efd.source).shape

    def refuses(self, name):
        if name == MOUNT:
            raise EfdUnavailable.for_query(name, "query-timeout limit exceeded")
        return shape(self, name)

    monkeypatch.setattr(type(efd.efd.source), "shape", refuses)
    efd.at(4)
    with pytest.raises(EfdUnavailable):
        efd.run(hours=4)
    assert {efd.cell(EVENT, hour).state for hour in range(4)} == {CellState.EXTRACTED}
    assert {efd.cell(MOUNT, hour).code for hour in range(4)} <= {
        "efd-unavailable",
        "efd-not-extracted",
    }
