"""The ways in which workers get at chunk files: each gives the same rows, and each has its own troubles."""

from __future__ import annotations

import contextlib
import functools
import http.server
import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pymysql
import pytest
import requests

from dbb.errors import DigestMismatch, QservRefused, QservStuck, QservUnavailable
from dbb.flows.qserv_handoff import roll_back
from dbb.flows.qserv_ingesting import advance_batch, load_batch
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.czar import QservCzar
from dbb.hooks.qserv.pushing import Form
from dbb.model import qserv as nouns
from support.qserv import CHUNKS, VERSION, Site, objects
from support.qserv_handoff import finish, hand_over, load_all, make_handoff, prepare, write_inputs
from support.qserv_place import running_contract

WAYS = ("file", "http", "s3", "push")
TABLES = ("Object", "ForcedSource", "Visit")


@pytest.fixture(scope="module")
def contract(tmp_path_factory, request):
    with running_contract(request.config.rootpath, tmp_path_factory.mktemp("qserv")) as server:
        yield server


@pytest.fixture
def client(contract):
    client = QservClient(contract.url(), contract.auth_key, contract.admin_auth_key)
    yield client
    client.close()
    requests.delete(f"{contract.url()}/_faults", timeout=5)


@pytest.fixture
def web(tmp_path):
    """Serve the staging folder; `.asked` are the paths that were read."""
    (tmp_path / "staging").mkdir(exist_ok=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, *_):
            server.asked.append(self.path)

    handler = functools.partial(Handler, directory=str(tmp_path / "staging"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def open_way(contract, client, records, tmp_path, request):
    """Open a handoff whose files are served in one way."""

    def open_way(way):
        login = contract.czar()
        served = {
            "file": lambda: f"file://{tmp_path}/staging",
            "http": lambda: f"http://127.0.0.1:{request.getfixturevalue('web').server_port}",
            "s3": lambda: f"s3://{request.getfixturevalue('s3_bucket')}/chunks/tiny",
            "push": lambda: "push",
        }[way]()
        czar = QservCzar(login["host"], login["port"], login["user"], login["password"])
        name = f"t{uuid.uuid4().hex[:8]}"
        return make_handoff(name, client, records, tmp_path / "staging", czar, served=served)

    return open_way


@pytest.fixture
def pushed(open_way):
    return open_way("push")


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path)


def wait():
    time.sleep(0.05)


def plant(contract, kind, times=1, **more):
    body = {"kind": kind, "times": times, **more}
    requests.post(f"{contract.url()}/_faults", json=body, timeout=5).raise_for_status()


def published(contract, handoff):
    """Give all rows of all tables, but for the number of their transaction."""
    found = {}
    with pymysql.connect(**contract.czar()) as connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"select * from `{handoff.plan.database}`.`{table}`")  # noqa: S608
            found[table] = sorted(map(repr, (row[1:] for row in cursor.fetchall())))
    return found


def contributions(handoff):
    return [
        one
        for attempt in handoff.records.attempts(handoff.name)
        for one in handoff.server.transaction(attempt.transaction).contributions
    ]


def states(handoff, table="Object"):
    return [each.state for each in handoff.records.attempts(handoff.name) if each.table == table]


def load_in_spite_of_it(handoff):
    """Load as a task does that is tried again."""
    for _ in range(5):
        try:
            return load_all(handoff, wait)
        except (QservRefused, QservUnavailable):
            continue
    return load_all(handoff, wait)


def test_each_way_gives_the_same_rows(contract, open_way, inputs, request):
    rows = {}
    for way in WAYS:
        handoff = open_way(way)
        hand_over(handoff, *inputs, wait)
        rows[way] = published(contract, handoff)
        urls = [one.url for one in contributions(handoff)]
        scheme = {"file": "file", "push": "data-csv"}.get(way, "http")
        assert {url.partition("://")[0] for url in urls} == {scheme}
        if way == "http":  # each was read, from there, once for each place
            assert len(request.getfixturevalue("web").asked) == len(urls)
        if way == "s3":
            assert all("/chunks/tiny/" in url and "X-Amz-Signature=" in url for url in urls)
            assert all("X-Amz-Expires=86400" in url for url in urls)
            store = handoff.workshop.serving._store
            put = len(list(store.list_files("")))
            assert put == len(set(map(handoff.workshop.serving.mark_in, urls)))
            roll_back(handoff)
            assert list(store.list_files("")) == []
    assert len(rows["file"]["Object"]) == 400
    assert rows["http"] == rows["s3"] == rows["push"] == rows["file"]


# -- addresses that are signed ---------------------------------------------------------------------


