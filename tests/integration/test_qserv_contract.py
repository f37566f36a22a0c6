"""What Qserv's ingest API does, hazards and all: of the stand-in, or with `--qserv-url` of a real one.

A real one is opened by `DBB_QSERV_AUTH_KEY` and `DBB_QSERV_ADMIN_AUTH_KEY`, and asked by SQL where
`DBB_QSERV_SQL` is ``user:password@host:port``.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.qserv_services import MariaDb, QservContract
from support.qserv import CHUNKS, TABLES, VERSION, Site, objects, schema

pytestmark = pytest.mark.qserv


def start_contract(root, state):
    layout = Layout(root, state)
    layout.make()
    allotted = Allotted.load(layout.allotted_file)
    mariadb, contract = MariaDb(layout, allotted), QservContract(layout, allotted)
    if mariadb.missing():
        pytest.skip(mariadb.missing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # they outlive the call that starts them
        mariadb.start()
        contract.start()
    return mariadb, contract


@pytest.fixture(scope="module")
def contract(tmp_path_factory, request):
    """Give the stand-in, or nothing where a real Qserv is named."""
    if request.config.getoption("--qserv-url"):
        yield None
        return
    mariadb, contract = start_contract(request.config.rootpath, tmp_path_factory.mktemp("qserv"))
    yield contract
    contract.stop()
    mariadb.stop()


@pytest.fixture
def site(contract, request):
    if contract is not None:
        site = Site(contract.url(), contract.auth_key, contract.admin_auth_key, contract.czar())
    else:
        told = re.fullmatch(r"(.*):(.*)@(.*):(\d+)", os.environ.get("DBB_QSERV_SQL", ""))
        names = ("user", "password", "host", "port")
        czar = dict(zip(names, told.groups(), strict=True)) if told else {}
        site = Site(
            request.config.getoption("--qserv-url").rstrip("/"),
            os.environ["DBB_QSERV_AUTH_KEY"],
            os.environ["DBB_QSERV_ADMIN_AUTH_KEY"],
            {**czar, "port": int(czar["port"])} if czar else {},
        )
    yield site
    site.clean()


@pytest.fixture
def only_here(contract):
    """Give the stand-in to tests that a real Qserv cannot serve, and skip them there."""
    if contract is None:
        pytest.skip("a real Qserv has no switch for this")
    return contract


@pytest.fixture
def plant(only_here):
    def plant(kind, match, **more):
        body = {"kind": kind, "match": match, **more}
        requests.post(f"{only_here.url()}/_faults", json=body, timeout=10).raise_for_status()

    yield plant
    requests.delete(f"{only_here.url()}/_faults", timeout=10).raise_for_status()


@pytest.fixture
def database(site):
    return site.new_database("Object", "Source", "Filter")


@pytest.fixture
def source(only_here):  # noqa: ARG001 - a real Qserv cannot reach this machine
    """Serve rows; the first `.failures` requests are answered with 503."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            if self.server.failures > 0:
                self.server.failures -= 1
                self.send_error(503)
                return
            body = objects(CHUNKS[0])
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + self.server.missing))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.failures = server.asked = server.missing = 0
        server.url = f"http://127.0.0.1:{server.server_port}/rows.csv"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def submit(site, trans, url, *, sync=False, chunk=CHUNKS[0], **more):
    return site.ask(
        "POST", "/ingest/file" if sync else "/ingest/file-async", site.place(trans, chunk),
        transaction_id=trans, table="Object", chunk=chunk, overlap=0, url=url,
        fields_terminated_by=",", charset_name="utf8mb4", **more,
    )  # fmt: skip


# -- answers, keys, versions -----------------------------------------------------------------------


def test_the_version_is_told_without_a_version(site):
    told = site.ok("GET", "/meta/version")
    assert told["kind"] == "replication-controller"
    assert told["version"] >= 37


def test_a_failure_is_a_success_to_http(site):
    answer = site.ask("POST", "/ingest/trans", database="no_such_database")
    assert (answer["success"], answer["error_ext"]) == (0, {})
    assert answer["error"]


def test_without_a_version_it_is_done_with_a_warning(site, database):
    answer = requests.get(f"{site.url}/ingest/trans", params={"database": database}, timeout=10)
    assert answer.json()["success"] == 1
    assert "No version number" in answer.json()["warning"]


@pytest.mark.parametrize(
    ("path", "least"), [("/ingest/trans", 37), ("/ingest/trans/1", 37), ("/ingest/config", 14)]
)
@pytest.mark.parametrize("beyond", [True, False])
def test_a_version_outside_of_the_window_is_told_the_window(site, path, least, beyond):
    version = site.ok("GET", "/meta/version")["version"]
    answer = site.ask("GET", path, version=version + 1 if beyond else least - 1, database="x")
    assert answer["success"] == 0
    assert answer["error_ext"] == {"min_version": least, "max_version": version}


