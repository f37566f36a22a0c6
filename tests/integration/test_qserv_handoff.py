"""A release handed over to the contract server, or with `--qserv-url` to a real Qserv: exactly once, or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter

import pymysql
import pytest
import requests

from dbb.errors import LoadRefused, QservRefused, QservStuck, QservUnavailable, QservUnfit
from dbb.flows import qserv_ingesting
from dbb.flows.qserv_handoff import (
    preflight,
    publish_catalog,
    reconcile_rows,
    register_catalog,
    roll_back,
)
from dbb.flows.qserv_ingesting import advance_batch, load_batch
from dbb.flows.qserv_views import Stage
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.czar import QservCzar
from dbb.hooks.qserv.records import SqlQserv
from dbb.hooks.sql import migrate
from support.fake_clock import FixedClock
from support.qserv_handoff import finish, hand_over, load_all, make_handoff, prepare, write_inputs
from support.qserv_place import RealQserv, running_contract

pytestmark = pytest.mark.qserv


@pytest.fixture(scope="module")
def contract(tmp_path_factory, request):
    """Give a contract server of the tests' own, or the real one that is named."""
    if url := request.config.getoption("--qserv-url"):
        yield RealQserv(url)
        return
    with running_contract(request.config.rootpath, tmp_path_factory.mktemp("qserv")) as server:
        yield server


@pytest.fixture
def only_here(contract):
    """Skip what a real Qserv has no switch for, or cannot reach."""
    if isinstance(contract, RealQserv):
        pytest.skip("a real Qserv has no switch for this")


def mend(contract):
    if not isinstance(contract, RealQserv):
        requests.delete(f"{contract.url()}/_faults", timeout=5)


@pytest.fixture
def client(contract):
    mend(contract)
    client = QservClient(contract.url(), contract.auth_key, contract.admin_auth_key)
    yield client
    client.close()
    mend(contract)


@pytest.fixture
def records(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    yield SqlQserv(SqlLedger(engine, FixedClock(), "test"), FixedClock())
    engine.dispose()


@pytest.fixture
def handoff(contract, client, records, tmp_path):
    login = contract.czar()
    czar = QservCzar(login["host"], login["port"], login["user"], login["password"])
    served = (
        "push" if isinstance(contract, RealQserv) else ""
    )  # it cannot reach this machine's files
    made = make_handoff(
        f"dbb_{uuid.uuid4().hex[:8]}", client, records, tmp_path / "staging", czar, served=served
    )
    yield made
    if isinstance(contract, RealQserv) and client.catalog(made.plan.database) is not None:
        for each in client.transactions(made.plan.database):
            if each.state == "STARTED":
                client.end(each.id, abort=True)
        client.delete_database(made.plan.database)


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path)


def wait():
    time.sleep(0.05)


def plant(contract, kind, times=1, match=None, **more):
    if isinstance(contract, RealQserv):
        pytest.skip("a real Qserv has no switch for this")
    requests.post(
        f"{contract.url()}/_faults",
        json={"kind": kind, "times": times, "match": match or {}, **more},
        timeout=5,
    ).raise_for_status()


def keys(contract, handoff, table="Object", column="objectId"):
    """Count each key of a published table."""
    with pymysql.connect(**contract.czar()) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {column} from `{handoff.plan.database}`.`{table}`")  # noqa: S608
        return Counter(row[0] for row in cursor.fetchall())


def test_a_release_becomes_a_published_catalogue(contract, handoff, inputs):
    hand_over(handoff, *inputs, wait)
    assert keys(contract, handoff) == Counter(range(400))
    assert keys(contract, handoff, "ForcedSource") == Counter(dict.fromkeys(range(400), 3))
    assert keys(contract, handoff, "Visit", "visit") == Counter(range(7))
    assert handoff.records.find("tiny", handoff.row.endpoint).stage is Stage.VERIFIED
    checks = handoff.records.checks(handoff.name)
    assert len(checks) > 20
    assert all(check.is_right for check in checks)


