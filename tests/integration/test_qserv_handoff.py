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

import numpy as np
import pyarrow as pa
import pymysql
import pytest
import requests

from dbb.errors import (
    CatalogUnfit,
    LoadRefused,
    QservRefused,
    QservStuck,
    QservUnavailable,
    QservUnfit,
)
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
from dbb.model.qserv import Column
from support.fake_clock import FixedClock
from support.qserv_handoff import (
    finish,
    hand_over,
    load_all,
    make_handoff,
    prepare,
    write_inputs,
    write_tables,
)
from support.qserv_place import RealQserv, running_contract
from support.qserv_tables import FORCED, MATCH, objects

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


def with_tables(handoff, *tables):
    return dataclasses.replace(handoff, plan=dataclasses.replace(handoff.plan, tables=tables))


def at_workers(contract, handoff, table):
    """Give all rows of a table by the worker, and by the chunk that is in the table's name."""
    found = []
    with contract.mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema like %s and table_name regexp %s",
            (f"worker-%{handoff.plan.database}", f"^{table}(FullOverlap)?(_[0-9]+)?$"),
        )
        for place, name in cursor.fetchall():
            cursor.execute(f"select * from `{place}`.`{name}`")  # noqa: S608
            found += [(place, name, *row[1:]) for row in cursor.fetchall()]
    return found


def test_matches_lie_with_both_partners_and_are_seen_once(contract, handoff, tmp_path):
    near = 1e-4
    edge = 180 / 85 * 43 - 90  # between two stripes
    pairs = objects(6)
    pairs = pairs.set_column(1, "ra", pa.array([10, 10, 360 - near, near, 50, 50 + near]))
    pairs = pairs.set_column(2, "dec", pa.array([edge - near, edge + near, 1.5, 1.5, 1.5, 1.5]))
    matches = {"a": [0, 2, 4, 0, None, 5], "b": [1, 3, 5, None, 1, 5]}
    inputs = write_tables(
        tmp_path,
        {
            "Object a": pairs,
            "Object b": objects(100, first=6),
            "Match a": pa.table(
                {name: pa.array(keys, pa.int64()) for name, keys in matches.items()}
            ),
            "Visit a": pa.table({"visit": np.arange(7), "band": list("ugrizyu")}),
        },
    )
    handoff = with_tables(handoff, *handoff.plan.tables, MATCH)
    hand_over(handoff, *inputs, wait)

    home = {
        row[2]: row[-2] for row in at_workers(contract, handoff, "Object") if "Full" not in row[1]
    }
    assert home[0] != home[1]
    assert home[2] != home[3]
    assert home[4] == home[5]
    found = at_workers(contract, handoff, "Match")
    assert Counter(row[1] for row in found) == Counter(f"Match_{row[4]}" for row in found)
    assert Counter((*row[2:5], row[6]) for row in found) == Counter(
        [
            (0, 1, home[0], 1), (0, 1, home[1], 2), (2, 3, home[2], 1), (2, 3, home[3], 2),
            (4, 5, home[4], 3), (0, None, home[0], 1), (None, 1, home[1], 2), (5, 5, home[5], 3),
        ]
    )  # fmt: skip
    assert keys(contract, handoff, "Match", "b") == Counter([1, 3, 5, None, 1, 5])
    (match,) = (each for each in handoff.records.inputs(handoff.name) if each.table == "Match")
    assert (match.rows, match.kept, match.twice, match.overlap) == (6, 8, 2, 0)
    assert {check.table for check in handoff.records.checks(handoff.name)} == {
        "Object", "Match", "Visit"
    }  # fmt: skip
    assert handoff.records.find("tiny", handoff.row.endpoint).stage is Stage.VERIFIED

    visits = at_workers(contract, handoff, "Visit")
    assert Counter(row[2] for row in visits) == Counter(dict.fromkeys(range(7), 3))
    assert len({place for place, *_ in visits}) == 3


def rewritten(table, rows):
    """Add a file to the inputs whose rows were in another."""

    def change(folder):
        inputs, paths = write_inputs(folder)
        (other,), at = write_tables(folder, {f"{table} again": rows})
        return [*inputs, other], {**paths, **at}

    return change


def forced(*keys):
    flux = np.full(len(keys), 1, np.float32)
    return pa.table(
        {"objectId": pa.array(keys, pa.int64()), "flux": flux, "visit": [3] * len(keys)}
    )


FOUND_BEFORE = {
    "a key in two files": (rewritten("Object", objects(1, first=7)), "objectId = 7 comes 2 times"),
    "a file again in other bytes": (
        rewritten("Object", objects(200).replace_schema_metadata({"again": "1"})),
        r"objectId = \d+ comes 2 times",
    ),
    "a child's key in two files": (
        rewritten("ForcedSource", forced(7)), r"objectId, visit = 7, 3 comes 2 times",
    ),
    "an orphan": (rewritten("ForcedSource", forced(400)), "1 rows have no Object"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), FOUND_BEFORE.values(), ids=FOUND_BEFORE)