def test_chunks_are_placed_in_batches_only_in_version_54(site, database):
    body = {"database": database, "chunks": list(CHUNKS)}
    answer = site.ask("POST", "/ingest/chunks", version=53, **body)
    assert answer["error_ext"]["min_version"] == 54
    assert len(site.ok("POST", "/ingest/chunks", version=54, **body)["locations"]) == len(CHUNKS)


def test_the_version_in_the_body_wins(site, database):
    body = {"database": database, "version": VERSION}
    assert site.ask("POST", "/ingest/trans?version=1", **body)["success"]


def test_an_older_server_has_an_older_window(site, plant):
    plant("version", {}, version=43)
    assert site.ok("GET", "/meta/version")["version"] == 43
    answer = site.ask("GET", "/ingest/trans", version=VERSION)
    assert answer["error_ext"] == {"min_version": 37, "max_version": 43}


@pytest.mark.parametrize(
    "keys", [{"auth_key": None}, {"auth_key": "wrong"}, {"admin_auth_key": "wrong"}]
)
def test_without_a_right_key_nothing_is_changed(site, database, keys):
    answer = site.ask("POST", "/ingest/trans", database=database, **keys)
    assert answer["success"] == 0
    told = site.ok("GET", "/ingest/trans", database=database)
    assert told["databases"][database]["transactions"] == []


# -- databases, tables, chunks ---------------------------------------------------------------------


def test_a_database_is_registered_once(site, database):
    layout = {"num_stripes": 85, "num_sub_stripes": 12, "overlap": 0.01667}
    assert site.ask("POST", "/ingest/database", database=database, **layout)["success"] == 0


def test_another_overlap_joins_the_family_in_silence(site, database):
    other = site.new_database(overlap=0.5)
    config = site.ok("GET", "/replication/config")["config"]
    families = {d["database"]: d["family_name"] for d in config["databases"]}
    assert families[other] == families[database]
    (family,) = (f for f in config["database_families"] if f["name"] == families[other])
    assert family["overlap"] != 0.5


def test_the_inventory_tells_what_was_registered(site, database):
    config = site.ok("GET", "/replication/config")["config"]
    (told,) = (d for d in config["databases"] if d["database"] == database)
    tables = {table["name"]: table for table in told["tables"]}
    assert told["is_published"] == 0
    assert {name: table["is_director"] for name, table in tables.items()} == {
        "Object": 1, "Source": 0, "Filter": 0
    }  # fmt: skip
    assert tables["Object"]["columns"][0]["name"] == "qserv_trans_id"
    assert config["workers"][0]["http-loader-port"]
    assert config["general"]["worker"]["ingest-max-retries"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": [*schema("Object"), {"name": "notes", "type": "LONGTEXT"}]},
        {"schema": [*schema("Object"), {"name": "qserv_trans_id", "type": "INT"}]},
        {"schema": [{"name": "objectId"}]},
        {"schema": None},
    ],
)
def test_a_table_that_qserv_cannot_take_is_refused(site, change):
    database = site.new_database()
    body = {"schema": schema("Object"), **TABLES["Object"], **change}
    assert not site.ask("POST", "/ingest/table", database=database, table="Object", **body)[
        "success"
    ]


def test_a_table_is_registered_once(site, database):
    body = {"schema": schema("Object"), **TABLES["Object"]}
    assert not site.ask("POST", "/ingest/table", database=database, table="Object", **body)[
        "success"
    ]


@pytest.mark.parametrize("chunk", [100, 28900])
def test_a_chunk_that_the_layout_has_not_is_refused(site, database, chunk):
    assert not site.ask("POST", "/ingest/chunk", database=database, chunk=chunk)["success"]
    body = {"database": database, "chunks": [CHUNKS[0], chunk]}
    assert not site.ask("POST", "/ingest/chunks", **body)["success"]


def test_a_chunk_stays_where_it_was_placed_and_is_there_in_sister_databases(site, database):
    body = {"database": database, "chunks": list(CHUNKS)}
    first = site.ok("POST", "/ingest/chunks", **body)["locations"]
    assert site.ok("POST", "/ingest/chunks", **body)["locations"] == first
    other = {"database": site.new_database(), "chunks": list(reversed(CHUNKS))}
    again = site.ok("POST", "/ingest/chunks", **other)["locations"]
    assert {p["chunk"]: p["worker"] for p in again} == {p["chunk"]: p["worker"] for p in first}


