"""A load that went wrong is not committed, or not published."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dbb.errors import LoadRefused, QservStuck
from dbb.flows import qserv_ingesting
from dbb.flows.qserv_handoff import publish_catalog, reconcile_rows
from dbb.flows.qserv_ingesting import load_batch
from support.qserv_handoff import hand_over, load_all, prepare, wait, write_inputs, write_tables
from support.qserv_place import plant

pytestmark = pytest.mark.qserv


def test_blanks_that_the_database_dropped_are_seen_by_sql(handoff, tmp_path, monkeypatch):
    monkeypatch.setattr("dbb.hooks.qserv.staging.find_misfits", lambda *_: [])
    inputs, paths = write_inputs(tmp_path, rows=20)
    inputs = [each for each in inputs if each.table != "Visit"]
    (visits,), at = write_tables(
        tmp_path, {"Visit a": pa.table({"visit": [1, 2], "band": ["u", " "]})}
    )
    with pytest.raises(LoadRefused, match=r"band least: 1\.0 expected, 0\.0 found"):
        hand_over(handoff, [*inputs, visits], {**paths, **at}, wait)


def test_a_warning_stops_the_commit(contract, handoff, inputs):
    prepare(handoff, *inputs)
    plant(contract, "warn", match={"table": "Object"})
    with pytest.raises(LoadRefused, match="warnings"):
        load_all(handoff, wait)
    states = {
        each.state for each in handoff.records.attempts(handoff.name) if each.table == "Object"
    }
    assert "aborted" in states


@pytest.mark.usefixtures("only_here")
def test_a_file_that_changed_after_it_was_described_stops_the_commit(handoff, inputs, tmp_path):
    prepare(handoff, *inputs)
    (file, *_) = handoff.records.files(handoff.name, "Object", 0)
    path = tmp_path / "staging" / file.path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(LoadRefused, match="rows"):
        load_batch(handoff, "Object", 0, wait)


@pytest.mark.usefixtures("only_here")
def test_a_file_that_is_gone_is_given_up_after_three_attempts(handoff, inputs, tmp_path):
    prepare(handoff, *inputs)
    (file, *_) = handoff.records.files(handoff.name, "Object", 0)
    (tmp_path / "staging" / file.path).unlink()
    with pytest.raises(QservStuck, match=r"could not be read|READ_FAILED"):
        load_batch(handoff, "Object", 0, wait)


def test_rows_that_came_twice_are_not_published(handoff, inputs, client):
    prepare(handoff, *inputs)
    load_all(handoff, wait)
    database = handoff.plan.database
    twice = client.start(database, {"handoff": "another program's"})
    (file, *_) = handoff.records.files(handoff.name, "Object", 0)
    (where,) = client.allocate(twice, [file.chunk])
    qserv_ingesting._send(handoff, where, twice, file)
    while client.transaction(twice).contributions[0].status == "IN_PROGRESS":
        wait()
    client.end(twice, abort=False)
    with pytest.raises(LoadRefused, match="0 expected"):
        reconcile_rows(handoff)
    with pytest.raises(LoadRefused, match="not reconciled"):
        publish_catalog(handoff)
