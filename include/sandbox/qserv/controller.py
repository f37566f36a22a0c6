"""Be the controller: one table of all its endpoints."""

from __future__ import annotations

from sandbox.qserv.api import Answer, Api, Call
from sandbox.qserv.catalog import Catalogs, Place
from sandbox.qserv.contributions import DEFAULT_RETRIES, MAX_RETRIES, MAX_WARNINGS
from sandbox.qserv.faults import Faults
from sandbox.qserv.publishing import Publishing
from sandbox.qserv.state import State
from sandbox.qserv.transactions import Transactions
from sandbox.qserv.worker import THREADS


class Controller:
    """Serve the controller's part of the API."""

    def __init__(self, state: State, places: list[Place], faults: Faults, czar_user: str) -> None:
        self.catalogs = Catalogs(state, places)
        self.transactions = Transactions(state, self.catalogs, faults)
        self.publishing = Publishing(self.catalogs, czar_user)

    def register(self, api: Api) -> None:
        """Add the endpoints, each with the least version of the API that it takes."""
        catalogs, trans, after = self.catalogs, self.transactions, self.publishing
        for method, path, least, handler in (
            ("GET", "/meta/version", 0, self._version),
            ("GET", "/replication/config", 12, self._config),
            ("GET", "/ingest/database", 12, self._databases),
            ("POST", "/ingest/database", 12, catalogs.add_database),
            ("PUT", "/ingest/database/{database}", 12, after.publish),
            ("DELETE", "/ingest/database/{database}", 12, after.delete_database),
            ("PUT", "/replication/config/database/{database}", 12, after.unpublish),
            ("GET", "/ingest/table/{database}", 12, self._tables),
            ("POST", "/ingest/table", 12, catalogs.add_table),
            ("DELETE", "/ingest/table/{database}/{table}", 12, after.delete_table),
            ("GET", "/ingest/config", 14, catalogs.get_config),
            ("PUT", "/ingest/config", 14, catalogs.set_config),
            ("GET", "/ingest/trans", 37, trans.many),
            ("GET", "/ingest/trans/{id}", 37, trans.by_number),
            ("POST", "/ingest/trans", 12, trans.begin),
            ("PUT", "/ingest/trans/{id}", 12, trans.end),
            ("GET", "/ingest/trans/contrib/{id}", 37, trans.contribution),
            ("POST", "/ingest/chunk", 12, catalogs.place_chunk),
            ("POST", "/ingest/chunks", 54, catalogs.place_chunks),
            ("POST", "/ingest/chunk-multi", 54, catalogs.place_chunk_everywhere),
            ("POST", "/ingest/chunks-multi", 54, catalogs.place_chunks),
            ("GET", "/ingest/chunks", 12, catalogs.replicas),
            ("GET", "/ingest/regular", 12, catalogs.regular),
            ("POST", "/ingest/table-stats", 12, after.count),
            ("GET", "/ingest/table-stats/{database}/{table}", 12, after.counters),
            ("DELETE", "/ingest/table-stats/{database}/{table}", 12, after.delete_counters),
            ("POST", "/ingest/index/secondary", 22, after.build_director_index),
            ("GET", "/replication/sql/index/{database}/{table}", 17, after.indexes),
            ("POST", "/replication/sql/index", 12, after.create_index),
            ("DELETE", "/replication/sql/index", 12, after.drop_index),
        ):
            api.add(method, path, least, handler)

    def _version(self, call: Call) -> Answer:
        kind = {"kind": "replication-controller", "id": "contract", "instance_id": "contract"}
        return {**kind, "version": call.window["version"], "database_schema_version": 17}

    def _databases(self, call: Call) -> Answer:
        return {
            "databases": [
                {key: row[key] for key in ("name", "family", "is_published")}
                for row in self.catalogs.state.select("catalog")
            ]
        }

    def _tables(self, call: Call) -> Answer:
        name = call.params["database"]
        self.catalogs.database(name)
        tables = self.catalogs.tables(name)
        return {"tables": [{key: t[key] for key in ("name", "is_partitioned")} for t in tables]}

    def _config(self, call: Call) -> Answer:
        state = self.catalogs.state
        host = {"addr": "127.0.0.1", "name": "127.0.0.1"}
        workers = [
            {
                "name": place.worker, "is-enabled": 1, "is-read-only": 0,
                "loader-host": host, "loader-port": 0,
                "http-loader-host": host, "http-loader-port": place.port,
            }
            for place in self.catalogs.places
        ]  # fmt: skip
        worker = {
            "num-async-loader-processing-threads": THREADS,
            "ingest-num-retries": DEFAULT_RETRIES,
            "ingest-max-retries": MAX_RETRIES,
            "loader-max-warnings": MAX_WARNINGS,
            "ingest-charset-name": "latin1",
            "async-loader-auto-resume": 1,
        }
        config = {
            "general": {"worker": worker, "controller": {}},
            "workers": workers,
            "database_families": [
                {**row, "min_replication_level": 1} for row in state.select("family")
            ],
            "databases": [self.catalogs.described(row["name"]) for row in state.select("catalog")],
        }
        return {"config": config}