@pytest.mark.usefixtures("only_here")
def test_chunks_are_spread_over_the_workers(site):
    database = site.new_database(num_stripes=84)
    chunks = [84 * 2 * 40 + n for n in range(9)]
    where = site.ok("POST", "/ingest/chunks", database=database, chunks=chunks)["locations"]
    assert len({place["worker"] for place in where}) == 3


def test_a_regular_table_is_to_be_sent_to_every_worker(site, database):
    trans = site.begin(database)
    answer = site.ok("GET", "/ingest/regular", in_body=1, transaction_id=trans)
    workers = site.ok("GET", "/replication/config")["config"]["workers"]
    assert {p["worker"] for p in answer["locations"]} == {w["name"] for w in workers}
    for place in answer["locations"]:
        base = f"http://{place['http_host']}:{place['http_port']}"
        told = site.pushed(trans, b"1,u\n2,g\n", table="Filter", chunk=0, base=base)
        assert told["num_rows_loaded"] == 2
    assert site.counters(database, "Filter") == {(trans, 0, 0): 2}


# -- loading, and what MariaDB lets pass -----------------------------------------------------------


def test_rows_bytes_and_times_are_told(site, database):
    data = objects(CHUNKS[0], num=5)
    told = site.pushed(site.begin(database), data)
    assert (told["status"], told["num_bytes"]) == ("FINISHED", len(data))
    assert (told["num_rows"], told["num_rows_loaded"], told["num_warnings"]) == (5, 5, 0)
    assert told["create_time"] <= told["start_time"] <= told["read_time"] <= told["load_time"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"2,nan,2.5,abc,5100,1\n", 1366),  # stored as 0
        (b"2,inf,2.5,abc,5100,1\n", 1366),
        (b"two,1.5,2.5,abc,5100,1\n", 1366),
        (b"2,1.5,2.5,abcde,5100,1\n", 1406),  # cut off
        (b"2,1.5,2.5,abc,5100\n", 1261),  # NULL
        (b"2,1.5,2.5,abc,5100,1,9\n", 1262),  # left out
    ],
)
def test_a_bad_row_is_finished_with_a_warning(site, database, row, code):
    trans = site.begin(database)
    told = site.pushed(trans, objects(CHUNKS[0], num=1) + row)
    assert (told["status"], told["num_rows_loaded"]) == ("FINISHED", 2)
    assert code in {warning["code"] for warning in told["warnings"]}
    assert told["num_warnings"] >= 1
    assert site.counters(database, "Object") == {(trans, CHUNKS[0], 0): 2}


def test_a_word_in_a_flag_is_zero(site, database):
    told = site.pushed(site.begin(database), b"1,1,1,5100,1\n2,1,true,5100,1\n", table="Source")
    assert (told["status"], told["warnings"][0]["code"]) == ("FINISHED", 1366)


def test_a_bad_first_row_stops_the_load(site, database):
    trans = site.begin(database)
    answer = site.push(trans, b"1,nan,2.5,abc,5100,1\n")
    assert not answer["success"]
    assert [told["status"] for told in site.files(trans)] == ["LOAD_FAILED"]


def test_warnings_are_kept_up_to_a_limit_and_counted_beyond(site, database):
    rows = objects(CHUNKS[0], num=1) + b"2,nan,2.5,abc,5100,1\n" * 70
    trans = site.begin(database)
    assert len(site.pushed(trans, rows)["warnings"]) == 64
    told = site.pushed(trans, rows, max_num_warnings=10)
    assert (told["num_warnings"], len(told["warnings"])) == (70, 10)


@pytest.mark.parametrize(
    "dialect",
    [
        {"fields_terminated_by": "|"},
        {"fields_enclosed_by": "`"},
        {"fields_escaped_by": "^"},
        {"lines_terminated_by": "\r\n"},
    ],
)
def test_a_dialect_that_is_not_one_of_few_is_refused_and_remembered(site, database, dialect):
    trans = site.begin(database)
    assert not site.push(trans, objects(CHUNKS[0]), **dialect)["success"]
    assert [told["status"] for told in site.files(trans)] == ["CREATE_FAILED"]


def test_an_escaped_end_of_line_is_part_of_its_row(site, database):
    rows = b'"1","1.5","2.5","a\\\nb","5100","1"\n"2","1.5","2.5","a\\\\","5100","1"'
    told = site.pushed(site.begin(database), rows, fields_enclosed_by='"')
    assert (told["num_rows"], told["num_rows_loaded"], told["num_warnings"]) == (2, 2, 0)


def test_rows_come_as_json_as_well(site, database):
    trans = site.begin(database)
    answer = site.ok(
        "POST", "/ingest/data", site.place(trans, CHUNKS[0]),
        transaction_id=trans, table="Object", chunk=CHUNKS[0], overlap=1,
        rows=[[1, 1.5, None, "a\tb", CHUNKS[0], 1]],
    )  # fmt: skip
    assert (answer["contrib"]["num_rows_loaded"], answer["contrib"]["num_warnings"]) == (1, 0)
    assert site.counters(database, "Object") == {(trans, CHUNKS[0], 1): 1}


