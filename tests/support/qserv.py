"""Ask a Qserv, or the server that stands in for one, as a workflow does."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import pymysql
import requests

VERSION = 55
COLUMNS = {
    "Object": "objectId BIGINT NOT NULL,ra DOUBLE,decl DOUBLE,name CHAR(4),chunkId INT,subChunkId INT",
    "Source": "sourceId BIGINT NOT NULL,objectId BIGINT,flag TINYINT,chunkId INT,subChunkId INT",
    "Filter": "filterId INT,name CHAR(8)",
    "Match": "a BIGINT,b BIGINT,chunkId INT,subChunkId INT,flag TINYINT",
}
TABLES: dict[str, dict[str, Any]] = {
    "Object": {"is_partitioned": 1, "director_table": "", "director_key": "objectId",
               "latitude_key": "decl", "longitude_key": "ra"},
    "Source": {"is_partitioned": 1, "director_table": "Object", "director_key": "objectId"},
    "Filter": {"is_partitioned": 0},
    "Match": {"is_partitioned": 1, "director_table": "Object", "director_key": "a",
              "director_table2": "Object", "director_key2": "b", "flag": "flag", "ang_sep": 0.01},
}  # fmt: skip
CHUNKS = (5100, 5101, 5102, 5103)
"""Valid in the layout of 85 stripes of 12."""


def schema(table: str) -> list[dict[str, str]]:
    """Give a table's columns as the API takes them."""
    pairs = (column.split(" ", 1) for column in COLUMNS[table].split(","))
    return [{"name": name, "type": kind} for name, kind in pairs]


def objects(chunk: int, first: int = 1, num: int = 2) -> bytes:
    """Give rows of `Object`."""
    return b"".join(b"%d,1.5,2.5,abc,%d,1\n" % (n, chunk) for n in range(first, first + num))


