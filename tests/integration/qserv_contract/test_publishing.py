"""Publishing a database of a Qserv, and what is done to one that is published."""

from __future__ import annotations

import pytest

from support.qserv import CHUNKS, objects, schema

pytestmark = pytest.mark.qserv


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