def test_a_form_takes_one_file(site, database):
    trans = site.begin(database)
    words = {"auth_key": site.auth_key, "version": VERSION, "transaction_id": trans,
             "table": "Object", "chunk": CHUNKS[0], "overlap": 0}  # fmt: skip
    rows = ("rows.csv", objects(CHUNKS[0]))
    base = site.place(trans, CHUNKS[0])
    answer = requests.post(
        f"{base}/ingest/csv", data=words, files=[("a", rows), ("b", rows)], timeout=10
    )
    assert answer.json()["success"] == 0


def test_chunk_and_overlap_are_required_of_regular_tables_too(site, database):
    trans = site.begin(database)
    answer = site.ask(
        "POST", "/ingest/file-async", site.place(trans, CHUNKS[0]),
        transaction_id=trans, table="Filter", url="file:///none",
    )  # fmt: skip
    assert "chunk" in answer["error"]


@pytest.mark.usefixtures("only_here")
def test_a_chunk_of_another_worker_fails_at_the_start(site, database):
    trans = site.begin(database)
    other = next(
        base
        for base in (site.place(trans, chunk) for chunk in CHUNKS)
        if base != site.place(trans, CHUNKS[0])
    )
    assert not site.push(trans, objects(CHUNKS[0]), base=other)["success"]
    assert [told["status"] for told in site.files(trans)] == ["START_FAILED"]


# -- reading from an address -----------------------------------------------------------------------


@pytest.mark.usefixtures("only_here")
def test_rows_are_read_from_a_file_at_once_or_later(site, database, tmp_path):
    path = tmp_path / "some rows.csv"
    path.write_bytes(objects(CHUNKS[0]))
    trans = site.begin(database)
    assert submit(site, trans, path.as_uri(), sync=True)["contrib"]["num_rows_loaded"] == 2
    answer = submit(site, trans, path.as_uri())
    assert answer["contrib"]["status"] == "IN_PROGRESS"
    assert site.settled(answer["contrib"]["id"])["num_rows_loaded"] == 2


def test_a_source_that_fails_once_is_read_again_by_itself(site, database, source):
    source.failures = 1
    told = site.settled(submit(site, site.begin(database), source.url)["contrib"]["id"])
    assert (told["status"], told["num_failed_retries"]) == ("FINISHED", 1)
    assert told["failed_retries"][0]["http_error"] == 503


def test_the_number_of_retries_is_max_retries_and_ten_at_most(site, database, source):
    source.failures = 99
    trans = site.begin(database)
    for wanted, done in ((0, 0), (3, 3), (50, 10)):
        told = site.settled(submit(site, trans, source.url, max_retries=wanted)["contrib"]["id"])
        assert (told["status"], told["retry_allowed"]) == ("READ_FAILED", 1)
        assert (told["max_retries"], told["num_failed_retries"]) == (done, done)
    told = site.settled(submit(site, trans, source.url, num_retries=0)["contrib"]["id"])
    assert told["num_failed_retries"] == 1  # the documented name is not read


def test_an_answer_cut_off_is_a_failed_read(site, database, source):
    source.missing = 5
    told = site.settled(submit(site, site.begin(database), source.url)["contrib"]["id"])
    assert told["status"] == "READ_FAILED"


def test_only_a_failed_read_is_taken_up_again_and_only_where_it_was(site, database, source):
    source.failures = 1
    trans = site.begin(database)
    number = site.settled(submit(site, trans, source.url, max_retries=0)["contrib"]["id"])["id"]
    home = site.place(trans, CHUNKS[0])
    other = next(b for b in (site.place(trans, c) for c in CHUNKS) if b != home)
    assert not site.ask("PUT", f"/ingest/file-async/{number}", other)["success"]
    assert site.ok("PUT", f"/ingest/file/{number}", home)["contrib"]["status"] == "FINISHED"
    assert not site.ask("PUT", f"/ingest/file/{number}", home)["success"]


@pytest.mark.parametrize("url", ["s3://bucket/rows.csv", "root://host//rows.csv"])
def test_other_schemes_are_refused(site, database, url):
    trans = site.begin(database)
    assert not submit(site, trans, url)["success"]
    assert [told["status"] for told in site.files(trans)] == ["CREATE_FAILED"]


