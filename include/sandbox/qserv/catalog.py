"""Register databases and tables, and place chunks, as the controller does."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lsst.sphgeom import Chunker

from sandbox.qserv.api import Answer, Call, Refused
from sandbox.qserv.state import STATE, State, now_ms, packed

DUMMY_CHUNK = 1234567890
_KEY = {"name": "qserv_trans_id", "type": "INT NOT NULL"}


@dataclass(frozen=True, slots=True)
class Place:
    """Name a worker and its port."""

    worker: str
    port: int

    def location(self) -> Answer:
        """Say where contributions are sent, in the words of the API."""
        here = "127.0.0.1"
        told: Answer = {"worker": self.worker, "host": here, "host_name": here, "port": 0}
        return told | {"http_host": here, "http_host_name": here, "http_port": self.port}


@lru_cache
def valid_chunks(num_stripes: int, num_sub_stripes: int) -> frozenset[int]:
    """Give all chunk numbers of a layout."""
    return frozenset(Chunker(num_stripes, num_sub_stripes).getAllChunks())


def at_worker(worker: str, catalog: str, table: str) -> str:
    """Name a table of a worker: here all workers share a server, so each has its databases."""
    return f"`{worker}__{catalog}`.`{table}`"


def chunk_tables(table: str, chunk: int) -> tuple[str, str]:
    """Name a chunk's table and its overlap's."""
    return f"{table}_{chunk}", f"{table}FullOverlap_{chunk}"


class Catalogs:
    """Keep databases, their families, tables and chunks."""

    def __init__(self, state: State, places: list[Place]) -> None:
        self.state = state
        self.places = places
        self._placing = threading.Lock()

    def database(self, name: str) -> Answer:
        """Give a database, or refuse."""
        rows = self.state.select("catalog", name=name)
        if not rows:
            raise Refused(f"no such database: '{name}'")
        return rows[0]

    def tables(self, catalog: str) -> list[Answer]:
        """Give the tables of a database."""
        rows = self.state.select("tbl", catalog=catalog)
        return [{**json.loads(row["info"]), "is_published": row["is_published"]} for row in rows]

    def table(self, catalog: str, name: str) -> Answer:
        """Give a table, or refuse."""
        for table in self.tables(catalog):
            if table["name"] == name:
                return table
        raise Refused(f"no such table '{name}' in database '{catalog}'")

    def chunks(self, catalog: str) -> dict[int, str]:
        """Give the chunks of a database and the worker of each."""
        rows = self.state.select("replica", catalog=catalog)
        return {row["chunk"]: row["worker"] for row in rows}

    def described(self, name: str) -> Answer:
        """Give a database in the words of the API."""
        row = self.database(name)
        told = {"database": name, "family_name": row["family"], "tables": self.tables(name)}
        return told | {key: row[key] for key in ("is_published", "create_time", "publish_time")}

    def of_call(self, call: Call) -> Answer:
        """Give the database that a request names by itself or by its transaction."""
        if "database" in call.body:
            return self.database(call.need("database"))
        if "transaction_id" not in call.body:
            raise Refused("expects either 'database' or 'transaction_id'")
        rows = self.state.select("trans", id=call.need("transaction_id", int))
        if not rows:
            raise Refused("no such transaction")
        return self.database(rows[0]["catalog"])

    def add_database(self, call: Call) -> Answer:
        """Register a database; an overlap other than its family's is taken in silence."""
        name = call.need("database")
        stripes, sub = call.need("num_stripes", int), call.need("num_sub_stripes", int)
        overlap = call.need("overlap", float)
        auto_index = call.option("auto_build_secondary_index", 1)
        if overlap < 0:
            raise Refused("overlap can't have a negative value")
        if self.state.select("catalog", name=name):
            raise Refused(f"database '{name}' already exists")
        family = f"layout_{stripes}_{sub}"
        if not self.state.select("family", name=family):
            self.state.insert(
                "family", name=family, num_stripes=stripes, num_sub_stripes=sub, overlap=overlap
            )
        for place in self.places:
            self.state.run(f"CREATE DATABASE IF NOT EXISTS `{place.worker}__{name}`")
        self.state.insert(
            "catalog",
            name=name, family=family, auto_index=auto_index, config="{}", create_time=now_ms(),
        )  # fmt: skip
        return {"database": self.described(name)}

    def add_table(self, call: Call) -> Answer:
        """Register a table, and make its prototype and its dummy chunk at every worker."""
        if "unique_primary_key" in call.body:
            call.check_version(21, "'unique_primary_key' requires API version 21 or newer.")
        if {"charset_name", "collation_name"} & set(call.body):
            call.check_version(49, "'charset_name' requires API version 49 or newer.")
        catalog, name = call.need("database"), call.need("table")
        if self.database(catalog)["is_published"]:
            raise Refused("the database is already published")
        if self.state.select("tbl", catalog=catalog, name=name):
            raise Refused("table already exists")
        if len(catalog) + len(name) > 56:
            raise Refused("the names of database and table together have more than 56 characters")
        info = _described_table(call, catalog, name)
        director = info["director_table_name"]
        if director and not info["is_ref_match"]:
            self.table(info["director_database_name"], director)
        names = [name]
        if info["is_partitioned"]:
            names += chunk_tables(name, DUMMY_CHUNK)
        columns = ", ".join(f"`{c['name']}` {c['type']}" for c in info["columns"])
        options = f"ENGINE=MyISAM CHARSET={info['charset_name']} COLLATE={info['collation_name']}"
        parts = "PARTITION BY LIST (qserv_trans_id) (PARTITION p0 VALUES IN (0))"
        for place in self.places:
            for each in names:
                made = at_worker(place.worker, catalog, each)
                self.state.run(f"CREATE TABLE {made} ({columns}) {options} {parts}")
        self.state.insert("tbl", catalog=catalog, name=name, info=packed(info))
        return {"database": self.described(catalog)}

    def get_config(self, call: Call) -> Answer:
        """Give the parameters of a database's ingest that were ever set."""
        name = call.query.get("database", "")
        return {"config": {"database": name, **json.loads(self.database(name)["config"])}}

    def set_config(self, call: Call) -> Answer:
        """Set parameters of a database's ingest; they hold from then on."""
        name = call.need("database")
        kept = json.loads(self.database(name)["config"])
        kept |= {key: value for key, value in call.body.items() if key.isupper()}
        self.state.update("catalog", {"config": packed(kept)}, name=name)
        return {}

    def place_chunk(self, call: Call) -> Answer:
        """Give one chunk a worker, or tell which it has."""
        chunk = call.need("chunk", int)
        return {"location": self._place(self.of_call(call), [chunk])[0]}

    def place_chunks(self, call: Call) -> Answer:
        """Give many chunks workers."""
        return {"locations": self._place(self.of_call(call), call.need("chunks", list))}

    def place_chunk_everywhere(self, call: Call) -> Answer:
        """Give the places of a chunk: here one, since chunks have no second replica."""
        return {"locations": self._place(self.of_call(call), [call.need("chunk", int)])}

    def regular(self, call: Call) -> Answer:
        """Give the places to which each contribution of a regular table is to be sent."""
        self.of_call(call)
        return {"locations": [place.location() for place in self.places]}

    def replicas(self, call: Call) -> Answer:
        """Tell where chunks are."""
        chunks = self.chunks(call.query.get("database", ""))
        return {"replica": [{"chunk": c, "worker": w, "table": {}} for c, w in chunks.items()]}

    def _place(self, database: Answer, chunks: list[int]) -> list[Answer]:
        family = self.state.select("family", name=database["family"])[0]
        valid = valid_chunks(family["num_stripes"], family["num_sub_stripes"])
        for chunk in chunks:
            if chunk not in valid:
                raise Refused(f"chunk {chunk} is not valid")
        ports = {place.worker: place for place in self.places}
        with self._placing:
            there = self.chunks(database["name"])
            for chunk in chunks:
                if chunk not in there:
                    there[chunk] = self._choose(database["family"], chunk)
                    self.state.insert(
                        "replica", catalog=database["name"], chunk=chunk, worker=there[chunk]
                    )
        return [{"chunk": chunk, **ports[there[chunk]].location()} for chunk in chunks]

    def _choose(self, family: str, chunk: int) -> str:
        """Choose a worker that has the chunk of a sister database, or the one with the fewest."""
        rows = self.state.all(
            f"SELECT r.worker FROM `{STATE}`.replica r JOIN `{STATE}`.catalog c"
            " ON c.name = r.catalog WHERE c.family = %s AND r.chunk = %s",
            family, chunk,
        )  # fmt: skip
        among: set[str] = {row["worker"] for row in rows} or {place.worker for place in self.places}
        rows = self.state.all(
            f"SELECT worker, COUNT(*) AS num FROM `{STATE}`.replica GROUP BY worker"
        )
        load = {row["worker"]: row["num"] for row in rows}
        return min(sorted(among), key=lambda worker: int(load.get(worker, 0)))


