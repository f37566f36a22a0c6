"""What a Qserv answers: versions, keys, and failures that are a success to HTTP."""

from __future__ import annotations

import pytest
import requests

from support.qserv import CHUNKS, VERSION

pytestmark = pytest.mark.qserv


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