def test_a_queue_is_worked_off_in_order_and_within_the_limit(site, database, source, plant):
    site.ok("PUT", "/ingest/config", database=database, ASYNC_PROC_LIMIT=1)
    config = site.ok("GET", "/ingest/config", database=database)["config"]
    assert config == {"database": database, "ASYNC_PROC_LIMIT": 1}
    plant("slow", {"stage": "read"}, seconds=0.2, times=3)
    trans = site.begin(database)
    numbers = [submit(site, trans, source.url)["contrib"]["id"] for _ in range(3)]
    told = [site.settled(number) for number in numbers]
    for before, after in itertools.pairwise(told):
        assert before["load_time"] <= after["start_time"]


def test_what_waits_can_be_cancelled(site, database, source, plant):
    site.ok("PUT", "/ingest/config", database=database, ASYNC_PROC_LIMIT=1)
    plant("slow", {"stage": "read"}, seconds=0.5)
    trans = site.begin(database)
    numbers = [submit(site, trans, source.url)["contrib"]["id"] for _ in range(3)]
    base = site.place(trans, CHUNKS[0])
    told = site.ok("DELETE", f"/ingest/file-async/{numbers[2]}", base)["contrib"]
    assert told["status"] == "CANCELLED"
    site.ok("DELETE", f"/ingest/file-async/trans/{trans}", base)
    assert [site.settled(number)["status"] for number in numbers] == ["CANCELLED"] * 3
    contribs = site.ok("GET", f"/ingest/file-async/trans/{trans}", base)["contribs"]
    assert [told["id"] for told in contribs] == numbers


# -- transactions ----------------------------------------------------------------------------------


def test_a_context_is_given_back_only_where_it_is_asked_for(site, database):
    trans = site.begin(database, context={"handoff": 7})
    assert site.transaction(trans)["context"] == {}
    assert site.transaction(trans, include_context=1)["context"] == {"handoff": 7}
    site.ok("PUT", f"/ingest/trans/{trans}?abort=0", context={"handoff": 8})
    assert site.transaction(trans, include_context=1)["context"] == {"handoff": 8}


def test_a_commit_does_not_look_at_the_contributions(site, database):
    trans = site.begin(database)
    assert not site.push(trans, b"1,nan,2.5,abc,5100,1\n")["success"]
    assert site.end(trans)["success"]
    assert site.transaction(trans)["state"] == "FINISHED"


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("second", [0, 1])
def test_a_transaction_ends_once(site, database, first, second):
    trans = site.begin(database)
    state = site.end(trans, abort=first)["databases"][database]["transactions"][0]["state"]
    assert state == ("ABORTED" if first else "FINISHED")
    assert not site.end(trans, abort=second)["success"]
    assert site.transaction(trans)["state"] == state


def test_nothing_is_loaded_after_a_commit(site, database):
    trans = site.begin(database)
    base = site.place(trans, CHUNKS[0])
    site.end(trans)
    assert not site.push(trans, objects(CHUNKS[0]), base=base)["success"]
    assert [told["status"] for told in site.files(trans)] == ["CREATE_FAILED"]


def test_the_same_rows_are_accepted_in_a_second_transaction(site, database):
    for _ in range(2):
        trans = site.begin(database)
        site.pushed(trans, objects(CHUNKS[0]))
        assert site.end(trans)["secondary-index-build-success"] == 1
    assert sum(site.counters(database, "Object").values()) == 4


def test_the_same_key_twice_in_one_transaction_is_committed_without_its_index(site, database):
    trans = site.begin(database)
    for _ in range(2):
        site.pushed(trans, objects(CHUNKS[0]))
    answer = site.end(trans)
    assert (answer["success"], answer["secondary-index-build-success"]) == (1, 0)
    assert site.transaction(trans)["state"] == "FINISHED"


def test_an_abort_takes_away_its_rows_and_no_others(site, database):
    kept, gone = site.begin(database), site.begin(database)
    site.pushed(kept, objects(CHUNKS[0]))
    site.pushed(gone, objects(CHUNKS[0], 10), overlap=0)
    site.pushed(gone, objects(CHUNKS[0], 20), overlap=1)
    site.pushed(gone, objects(CHUNKS[1], 30), chunk=CHUNKS[1])
    assert site.end(gone, abort=1)["success"]
    assert site.counters(database, "Object") == {(kept, CHUNKS[0], 0): 2}
    assert len(site.files(gone)) == 3  # they are told of still