@dataclass
class Site:
    """Hold the address of a Qserv and what opens it."""

    url: str
    auth_key: str
    admin_auth_key: str
    czar: dict[str, Any]
    made: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, base: str = "", **body: Any) -> dict[str, Any]:
        """Send a request in the newest version and with the key; give the answer as it is."""
        words = {"version": VERSION, "auth_key": self.auth_key, **body}
        kept = {key: value for key, value in words.items() if value is not None}
        query = {"params": body} if method == "GET" and not body.pop("in_body", 0) else {}
        if query:
            query["params"] = {"version": VERSION, **body}
            kept = {}
        answer = requests.request(
            method, (base or self.url) + path, json=kept or None, timeout=60, **query
        )
        answer.raise_for_status()
        return dict(answer.json())

    def ok(self, method: str, path: str, base: str = "", **body: Any) -> dict[str, Any]:
        """Send a request that has to succeed."""
        answer = self.ask(method, path, base, **body)
        assert answer["success"], answer
        return answer

    def new_database(self, *tables: str, **more: Any) -> str:
        """Register a database with some of the tables."""
        name = f"dbb_{uuid.uuid4().hex[:12]}"
        layout = {"num_stripes": 85, "num_sub_stripes": 12, "overlap": 0.01667}
        self.ok("POST", "/ingest/database", database=name, **{**layout, **more})
        self.made.append(name)
        for table in tables:
            self.new_table(name, table)
        return name

    def new_table(self, database: str, table: str, **more: Any) -> None:
        """Register a table."""
        about = {"schema": schema(table), **TABLES[table], **more}
        self.ok("POST", "/ingest/table", database=database, table=table, **about)

    def begin(self, database: str, **more: Any) -> int:
        """Begin a transaction and give its number."""
        answer = self.ok("POST", "/ingest/trans", database=database, **more)
        return int(answer["databases"][database]["transactions"][0]["id"])

    def end(self, trans: int, *, abort: int = 0) -> dict[str, Any]:
        """Commit or abort; give the answer as it is."""
        return self.ask("PUT", f"/ingest/trans/{trans}?abort={abort}")

    def transaction(self, trans: int, **query: Any) -> dict[str, Any]:
        """Give a transaction."""
        answer = self.ok("GET", f"/ingest/trans/{trans}", **query)
        (database,) = answer["databases"].values()
        return dict(database["transactions"][0])

    def files(self, trans: int, **query: Any) -> list[dict[str, Any]]:
        """Give the contributions of a transaction."""
        told = self.transaction(
            trans, contrib=1, contrib_long=1, include_warnings=1, include_retries=1, **query
        )
        return list(told["contrib"]["files"])

    def place(self, trans: int, chunk: int) -> str:
        """Give the address of the worker that has a chunk."""
        where = self.ok("POST", "/ingest/chunk", transaction_id=trans, chunk=chunk)["location"]
        return f"http://{where['http_host']}:{where['http_port']}"

    def push(
        self, trans: int, data: bytes, *, table: str = "Object", chunk: int = CHUNKS[0],
        overlap: int = 0, **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Send rows by value to the worker that has the chunk; give the answer as it is."""
        base = more.pop("base", None) or self.place(trans, chunk)
        words = {
            "version": VERSION, "auth_key": self.auth_key, "transaction_id": trans,
            "table": table, "chunk": chunk, "overlap": overlap, "charset_name": "utf8mb4",
            "fields_terminated_by": ",", **more,
        }  # fmt: skip
        answer = requests.post(
            base + "/ingest/csv",
            data={key: str(value) for key, value in words.items()},
            files={"rows": ("rows.csv", data, "text/csv")},
            timeout=60,
        )
        answer.raise_for_status()
        return dict(answer.json())

    def pushed(self, trans: int, data: bytes, **more: Any) -> dict[str, Any]:
        """Send rows that have to be loaded; give the contribution."""
        answer = self.push(trans, data, **more)
        assert answer["success"], answer
        return dict(answer["contrib"])

    def submit(
        self, trans: int, url: str, *, sync: bool = False, chunk: int = CHUNKS[0], **more: Any
    ) -> dict[str, Any]:
        """Have rows of `Object` read from an address; give the answer as it is."""
        return self.ask(
            "POST", "/ingest/file" if sync else "/ingest/file-async", self.place(trans, chunk),
            transaction_id=trans, table="Object", chunk=chunk, overlap=0, url=url,
            fields_terminated_by=",", charset_name="utf8mb4", **more,
        )  # fmt: skip

    def settled(self, contribution: int) -> dict[str, Any]:
        """Wait until a contribution is in progress no more."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            answer = self.ok(
                "GET", f"/ingest/trans/contrib/{contribution}", include_warnings=1,
                include_retries=1,
            )  # fmt: skip
            told = answer["contribution"]
            # Between the attempts that Qserv makes by itself it shows the failure of the last.
            is_at_it = told["num_failed_retries"] < told["max_retries"]
            if told["status"] != "IN_PROGRESS" and not (
                told["status"] == "READ_FAILED" and is_at_it
            ):
                return dict(told)
            time.sleep(0.05)
        raise AssertionError(answer)

    def counters(self, database: str, table: str) -> dict[tuple[int, int, int], int]:
        """Count rows anew by transaction, chunk and overlap."""
        self.ok("DELETE", f"/ingest/table-stats/{database}/{table}")
        return self.counted_again(database, table)

    def counted_again(self, database: str, table: str) -> dict[tuple[int, int, int], int]:
        """Count rows without taking away what was counted before."""
        self.ok(
            "POST", "/ingest/table-stats", database=database, table=table, force_rescan=1,
            row_counters_state_update_policy="FORCED",
        )  # fmt: skip
        entries = self.ok("GET", f"/ingest/table-stats/{database}/{table}")["entries"]
        return {
            (e["transaction_id"], e["chunk"], e["is_overlap"]): e["num_rows"]
            for e in entries
            if e["num_rows"]
        }

    def query(self, statement: str) -> tuple[tuple[Any, ...], ...]:
        """Ask the czar."""
        with pymysql.connect(**self.czar) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall())

    def clean(self) -> None:
        """Delete the databases that were made here."""
        for name in self.made:
            self.ask("DELETE", f"/ingest/database/{name}", admin_auth_key=self.admin_auth_key)
        self.made.clear()
