"""A Qserv whose answers get lost, whose workers die and whose disks are full."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
import warnings

import pytest
import requests

from support.qserv import CHUNKS, VERSION, objects

pytestmark = pytest.mark.qserv


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
    with contextlib.suppress(requests.ConnectionError):  # it may be killed before it has answered
        site.submit(trans, source.url)
    (known,) = site.files(trans)
    told = site.settled(known["id"])
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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return requests.get(url, timeout=5).ok
        except requests.RequestException:  # refused, or accepted a while before it is answered
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