def test_contributions_can_be_filtered(site, database):
    trans = site.begin(database)
    site.pushed(trans, objects(CHUNKS[0]))
    site.pushed(trans, objects(CHUNKS[1]) + b"9,nan,1,abc,5101,1\n", chunk=CHUNKS[1])
    site.pushed(trans, b"1,1,1,5100,1\n", table="Source")
    site.push(trans, b"1,nan,2.5,abc,5100,1\n")

    def statuses(**query):
        return sorted(told["status"] for told in site.files(trans, **query))

    assert statuses(contrib_status="!FINISHED") == ["LOAD_FAILED"]
    assert statuses(contrib_status="FINISHED,LOAD_FAILED", table="Source") == ["FINISHED"]
    assert statuses(chunk=CHUNKS[1]) == ["FINISHED"]
    assert statuses(min_warnings=1) == ["FINISHED"]
    assert len(statuses(max_entries=2)) == 2
    worker = site.files(trans, table="Source")[0]["worker"]
    assert (
        statuses(worker=worker, chunk=CHUNKS[0], contrib_status="!LOAD_FAILED") == ["FINISHED"] * 2
    )
    summary = site.transaction(trans, contrib=1)["contrib"]["summary"]
    assert summary["num_files_by_status"]["FINISHED"] == 3
    assert (summary["num_rows"], summary["num_warnings"]) == (6, 1)


def test_counters_of_an_aborted_transaction_stay_until_they_are_deleted(site, database):
    trans = site.begin(database)
    site.pushed(trans, objects(CHUNKS[0]))
    assert site.counters(database, "Object") == {(trans, CHUNKS[0], 0): 2}
    site.end(trans, abort=1)
    assert site.counted_again(database, "Object") == {(trans, CHUNKS[0], 0): 2}
    assert site.counters(database, "Object") == {}


def test_a_regular_table_that_differs_between_workers_cannot_be_counted(site, database):
    trans = site.begin(database)
    places = site.ok("GET", "/ingest/regular", in_body=1, transaction_id=trans)["locations"]
    if len(places) < 2:
        pytest.skip("one worker never differs from itself")
    base = f"http://{places[0]['http_host']}:{places[0]['http_port']}"
    site.pushed(trans, b"1,u\n", table="Filter", chunk=0, base=base)
    body = {"database": database, "table": "Filter", "row_counters_state_update_policy": "ENABLED"}
    assert not site.ask("POST", "/ingest/table-stats", **body)["success"]


# -- publishing ------------------------------------------------------------------------------------


def loaded(site, database):
    trans = site.begin(database)
    for chunk in CHUNKS:
        site.pushed(trans, objects(chunk, chunk * 10, 3), chunk=chunk)
    assert site.end(trans)["success"]
    return trans


def test_a_database_with_an_open_transaction_is_not_published(site, database):
    loaded(site, database)
    site.begin(database)
    assert "uncommitted" in site.ask("PUT", f"/ingest/database/{database}")["error"]


def test_a_database_without_a_chunk_is_not_published(site, database):
    assert "chunks" in site.ask("PUT", f"/ingest/database/{database}")["error"]


def test_what_is_published_can_be_queried_and_changes_no_more(site, database):
    trans = loaded(site, database)
    site.ok("PUT", f"/ingest/database/{database}", row_counters_deploy_at_qserv=1)
    for method, path, body in (
        ("PUT", f"/ingest/database/{database}", {}),
        ("POST", "/ingest/trans", {"database": database}),
        ("POST", "/ingest/table", {"database": database, "table": "T", "is_partitioned": 0,
                                   "schema": schema("Filter")}),
        ("DELETE", f"/ingest/table/{database}/Object", {}),
        ("DELETE", f"/ingest/database/{database}", {}),
        ("PUT", f"/replication/config/database/{database}", {}),
    ):  # fmt: skip
        assert not site.ask(method, path, **body)["success"], path
    entries = site.ok("GET", f"/ingest/table-stats/{database}/Object")["entries"]
    counted = {(e["transaction_id"], e["chunk"]): e["num_rows"] for e in entries if e["num_rows"]}
    assert counted == {(trans, chunk): 3 for chunk in CHUNKS}
    assert (0, 0) in {(e["transaction_id"], e["num_rows"]) for e in entries}  # of empty tables
    if not site.czar:
        pytest.skip("DBB_QSERV_SQL does not say where the czar is")
    rows = site.query(f"SELECT COUNT(*), MIN(objectId), MAX(decl) FROM {database}.Object")  # noqa: S608
    assert rows == ((12, CHUNKS[0] * 10, 2.5),)


def test_an_unpublished_database_takes_new_tables_but_no_rows_for_old_ones(site):
    database = site.new_database("Object")
    loaded(site, database)
    admin = {"admin_auth_key": site.admin_auth_key}
    site.ok("PUT", f"/ingest/database/{database}")
    site.ok("PUT", f"/replication/config/database/{database}", **admin)
    site.new_table(database, "Source")
    trans = site.begin(database)
    assert not site.push(trans, objects(CHUNKS[0]))["success"]
    site.pushed(trans, b"1,1,1,5100,1\n", table="Source")
    site.end(trans)
    site.ok("PUT", f"/ingest/database/{database}")
    assert sum(site.counters(database, "Source").values()) == 1
    assert sum(site.counters(database, "Object").values()) == 12