def test_what_must_not_be_loaded_is_found_before_anything_is(handoff, tmp_path, change, told):
    rule = dataclasses.replace(FORCED.rule, unique=("objectId", "visit"))
    child = dataclasses.replace(
        FORCED, rule=rule, columns=(*FORCED.columns, Column("visit", "BIGINT", not_null=True))
    )
    handoff = with_tables(handoff, handoff.plan.tables[0], child, handoff.plan.tables[2])
    inputs, paths = change(tmp_path)
    inputs = [each for each in inputs if each.name != "ForcedSource_a.parquet"]
    (first,), at = write_tables(tmp_path, {"ForcedSource b": forced(*range(400))})
    with pytest.raises(CatalogUnfit, match=told):
        prepare(handoff, [*inputs, first], {**paths, **at})
    assert handoff.server.catalog(handoff.plan.database) is None


def test_blanks_that_the_database_dropped_are_seen_by_sql(handoff, tmp_path, monkeypatch):
    monkeypatch.setattr("dbb.hooks.qserv.staging.find_misfits", lambda *_: [])
    inputs, paths = write_inputs(tmp_path, rows=20)
    inputs = [each for each in inputs if each.table != "Visit"]
    (visits,), at = write_tables(
        tmp_path, {"Visit a": pa.table({"visit": [1, 2], "band": ["u", " "]})}
    )
    with pytest.raises(LoadRefused, match=r"band least: 1\.0 expected, 0\.0 found"):
        hand_over(handoff, [*inputs, visits], {**paths, **at}, wait)


def test_an_index_that_some_chunks_lack_is_built_anew(contract, handoff, inputs, client):
    hand_over(handoff, *inputs, wait)
    database = handoff.plan.database
    (place, name, *_), *_ = at_workers(contract, handoff, "ForcedSource")
    with contract.mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"alter table `{place}`.`{name}` add index idx_objectId (objectId)")

    def states():
        told = client._get(f"/replication/sql/index/{database}/ForcedSource", {})
        return {each["name"]: each["status"] for each in told["status"]["indexes"]}

    assert states() == {"idx_objectId": "INCOMPLETE"}
    client.build_index(database, "ForcedSource", "objectId")
    client.build_index(database, "ForcedSource", "objectId")
    assert states() == {"idx_objectId": "COMPLETE"}
    client.build_index(database, "ForcedSource", "flux")
    assert states() == dict.fromkeys(("idx_flux", "idx_objectId"), "COMPLETE")


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


def test_a_publication_that_may_be_at_work_is_waited_for(contract, handoff, inputs):
    prepare(handoff, *inputs)
    load_all(handoff, wait)
    reconcile_rows(handoff)
    open_one = handoff.server.start(handoff.plan.database, {})
    with pytest.raises(QservRefused, match="uncommitted"):
        publish_catalog(handoff)
    plant(contract, "refuse", match={"path": "/ingest/database/*"})
    with pytest.raises(QservUnavailable, match="ConnectionError"):
        publish_catalog(handoff)
    with pytest.raises(QservUnavailable, match="an earlier request may still be at work"):
        publish_catalog(handoff)
    handoff.server.end(open_one, abort=True)
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


DEATHS = (
    "begin after", "note_inputs after", "stage within", "stage within", "stage after", "stage before",
    "check_unique within", "reduce within", "reduce within", "reduce after", "note_files before",
    "note_files after", "register_table within", "intend after", "start before", "start within",
    "start after", "submit before", "submit within", "submit after", "note_loaded after", "end before",
    "end within", "end after", "note_attempt before", "count_rows within", "publish before",
    "publish within", "build_director_index before", "deploy_row_counters before",
)  # fmt: skip
"""Calls of the handoff in its order: cutting, writing, loading, the answer to a commit, publishing."""


@pytest.mark.usefixtures("only_here")
def test_killed_at_random_every_row_is_there_once(contract, tmp_path, request):
    """Kill the process before, within or after a call, and start it again, until it comes through.

    Which of the calls of a name it is, and how far it came in it, is left to chance; the last kills befall any call.
    """
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
    while True:
        call, how = DEATHS[kills].split() if kills < len(DEATHS) else ("*", "within")
        most = {"*": 150, "stage": 4, "reduce": 3, "submit": 3}.get(call, 1)
        order |= {"call": call, "how": how, "nth": chance.randint(1, most)}
        order["delay_s"] = chance.uniform(0, 0.05)
        (tmp_path / "order.json").write_text(json.dumps(order))
        done = subprocess.run(
            [sys.executable, "-m", "support.qserv_mortal", str(tmp_path / "order.json")],
            check=False, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
        assert kills < 60
    died = (tmp_path / "deaths.log").read_text().splitlines()
    assert tuple(died[: len(DEATHS)]) == DEATHS
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        for table, times in (("Object", 1), ("ForcedSource", 3)):
            cursor.execute(f"select objectId from `{order['database']}`.`{table}`")  # noqa: S608
            assert Counter(row[0] for row in cursor.fetchall()) == Counter(
                dict.fromkeys(range(100), times)
            )
    engine.dispose()
