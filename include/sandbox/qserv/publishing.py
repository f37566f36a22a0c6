"""Publish databases, count their rows, index them, take them back, delete them."""

from __future__ import annotations

import pymysql

from sandbox.qserv import director
from sandbox.qserv.api import Answer, Call, Refused
from sandbox.qserv.catalog import DUMMY_CHUNK, Catalogs, at_worker, chunk_tables
from sandbox.qserv.state import STATE, now_ms

_NOT_PARTITIONED, _NO_SUCH_TABLE = 1505, 1146
_ALL_ROWS = "__rows"
"""After a match table's name: what the czar's joins would see."""


class Publishing:
    """Do what comes after the transactions."""

    def __init__(self, catalogs: Catalogs, czar_user: str) -> None:
        self.catalogs = catalogs
        self.state = catalogs.state
        self.czar_user = czar_user

    def publish(self, call: Call) -> Answer:
        """Make a database visible to the czar; it can be asked for again until it succeeded."""
        name = call.params["database"]
        if self.catalogs.database(name)["is_published"]:
            raise Refused("the database is already published")
        states = {row["state"] for row in self.state.select("trans", catalog=name)}
        if states - {"FINISHED", "ABORTED"}:
            raise Refused("database has uncommitted transactions")
        if not self.catalogs.chunks(name):
            raise Refused("the database doesn't have any chunks")
        tables = [table for table in self.catalogs.tables(name) if not table["is_published"]]
        if call.option("row_counters_deploy_at_qserv", 0):
            for table in tables:
                self._count(name, table, both=True, is_forced=False)
        self.state.run(f"CREATE DATABASE IF NOT EXISTS `{name}`")
        self.state.run(f"GRANT SELECT ON `{name}`.* TO `{self.czar_user}`@`%`")
        for table in tables:
            self._publish_table(name, table)
            self.state.update("tbl", {"is_published": 1}, catalog=name, name=table["name"])
        values = {"is_published": 1, "publish_time": now_ms()}
        self.state.update("catalog", values, name=name)
        return {"database": self.catalogs.described(name)}

    def _publish_table(self, catalog: str, table: Answer) -> None:
        """Take the partitions out of a table, and show the czar one table instead of many."""
        name = table["name"]
        workers = [place.worker for place in self.catalogs.places]
        for worker in workers:
            self._unpartition(at_worker(worker, catalog, name))
        is_match = table["is_ref_match"]
        seen = f"`{catalog}`.`{name}{_ALL_ROWS if is_match else ''}`"
        self.state.run(f"DROP TABLE IF EXISTS {seen}")
        parts = [at_worker(workers[0], catalog, name)]
        prototype = parts[0]
        if table["is_partitioned"]:
            parts = []
            for chunk, worker in sorted(self.catalogs.chunks(catalog).items()):
                plain = at_worker(worker, catalog, name)
                for each in chunk_tables(name, chunk):
                    made = at_worker(worker, catalog, each)
                    self.state.run(f"CREATE TABLE IF NOT EXISTS {made} LIKE {plain}")
                    self._unpartition(made)
                parts.append(at_worker(worker, catalog, chunk_tables(name, chunk)[0]))
        self.state.run(f"CREATE TABLE {seen} LIKE {prototype}")
        self.state.run(f"ALTER TABLE {seen} ENGINE=MERGE UNION=({', '.join(parts)})")
        if is_match:  # of a match in two chunks, whoever asks for matches alone sees one row
            once = f"`{table['director_key']}` IS NULL OR `{table['flag']}` <> 2"
            self.state.run(
                f"CREATE OR REPLACE VIEW `{catalog}`.`{name}` AS SELECT * FROM {seen} WHERE {once}"
            )

    def _unpartition(self, name: str) -> None:
        try:
            self.state.run(f"ALTER TABLE {name} REMOVE PARTITIONING")
        except pymysql.MySQLError as error:
            if error.args[0] != _NOT_PARTITIONED:
                raise

    def unpublish(self, call: Call) -> Answer:
        """Open a published database for new tables; those that were published stay so."""
        if not call.is_admin:
            raise Refused("un-publishing requires administrator's privileges.")
        name = call.params["database"]
        if not self.catalogs.database(name)["is_published"]:
            raise Refused("the database is not published")
        self.state.update("catalog", {"is_published": 0}, name=name)
        return {"database": self.catalogs.described(name)}

    def delete_database(self, call: Call) -> Answer:
        """Delete a database with all that is in it."""
        name = call.params["database"]
        self._may_delete(call, name)
        for table in self.catalogs.tables(name):
            self._forget(name, table["name"])
        for schema in [*(f"{place.worker}__{name}" for place in self.catalogs.places), name]:
            self.state.run(f"DROP DATABASE IF EXISTS `{schema}`")
        self.state.delete("replica", catalog=name)
        for row in self.state.select("trans", catalog=name):
            self.state.delete("contrib", trans=row["id"])
        self.state.delete("trans", catalog=name)
        self.state.delete("catalog", name=name)
        return {}

    def delete_table(self, call: Call) -> Answer:
        """Delete a table of a database."""
        name, table = call.params["database"], call.params["table"]
        info = self.catalogs.table(name, table)
        self._may_delete(call, name)
        drop = []
        if self.state.all("SHOW DATABASES LIKE %s", name):
            if info["is_ref_match"]:
                self.state.run(f"DROP VIEW IF EXISTS `{name}`.`{table}`")
            drop.append(f"`{name}`.`{table}{_ALL_ROWS if info['is_ref_match'] else ''}`")
        for place in self.catalogs.places:
            drop.append(at_worker(place.worker, name, table))
            if info["is_partitioned"]:
                drop += self._at_chunks(name, table, place.worker)
        for each in drop:
            self.state.run(f"DROP TABLE IF EXISTS {each}")
        self._forget(name, table)
        return {}

    def _may_delete(self, call: Call, name: str) -> None:
        if self.catalogs.database(name)["is_published"] and not call.is_admin:
            raise Refused("deleting what is published requires administrator's privileges.")

    def _forget(self, catalog: str, table: str) -> None:
        director.drop(self.catalogs, catalog, table)
        self.state.delete("row_count", catalog=catalog, tbl=table)
        self.state.delete("tbl", catalog=catalog, name=table)

    def _at_chunks(self, catalog: str, table: str, worker: str) -> list[str]:
        chunks = [c for c, where in self.catalogs.chunks(catalog).items() if where == worker]
        names = [each for c in (*chunks, DUMMY_CHUNK) for each in chunk_tables(table, c)]
        return [at_worker(worker, catalog, each) for each in names]

    def count(self, call: Call) -> Answer:
        """Count the rows of a table, and keep the counters where the policy says so."""
        catalog = call.need("database")
        table = self.catalogs.table(catalog, call.need("table"))
        which = call.option("overlap_selector", "CHUNK_AND_OVERLAP")
        policy = call.option("row_counters_state_update_policy", "DISABLED")
        if call.option("row_counters_deploy_at_qserv", 0) and policy != "ENABLED":
            raise Refused("'row_counters_deploy_at_qserv'=1 requires a policy of ENABLED")
        if policy not in {"DISABLED", "ENABLED", "FORCED"}:
            raise Refused(f"unknown policy '{policy}'")
        if which not in {"CHUNK", "OVERLAP", "CHUNK_AND_OVERLAP"}:
            raise Refused(f"unknown selector '{which}'")
        has = self.state.select("row_count", catalog=catalog, tbl=table["name"])
        if policy != "DISABLED" and (call.option("force_rescan", 0) or not has):
            self._count(
                catalog, table, both=which != "CHUNK", is_forced=policy == "FORCED",
                chunks=which != "OVERLAP",
            )  # fmt: skip
        return {}

    def _count(
        self, catalog: str, table: Answer, *, both: bool, is_forced: bool, chunks: bool = True
    ) -> None:
        """Count by transaction; what was kept of transactions that have no rows now stays kept."""
        name = table["name"]
        kinds = [kind for kind, is_wanted in ((0, chunks), (1, both)) if is_wanted]
        verb = "REPLACE" if is_forced else "INSERT IGNORE"
        for (chunk, kind), sources in self._sources(catalog, table, kinds).items():
            try:
                counts = [self._counts(source) for source in sources]
            except pymysql.MySQLError as error:
                if error.args[0] != _NO_SUCH_TABLE:  # a chunk into which nothing was loaded
                    raise
                continue
            if any(each != counts[0] for each in counts):
                reason = f"row counts of the replicas of '{name}' don't match"
                raise Refused("Table rows scanning/deployment failed.", {"error": reason})
            for trans, num_rows in counts[0].items():
                self.state.run(
                    f"{verb} INTO `{STATE}`.row_count VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    catalog, name, trans, chunk, kind, num_rows, now_ms(),
                )  # fmt: skip

    def _sources(
        self, catalog: str, table: Answer, kinds: list[int]
    ) -> dict[tuple[int, int], list[str]]:
        """Give the tables to count: by chunk and kind, or the replicas of a regular table."""
        name = table["name"]
        if not table["is_partitioned"]:
            places = self.catalogs.places
            return {(0, 0): [at_worker(place.worker, catalog, name) for place in places]}
        return {
            (chunk, kind): [at_worker(worker, catalog, chunk_tables(name, chunk)[kind])]
            for chunk, worker in sorted(self.catalogs.chunks(catalog).items())
            for kind in kinds
        }

    def _counts(self, source: str) -> dict[int, int]:
        """Count the rows of each transaction; of an empty table tell that transaction 0 has none."""
        rows = self.state.all(
            f"SELECT qserv_trans_id AS trans, COUNT(*) AS num FROM {source} GROUP BY 1"
        )
        return {row["trans"]: row["num"] for row in rows} or {0: 0}

    def counters(self, call: Call) -> Answer:
        """Give the counters that were kept."""
        name, table = call.params["database"], call.params["table"]
        self.catalogs.table(name, table)
        keys = ("chunk", "is_overlap", "num_rows", "update_time")
        entries = [
            {"transaction_id": row["trans"], **{key: row[key] for key in keys}}
            for row in self.state.select("row_count", catalog=name, tbl=table)
        ]
        return {"database": name, "table": table, "entries": entries}

    def delete_counters(self, call: Call) -> Answer:
        """Forget the counters of a table."""
        if not call.option("qserv_only", 0):
            self.state.delete(
                "row_count", catalog=call.params["database"], tbl=call.params["table"]
            )
        return {}

    def build_director_index(self, call: Call) -> Answer:
        """Build the director index of a published table."""
        return director.build(self.catalogs, call)

    def indexes(self, call: Call) -> Answer:
        """Tell which indexes a published table has, and whether all its chunks have the same."""
        catalog, table, overlap = (
            call.params["database"],
            call.params["table"],
            call.flag("overlap"),
        )
        targets = self._targets(catalog, table, overlap)
        found: dict[str, list[Answer]] = {}
        for worker, name in targets:
            for index in self._indexes_of(at_worker(worker, catalog, name)):
                found.setdefault(index["name"], []).append(index)
        told = []
        for _, alike in sorted(found.items()):
            status = "COMPLETE" if len(alike) == len(targets) else "INCOMPLETE"
            if any(each["columns"] != alike[0]["columns"] for each in alike):
                status = "INCONSISTENT"
            counts = {"num_replicas_total": len(targets), "num_replicas": len(alike)}
            told.append({**alike[0], "status": status, **counts})
        where = {"database": catalog, "table": table, "overlap": int(overlap != 0)}
        return {"status": {**where, "indexes": told}}

    def _indexes_of(self, name: str) -> list[Answer]:
        """Describe the indexes of one table at one worker, in the words of the API."""
        found: dict[str, Answer] = {}
        for row in self.state.all(f"SHOW INDEX FROM {name}"):
            about = {
                "name": row["Key_name"], "unique": int(not row["Non_unique"]),
                "type": row["Index_type"], "comment": row["Index_comment"], "columns": [],
            }  # fmt: skip
            found.setdefault(row["Key_name"], about)["columns"].append(
                {
                    "name": row["Column_name"], "seq": row["Seq_in_index"],
                    "sub_part": row["Sub_part"] or 0,
                    "collation": "ASC" if row["Collation"] == "A" else "DESC",
                }
            )  # fmt: skip
        return list(found.values())

    def create_index(self, call: Call) -> Answer:
        """Create an index at every chunk of a published table."""
        spec = call.option("spec", "DEFAULT")
        if spec not in {"DEFAULT", "UNIQUE", "FULLTEXT", "SPATIAL"}:
            raise Refused(f"unknown spec '{spec}'")
        table = self.catalogs.table(call.need("database"), call.need("table"))
        known = {column["name"] for column in table["columns"]}
        columns = []
        for column in call.need("columns", list):
            if column["column"] not in known:
                raise Refused(f"requested column '{column['column']}' is not in the schema")
            length = f"({column['length']})" if column["length"] else ""
            columns.append(
                f"`{column['column']}`{length} {'ASC' if column['ascending'] else 'DESC'}"
            )
        kind = "" if spec == "DEFAULT" else spec
        words = f"ADD {kind} INDEX `{call.need('index')}` ({', '.join(columns)})"
        return self._alter(call, words)

    def drop_index(self, call: Call) -> Answer:
        """Drop an index at every chunk of a published table."""
        return self._alter(call, f"DROP INDEX `{call.need('index')}`")

    def _alter(self, call: Call, words: str) -> Answer:
        """Alter every chunk; those which that worked for keep it when others fail."""
        name, table = call.need("database"), call.need("table")
        failures: dict[str, Answer] = {}
        for worker, each in self._targets(name, table, call.option("overlap", 0)):
            try:
                self.state.run(f"ALTER TABLE {at_worker(worker, name, each)} {words}")
            except pymysql.MySQLError as error:
                told = {"request_status": "SERVER_ERROR", "request_error": str(error)}
                failures.setdefault(worker, {})[each] = told
        if failures:
            reason = "The operation failed. See details in the extended report."
            raise Refused(reason, {"job_state": "FAILED", "workers": failures})
        return {}

    def _targets(self, catalog: str, table: str, overlap: int) -> list[tuple[str, str]]:
        """List the tables behind a published table: worker and name of each."""
        info = self.catalogs.table(catalog, table)
        if not info["is_published"]:
            raise Refused("table is not published")
        if not info["is_partitioned"]:
            return [(place.worker, table) for place in self.catalogs.places]
        return [
            (worker, chunk_tables(table, chunk)[int(overlap != 0)])
            for chunk, worker in sorted(self.catalogs.chunks(catalog).items())
        ]