def test_indexes_are_made_on_published_tables(site, database):
    loaded(site, database)
    column = {"column": "objectId", "length": 0, "ascending": 1}
    body = {"database": database, "table": "Object", "index": "by_id", "columns": [column]}
    assert not site.ask("POST", "/replication/sql/index", **body)["success"]
    site.ok("PUT", f"/ingest/database/{database}")
    site.ok("POST", "/replication/sql/index", **body)
    again = site.ask("POST", "/replication/sql/index", **body)["error_ext"]["workers"]
    names = {name for failed in again.values() for name in failed}
    assert names == {f"Object_{chunk}" for chunk in CHUNKS}
    told = site.ok("GET", f"/replication/sql/index/{database}/Object")["status"]
    assert (told["database"], told["table"], told["overlap"]) == (database, "Object", 0)
    (index,) = told["indexes"]
    wanted = {"name": "by_id", "unique": 0, "type": "BTREE", "comment": "", "status": "COMPLETE"}
    assert {key: index[key] for key in wanted} == wanted
    assert index["num_replicas"] == index["num_replicas_total"] >= len(CHUNKS)
    assert index["columns"] == [{"name": "objectId", "seq": 1, "sub_part": 0, "collation": "ASC"}]
    site.ok("DELETE", "/replication/sql/index", **body)


def test_a_match_in_two_chunks_is_shown_once(site, database):
    site.new_table(database, "Match")
    loaded(site, database)
    trans = site.begin(database)
    rows = (
        (CHUNKS[0], b"1,2,5100,1,1\n3,3,5100,1,3\n"),
        (CHUNKS[1], b"1,2,5101,1,2\n\\N,2,5101,1,2\n"),
    )
    for chunk, some in rows:
        site.pushed(trans, some, table="Match", chunk=chunk)
    site.end(trans)
    site.ok("PUT", f"/ingest/database/{database}")
    assert sum(site.counters(database, "Match").values()) == 4
    if not site.czar:
        pytest.skip("DBB_QSERV_SQL does not say where the czar is")
    assert site.query(f"SELECT COUNT(*), SUM(a) FROM {database}.Match") == ((3, 4),)  # noqa: S608


def test_a_key_of_two_transactions_is_found_when_the_index_is_built_anew(site, database):
    loaded(site, database)
    site.ok("PUT", f"/ingest/database/{database}")
    body = {"database": database, "director_table": "Object"}
    assert not site.ask("POST", "/ingest/index/secondary", **body)["success"]  # there is one
    site.ok("POST", "/ingest/index/secondary", rebuild=1, **body)
    twice = site.new_database("Object")
    loaded(site, twice)
    loaded(site, twice)
    site.ok("PUT", f"/ingest/database/{twice}")
    body["database"] = twice
    assert not site.ask("POST", "/ingest/index/secondary", rebuild=1, **body)["success"]


def test_counters_are_kept_by_policy_only(site, database):
    loaded(site, database)
    body = {"database": database, "table": "Object"}
    site.ok("POST", "/ingest/table-stats", **body)
    assert site.ok("GET", f"/ingest/table-stats/{database}/Object")["entries"] == []
    assert not site.ask("POST", "/ingest/table-stats", row_counters_deploy_at_qserv=1, **body)[
        "success"
    ]
    assert sum(site.counters(database, "Object").values()) == 12
    site.ok("DELETE", f"/ingest/table-stats/{database}/Object")
    assert site.ok("GET", f"/ingest/table-stats/{database}/Object")["entries"] == []


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop", "lost"])
def test_an_answer_that_never_came_was_a_commit_all_the_same(site, database, plant, kind):
    trans = site.begin(database)
    plant(kind, {"method": "PUT", "path": "/ingest/trans/*"}, bytes=10)
    with pytest.raises(requests.RequestException):
        site.end(trans)
    assert site.transaction(trans)["state"] == "FINISHED"
    assert not site.end(trans)["success"]


def test_a_refused_connection_changes_nothing(site, database, plant):
    trans = site.begin(database)
    plant("refuse", {"method": "PUT", "path": "/ingest/trans/*"})
    with pytest.raises(requests.ConnectionError):
        site.end(trans)
    assert site.transaction(trans)["state"] == "STARTED"


def test_a_server_hangs_or_answers_with_an_error_of_http(site, plant):
    plant("hang", {"path": "/meta/version"}, seconds=2)
    with pytest.raises(requests.RequestException):
        requests.get(f"{site.url}/meta/version", timeout=0.3)
    plant("status", {"path": "/meta/version"}, code=503)
    assert requests.get(f"{site.url}/meta/version", timeout=5).status_code == 503
    assert site.ok("GET", "/meta/version")