def test_an_address_that_lapsed_is_signed_anew_in_another_transaction(contract, open_way, inputs):
    handoff = open_way("s3")
    prepare(handoff, *inputs)
    handoff.workshop.serving._signed_s = 2
    plant(contract, "slow", match={"stage": "read", "table": "Object"}, seconds=3)
    while states(handoff) != ["aborted"]:
        advance_batch(handoff, "Object", 0)
        wait()
    handoff.workshop.serving._signed_s = 86_400
    load_in_spite_of_it(handoff)
    finish(handoff)
    assert states(handoff) == ["aborted", "committed", "committed"]
    assert len(published(contract, handoff)["Object"]) == 400


def test_no_signature_is_told_to_anybody_but_a_worker(
    contract, open_way, inputs, caplog, tmp_path, monkeypatch
):
    handoff = open_way("s3")
    prepare(handoff, *inputs)
    serving = handoff.workshop.serving
    sign = serving.url_of

    def sign_and_lose(file):
        url = sign(file)
        serving._store.delete([serving.mark(file)])
        return url

    monkeypatch.setattr(serving, "url_of", sign_and_lose)
    with caplog.at_level(logging.INFO), pytest.raises(QservStuck) as stuck:
        load_batch(handoff, "Object", 0, wait)
    answer = requests.get(
        f"{contract.url()}/ingest/trans",
        params={"version": VERSION, "database": handoff.plan.database, "contrib": 1, "contrib_long": 1},
        timeout=10,
    )  # fmt: skip
    assert "404 Client Error" in answer.text
    assert "X-Amz-Signature" in answer.text  # or this would prove nothing
    assert "404 Client Error" in str(stuck.value)
    for told in (str(stuck.value), caplog.text):
        assert "X-Amz" not in told
    assert b"X-Amz" not in (tmp_path / "ledger.db").read_bytes()


def test_a_file_that_is_not_what_was_described_is_not_put_into_the_bucket(
    open_way, inputs, tmp_path
):
    handoff = open_way("s3")
    prepare(handoff, *inputs)
    (file, *_) = handoff.records.files(handoff.name, "Object", 0)
    path = tmp_path / "staging" / file.path
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(DigestMismatch):
        load_batch(handoff, "Object", 0, wait)
    serving = handoff.workshop.serving
    assert serving._store.stat(serving.mark(file)) is None


# -- files that are sent ---------------------------------------------------------------------------