def test_again_changes_nothing(contract, handoff, inputs):
    hand_over(handoff, *inputs, wait)
    attempts = handoff.records.attempts(handoff.name)
    publish_catalog(handoff)
    load_all(handoff, wait)
    assert handoff.records.attempts(handoff.name) == attempts
    assert keys(contract, handoff) == Counter(range(400))


def test_a_file_is_one_contribution(handoff, inputs, client):
    hand_over(handoff, *inputs, wait)
    for attempt in handoff.records.attempts(handoff.name):
        made = client.transaction(attempt.transaction).contributions
        files = handoff.records.files(handoff.name, attempt.table, attempt.batch)
        is_partitioned = handoff.plan.table(attempt.table).rule.is_partitioned
        workers = 1 if is_partitioned else client.workers()
        assert len(made) == len(files) * workers


LOST = {
    "starting": {"kind": "lost", "match": {"path": "/ingest/trans", "method": "POST"}},
    "allocating": {"kind": "lost", "match": {"path": "/ingest/chunks"}},
    "submitting": {"kind": "lost", "match": {"path": "/ingest/file-async"}, "times": 3},
    "not submitting": {"kind": "refuse", "match": {"path": "/ingest/file-async"}, "times": 3},
    "committing": {"kind": "lost", "match": {"path": "/ingest/trans/*", "method": "PUT"}},
    "not committing": {"kind": "refuse", "match": {"path": "/ingest/trans/*", "method": "PUT"}},
    "reading": {"kind": "status", "match": {"path": "/ingest/trans*", "method": "GET"}, "times": 2},
    "a worker dies": {"kind": "kill", "match": {"stage": "read"}},
    "a worker dies in a load": {"kind": "kill", "match": {"stage": "load"}},
    "disk full": {"kind": "disk_full"},
    "slow": {"kind": "slow", "match": {"stage": "load"}, "seconds": 1, "times": 2},
    "commit fails": {"kind": "fail", "match": {"path": "/ingest/trans/*", "method": "PUT"}},
    "start fails": {"kind": "fail", "match": {"path": "/ingest/trans", "method": "POST"}},
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_whatever_is_lost_every_row_is_there_once(contract, handoff, inputs, fault):
    prepare(handoff, *inputs)
    plant(contract, **fault)
    for _ in range(5):
        try:
            load_all(handoff, wait)
            break
        except (QservUnavailable, QservRefused):
            continue
    finish(handoff)
    assert keys(contract, handoff) == Counter(range(400))
    assert keys(contract, handoff, "ForcedSource") == Counter(dict.fromkeys(range(400), 3))


def test_a_client_that_forgets_what_it_committed_is_found_out(
    contract, handoff, inputs, monkeypatch
):
    prepare(handoff, *inputs)
    find = qserv_ingesting._own_transactions
    monkeypatch.setattr(
        qserv_ingesting,
        "_own_transactions",
        lambda *given: [each for each in find(*given) if each.state != "FINISHED"],
    )
    plant(contract, **LOST["committing"])
    load_all(handoff, wait)
    with pytest.raises(LoadRefused, match="0 expected"):
        reconcile_rows(handoff)
    monkeypatch.undo()
    with pytest.raises(LoadRefused, match="twice"):
        load_all(handoff, wait)


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


def test_a_lost_answer_to_publishing_is_read_back(contract, handoff, inputs):
    prepare(handoff, *inputs)
    load_all(handoff, wait)
    reconcile_rows(handoff)
    plant(contract, "lost", match={"path": "/ingest/database/*"})
    with pytest.raises(QservUnavailable):
        publish_catalog(handoff)
    publish_catalog(handoff)
    assert handoff.records.find("tiny", handoff.row.endpoint).stage is Stage.PUBLISHED


def test_a_rollback_takes_everything_back_and_it_can_begin_again(contract, handoff, inputs):
    hand_over(handoff, *inputs, wait)
    roll_back(handoff)
    roll_back(handoff)
    assert handoff.server.catalog(handoff.plan.database) is None
    hand_over(handoff, *inputs, wait)
    assert keys(contract, handoff) == Counter(range(400))


@pytest.mark.parametrize(
    ("version", "is_known"), [(36, False), (37, True), (48, True), (56, False)]
)
def test_the_version_is_negotiated(contract, handoff, inputs, version, is_known):
    plant(contract, "version", times=1_000_000, version=version)
    if is_known:
        hand_over(handoff, *inputs, wait)
        assert keys(contract, handoff) == Counter(range(400))
    else:
        with pytest.raises(QservUnfit, match=f"version {version}"):
            preflight(handoff)


@pytest.mark.usefixtures("only_here")
def test_a_family_of_another_overlap_is_refused(handoff, client):
    layout = dataclasses.replace(handoff.plan.layout, overlap_deg="0.02", stripes=86)
    database = f"odd{uuid.uuid4().hex[:6]}"
    client.register_database(dataclasses.replace(handoff.plan, database=database, layout=layout))
    ours = dataclasses.replace(layout, overlap_deg="0.01667")
    plan = dataclasses.replace(handoff.plan, layout=ours)
    with pytest.raises(QservUnfit, match=r"overlap of 0\.02"):
        preflight(dataclasses.replace(handoff, plan=plan))


def test_a_table_with_other_columns_is_refused(handoff, inputs):
    prepare(handoff, *inputs)

    table = handoff.plan.table("Visit")
    changed = dataclasses.replace(table, columns=table.columns[:1])
    plan = dataclasses.replace(handoff.plan, tables=(*handoff.plan.tables[:2], changed))
    with pytest.raises(QservUnfit, match="other columns"):
        register_catalog(dataclasses.replace(handoff, plan=plan))


def test_few_contributions_are_in_flight(contract, client, records, tmp_path, inputs):
    handoff = make_handoff(
        f"t{uuid.uuid4().hex[:8]}", client, records, tmp_path / "staging", in_flight=2
    )
    prepare(handoff, *inputs)
    plant(contract, "slow", times=1000, match={"stage": "load"}, seconds=0.05)
    most = 0
    while advance_batch(handoff, "Object", 0) != "committed":
        for attempt in records.attempts(handoff.name):
            made = client.transaction(attempt.transaction).contributions
            most = max(most, sum(each.status == "IN_PROGRESS" for each in made))
    assert 1 <= most <= 2


@pytest.mark.usefixtures("only_here")
def test_killed_at_random_every_row_is_there_once(contract, tmp_path, request):
    """Kill the process before or after every few calls, and start it again, until it comes through."""
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    login = contract.czar()
    order = {
        "folder": str(tmp_path),
        "ledger": f"sqlite:///{tmp_path}/ledger.db",
        "url": contract.url(),
        "key": contract.auth_key,
        "czar": {name: login[name] for name in ("host", "port", "user", "password")},
        "database": f"t{uuid.uuid4().hex[:8]}",
        "rows": 100,
    }
    chance = random.Random(1)  # noqa: S311 - the same deaths each time
    root = request.config.rootpath
    path = os.pathsep.join(str(root / each) for each in ("plugins", "include", "tests"))
    kills = 0
    while kills < 90:
        # The first calls of a restart repeat what is done: die further on as it gets further.
        order |= {
            "die_at": chance.randint(10 + kills, 40 + 3 * kills),
            "after": chance.random() < 0.5,
        }
        (tmp_path / "order.json").write_text(json.dumps(order))
        done = subprocess.run(
            [sys.executable, "-m", "support.qserv_mortal", str(tmp_path / "order.json")],
            check=False, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
    assert 20 <= kills < 90
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        for table, times in (("Object", 1), ("ForcedSource", 3)):
            cursor.execute(f"select objectId from `{order['database']}`.`{table}`")  # noqa: S608
            assert Counter(row[0] for row in cursor.fetchall()) == Counter(
                dict.fromkeys(range(100), times)
            )
    engine.dispose()
