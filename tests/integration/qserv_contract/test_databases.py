"""Databases, tables and chunks of a Qserv."""

from __future__ import annotations

import pytest

from support.qserv import CHUNKS, TABLES, schema

pytestmark = pytest.mark.qserv


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
