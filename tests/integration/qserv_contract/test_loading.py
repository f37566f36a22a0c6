"""Loading by value into a Qserv, and what MariaDB lets pass."""

from __future__ import annotations

import pytest
import requests

from support.qserv import CHUNKS, VERSION, objects

pytestmark = pytest.mark.qserv


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
