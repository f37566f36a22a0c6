"""Transactions of a Qserv."""

from __future__ import annotations

import pytest

from support.qserv import CHUNKS, objects

pytestmark = pytest.mark.qserv


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