CSV = {"path": "/ingest/csv"}
LOST = {
    "the answer": {"kind": "lost", "match": CSV, "times": 3},
    "a part of the answer": {"kind": "drop", "match": CSV, "bytes": 10},
    "the request": {"kind": "refuse", "match": CSV, "times": 3},
    "the service": {"kind": "status", "match": CSV, "times": 2},
    "the load": {"kind": "disk_full", "match": {"url": "data-csv*"}},
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_whatever_is_lost_in_sending_every_row_is_there_once(contract, pushed, inputs, fault):
    prepare(pushed, *inputs)
    plant(contract, **fault)
    load_in_spite_of_it(pushed)
    finish(pushed)
    assert len(published(contract, pushed)["Object"]) == 400


def test_a_lost_answer_is_read_and_nothing_is_sent_again(contract, pushed, inputs):
    prepare(pushed, *inputs)
    plant(contract, "lost", match=CSV, times=1000)
    load_all(pushed, wait)
    assert states(pushed) == ["committed", "committed"]
    marks = [(one.url, one.worker) for one in contributions(pushed)]
    assert len(marks) == len(set(marks))


def test_a_file_whose_sender_was_cut_off_is_loaded_in_part_and_given_up(
    contract, pushed, inputs, monkeypatch
):
    prepare(pushed, *inputs)
    give, cuts = Form._give, []

    def cut_off(self, source, file, name):
        if cuts:
            yield from give(self, source, file, name)
            return
        cuts.append(file)
        yield self._head
        yield source.read(file.size_bytes // 2)
        raise ConnectionResetError

    monkeypatch.setattr(Form, "_give", cut_off)
    load_in_spite_of_it(pushed)
    finish(pushed)
    assert len(published(contract, pushed)["Object"]) == 400
    assert "aborted" in states(pushed, cuts[0].table)
    sizes = [
        one.size_bytes for one in contributions(pushed) if one.url.endswith(_leaf(pushed, cuts[0]))
    ]
    assert cuts[0].size_bytes // 2 in sizes  # the stand-in did load a part


def _leaf(handoff, file):
    return handoff.workshop.serving.mark(file)


def test_a_file_whose_worker_died_is_given_up_after_a_while(contract, pushed, inputs, monkeypatch):
    prepare(pushed, *inputs)
    plant(contract, "kill", match={"stage": "load", "url": "data-csv*"})
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr(nouns, "PUSH_PATIENCE_S", 3600)
        for _ in range(20):
            with contextlib.suppress(QservUnavailable):
                advance_batch(pushed, "Object", 0)
            wait()
        assert states(pushed) == ["started"]  # it may be at it still
    monkeypatch.setattr(nouns, "PUSH_PATIENCE_S", 1)
    load_in_spite_of_it(pushed)
    finish(pushed)
    assert states(pushed)[0] == "aborted"
    assert len(published(contract, pushed)["Object"]) == 400


def test_a_file_that_is_not_what_was_described_is_not_committed(pushed, inputs, tmp_path):
    prepare(pushed, *inputs)
    (file, *_) = pushed.records.files(pushed.name, "Object", 0)
    path = tmp_path / "staging" / file.path
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(DigestMismatch):
        load_batch(pushed, "Object", 0, wait)
    assert "committed" not in states(pushed)


# -- what the stand-in does with forms --------------------------------------------------------------


@pytest.fixture
def site(contract):
    site = Site(contract.url(), contract.auth_key, contract.admin_auth_key, contract.czar())
    yield site
    site.clean()


def send(site, trans, data, files):
    words = {"auth_key": site.auth_key, "version": VERSION, "transaction_id": trans, **data}
    base = site.place(trans, CHUNKS[0])
    answer = requests.post(f"{base}/ingest/csv", data=words, files=files, timeout=10)
    return answer.json()


WORDS = {"table": "Object", "chunk": CHUNKS[0], "overlap": 0, "fields_terminated_by": ","}


def test_of_two_files_the_first_is_loaded_and_the_answer_is_no(site):
    trans = site.begin(database := site.new_database("Object"))
    rows = ("rows.csv", objects(CHUNKS[0]))
    assert not send(site, trans, WORDS, [("a", rows), ("b", rows)])["success"]
    assert site.counters(database, "Object") == {(trans, CHUNKS[0], 0): 2}


def test_what_stands_after_the_file_does_not_count(site):
    trans = site.begin(site.new_database("Object"))
    words = {name: (None, str(value)) for name, value in WORDS.items() if name != "chunk"}
    rows = ("rows.csv", objects(CHUNKS[0]))
    fields = [*words.items(), ("rows", rows), ("chunk", (None, str(CHUNKS[0])))]
    head = [("auth_key", (None, site.auth_key)), ("transaction_id", (None, str(trans)))]
    answer = send_in_order(site, trans, [*head, *fields])
    assert "'chunk' is missing" in answer["error"]
    assert site.files(trans) == []
    last = fields.pop()
    answer = send_in_order(site, trans, [*head, last, *fields])
    assert answer["success"], answer


def send_in_order(site, trans, parts):
    base = site.place(trans, CHUNKS[0])
    return requests.post(f"{base}/ingest/csv", files=parts, timeout=10).json()


def test_a_request_without_a_file_or_a_form_is_refused(site):
    trans = site.begin(site.new_database("Object"))
    parts = [(name, (None, str(value))) for name, value in WORDS.items()]
    key = ("auth_key", (None, site.auth_key))
    assert "no file" in send_in_order(site, trans, [key, *parts])["error"]
    base = site.place(trans, CHUNKS[0])
    assert (
        "multipart" in site.ask("POST", "/ingest/csv", base, transaction_id=trans, **WORDS)["error"]
    )


# -- a Qserv that is named ---------------------------------------------------------------------------


def test_the_handoffs_own_tests_run_against_a_qserv_that_is_named(contract, request):
    root, login = request.config.rootpath, contract.czar()
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-m", "qserv", "--qserv-url", contract.url(),
            str(Path(__file__).with_name("qserv_handoff")),
            "-k", "published_catalogue or changes_nothing or one_contribution or rollback or reading",
        ],
        check=False, cwd=root, capture_output=True, text=True,
        env={
            **os.environ,
            "DBB_QSERV_AUTH_KEY": contract.auth_key,
            "DBB_QSERV_ADMIN_AUTH_KEY": contract.admin_auth_key,
            "DBB_QSERV_SQL": "{user}:{password}@{host}:{port}".format(**login),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "4 passed, 1 skipped" in done.stdout
    config = requests.get(f"{contract.url()}/replication/config", timeout=10).json()["config"]
    assert not [each for each in config["databases"] if each["database"].startswith("dbb_")]