def _described_table(call: Call, catalog: str, name: str) -> Answer:
    """Read a table's description and refuse what Qserv refuses."""
    text = {
        key: call.option(key, default)
        for key, default in (
            ("director_table", ""), ("director_key", ""), ("director_table2", ""),
            ("director_key2", ""), ("flag", ""), ("latitude_key", ""), ("longitude_key", ""),
            ("charset_name", "latin1"), ("collation_name", "latin1_general_ci"),
        )
    }  # fmt: skip
    info: Answer = {"name": name, "database": catalog, **text}
    info["ang_sep"] = float(call.body.get("ang_sep", 0))
    info["unique_primary_key"] = call.option("unique_primary_key", 1)
    info["is_partitioned"] = int(call.need("is_partitioned", int) != 0)
    info["is_ref_match"] = int(bool(info["is_partitioned"] and text["director_table2"]))
    for number in ("", "2"):
        whole = text[f"director_table{number}"]
        told = whole.split(".") if "." in whole else (catalog if whole else "", whole)
        info[f"director_database_name{number}"], info[f"director_table_name{number}"] = told
    info["is_director"] = int(bool(info["is_partitioned"] and not text["director_table"]))
    schema = call.need("schema", list)
    info["columns"] = [_KEY, *[_column(column, info["is_director"]) for column in schema]]
    _check_partitioned(info, {column["name"] for column in info["columns"]})
    info["create_time"] = now_ms()
    return info


def _column(column: Any, is_director: int) -> dict[str, str]:
    if not isinstance(column, dict) or not {"name", "type"} <= set(column):
        raise Refused("a column of the schema has no 'name' or no 'type'")
    if column["name"] == _KEY["name"]:
        raise Refused(f"reserved column '{_KEY['name']}' is not allowed")
    if is_director and any(word in column["type"].upper() for word in ("BLOB", "TEXT")):
        raise Refused(f"the prohibited type of column '{column['name']}' of the director table")
    return {"name": column["name"], "type": column["type"]}


def _check_partitioned(info: Answer, columns: set[str]) -> None:
    """Refuse a partitioned table whose keys are not among its columns."""
    if not info["is_partitioned"]:
        return
    wanted = {info["director_key"]}
    if info["is_ref_match"]:
        wanted |= {info["director_key2"], info["flag"]}
        if info["ang_sep"] <= 0:
            raise Refused("'ang_sep' of a table of matches is not positive")
    else:
        wanted |= {"chunkId", "subChunkId"}
    if info["is_director"]:
        wanted |= {info["latitude_key"], info["longitude_key"]}
    missing = sorted(wanted - columns)
    if missing:
        raise Refused(f"columns {missing} are missing in the schema")
