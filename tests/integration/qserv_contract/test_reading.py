"""A Qserv that reads rows from an address."""

from __future__ import annotations

import itertools

import pytest

from support.qserv import CHUNKS, objects

pytestmark = pytest.mark.qserv


@pytest.mark.usefixtures("only_here")
def test_rows_are_read_from_a_file_at_once_or_later(site, database, tmp_path):
    path = tmp_path / "some rows.csv"
    path.write_bytes(objects(CHUNKS[0]))
    trans = site.begin(database)
    assert site.submit(trans, path.as_uri(), sync=True)["contrib"]["num_rows_loaded"] == 2
    answer = site.submit(trans, path.as_uri())
    assert answer["contrib"]["status"] == "IN_PROGRESS"
    assert site.settled(answer["contrib"]["id"])["num_rows_loaded"] == 2


def test_a_source_that_fails_once_is_read_again_by_itself(site, database, source):
    source.failures = 1
    told = site.settled(site.submit(site.begin(database), source.url)["contrib"]["id"])
    assert (told["status"], told["num_failed_retries"]) == ("FINISHED", 1)
    assert told["failed_retries"][0]["http_error"] == 503


def test_the_number_of_retries_is_max_retries_and_ten_at_most(site, database, source):
    source.failures = 99
    trans = site.begin(database)
    for wanted, done in ((0, 0), (3, 3), (50, 10)):
        told = site.settled(site.submit(trans, source.url, max_retries=wanted)["contrib"]["id"])
        assert (told["status"], told["retry_allowed"]) == ("READ_FAILED", 1)
        assert (told["max_retries"], told["num_failed_retries"]) == (done, done)
    told = site.settled(site.submit(trans, source.url, num_retries=0)["contrib"]["id"])
    assert told["num_failed_retries"] == 1  # the documented name is not read


def test_an_answer_cut_off_is_a_failed_read(site, database, source):
    source.missing = 5
    told = site.settled(site.submit(site.begin(database), source.url)["contrib"]["id"])
    assert told["status"] == "READ_FAILED"


def test_only_a_failed_read_is_taken_up_again_and_only_where_it_was(site, database, source):
    source.failures = 1
    trans = site.begin(database)
    number = site.settled(site.submit(trans, source.url, max_retries=0)["contrib"]["id"])["id"]
    home = site.place(trans, CHUNKS[0])
    other = next(b for b in (site.place(trans, c) for c in CHUNKS) if b != home)
    assert not site.ask("PUT", f"/ingest/file-async/{number}", other)["success"]
    assert site.ok("PUT", f"/ingest/file/{number}", home)["contrib"]["status"] == "FINISHED"
    assert not site.ask("PUT", f"/ingest/file/{number}", home)["success"]


@pytest.mark.parametrize("url", ["s3://bucket/rows.csv", "root://host//rows.csv"])
def test_other_schemes_are_refused(site, database, url):
    trans = site.begin(database)
    assert not site.submit(trans, url)["success"]
    assert [told["status"] for told in site.files(trans)] == ["CREATE_FAILED"]


def test_a_queue_is_worked_off_in_order_and_within_the_limit(site, database, source, plant):
    site.ok("PUT", "/ingest/config", database=database, ASYNC_PROC_LIMIT=1)
    config = site.ok("GET", "/ingest/config", database=database)["config"]
    assert config == {"database": database, "ASYNC_PROC_LIMIT": 1}
    plant("slow", {"stage": "read"}, seconds=0.2, times=3)
    trans = site.begin(database)
    numbers = [site.submit(trans, source.url)["contrib"]["id"] for _ in range(3)]
    told = [site.settled(number) for number in numbers]
    for before, after in itertools.pairwise(told):
        assert before["load_time"] <= after["start_time"]


def test_what_waits_can_be_cancelled(site, database, source, plant):
    site.ok("PUT", "/ingest/config", database=database, ASYNC_PROC_LIMIT=1)
    plant("slow", {"stage": "read"}, seconds=3)  # all is asked for within it
    trans = site.begin(database)
    numbers = [site.submit(trans, source.url)["contrib"]["id"] for _ in range(3)]
    base = site.place(trans, CHUNKS[0])
    told = site.ok("DELETE", f"/ingest/file-async/{numbers[2]}", base)["contrib"]
    assert told["status"] == "CANCELLED"
    site.ok("DELETE", f"/ingest/file-async/trans/{trans}", base)
    assert [site.settled(number)["status"] for number in numbers] == ["CANCELLED"] * 3
    contribs = site.ok("GET", f"/ingest/file-async/trans/{trans}", base)["contribs"]
    assert [told["id"] for told in contribs] == numbers