@pytest.mark.parametrize("abort", [0, 1])
def test_a_transaction_that_is_stuck_can_be_aborted_if_it_was_not_aborting(
    site, database, plant, abort
):
    trans = site.begin(database)
    plant("stuck", {"path": "/ingest/trans/*"})
    with pytest.raises(requests.RequestException):
        site.end(trans, abort=abort)
    assert site.transaction(trans)["state"] == ("IS_ABORTING" if abort else "IS_FINISHING")
    assert bool(site.end(trans, abort=1)["success"]) is not bool(abort)


def test_a_transaction_that_failed_to_end_can_be_aborted(site, database, plant):
    trans = site.begin(database)
    for abort, state in ((0, "FINISH_FAILED"), (1, "ABORT_FAILED")):
        plant("fail", {"path": "/ingest/trans/*"})
        assert not site.end(trans, abort=abort)["success"]
        assert site.transaction(trans)["state"] == state
        assert not site.end(trans)["success"]
    assert site.end(trans, abort=1)["success"]


def test_a_warning_befalls_a_row(site, database, plant):
    plant("warn", {"chunk": CHUNKS[0]}, row=2)
    told = site.pushed(site.begin(database), objects(CHUNKS[0], num=3))
    assert (told["num_rows_loaded"], told["num_warnings"]) == (3, 1)


def test_a_full_disk_leaves_part_of_the_rows_behind(site, database, plant):
    trans = site.begin(database)
    plant("disk_full", {"table": "Object"})
    assert not site.push(trans, objects(CHUNKS[0], num=4))["success"]
    (told,) = site.files(trans)
    assert (told["status"], told["system_error"], told["retry_allowed"]) == ("LOAD_FAILED", 28, 0)
    assert site.counters(database, "Object") == {(trans, CHUNKS[0], 0): 2}
    site.end(trans, abort=1)
    assert site.counters(database, "Object") == {}


@pytest.mark.parametrize(
    ("stage", "status", "rows"), [("read", "FINISHED", 2), ("load", "LOAD_FAILED", 2)]
)
def test_a_worker_that_is_killed_resumes_reading_and_gives_up_a_load(
    site, database, plant, source, stage, status, rows
):
    trans = site.begin(database)
    home = site.place(trans, CHUNKS[0])
    plant("kill", {"stage": stage})
    number = submit(site, trans, source.url)["contrib"]["id"]
    told = site.settled(number)
    assert (told["status"], told["retry_allowed"]) == (status, 0)
    assert site.counters(database, "Object") == {(trans, CHUNKS[0], 0): rows}
    assert until_answers(f"{home}/meta/version")


def test_a_synchronous_load_that_is_killed_stays_in_progress_for_good(site, database, plant):
    trans = site.begin(database)
    home = site.place(trans, CHUNKS[0])
    plant("kill", {"chunk": CHUNKS[0]})
    with pytest.raises(requests.ConnectionError):
        site.push(trans, objects(CHUNKS[0]), base=home)
    assert until_answers(f"{home}/meta/version")
    assert [told["status"] for told in site.files(trans)] == ["IN_PROGRESS"]
    assert site.counters(database, "Object") == {(trans, CHUNKS[0], 0): 2}


def until_answers(url):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            return requests.get(url, timeout=1).ok
        except requests.ConnectionError:
            time.sleep(0.05)
    return False


def test_a_restart_of_everything_loses_nothing(site, database, only_here):
    trans = site.begin(database, context={"a": 1})
    told = site.pushed(trans, objects(CHUNKS[0]))
    for service in (only_here, only_here.mariadb):
        service.stop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        only_here.mariadb.start()
        only_here.start()
    assert site.transaction(trans, include_context=1)["context"] == {"a": 1}
    assert [file["id"] for file in site.files(trans)] == [told["id"]]
    assert site.place(trans, CHUNKS[0])
    assert site.end(trans)["success"]


def test_one_command_starts_it_and_down_leaves_nothing(only_here, tmp_path):
    env = {**os.environ, "DBB_SANDBOX_DIR": str(tmp_path / "sandbox")}

    def run(*words):
        command = [str(only_here.layout.root / "sandbox"), *words]
        return subprocess.run(command, check=True, env=env, capture_output=True, text=True).stdout

    told = run("qserv")
    try:
        url = re.search(r"Controller +(\S+)", told)[1]
        assert requests.get(f"{url}/meta/version", timeout=10).json()["version"] == VERSION
        assert "qserv-contract" in run("status")
    finally:
        run("down")
    assert list((tmp_path / "sandbox" / "run").glob("*.json")) == []
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=2)
