"""Begin and end transactions, and tell of them and of their contributions."""

from __future__ import annotations

import json
from typing import Any

import pymysql

from sandbox.qserv.api import Answer, Call, Refused
from sandbox.qserv.catalog import Catalogs, at_worker, chunk_tables
from sandbox.qserv.director import add_rows, forget_rows
from sandbox.qserv.faults import ConnectionLost, Faults
from sandbox.qserv.state import STATE, State, now_ms, packed

MAY_BECOME = {
    "IS_STARTING": {"STARTED", "START_FAILED", "IS_ABORTING"},
    "STARTED": {"IS_FINISHING", "IS_ABORTING"},
    "IS_FINISHING": {"FINISHED", "FINISH_FAILED", "IS_ABORTING"},
    "IS_ABORTING": {"ABORTED", "ABORT_FAILED"},
    "START_FAILED": {"IS_ABORTING"},
    "FINISH_FAILED": {"IS_ABORTING"},
    "ABORT_FAILED": {"IS_ABORTING"},
    "FINISHED": set(),
    "ABORTED": set(),
}
STATUSES = (
    "IN_PROGRESS",
    "CREATE_FAILED",
    "START_FAILED",
    "READ_FAILED",
    "LOAD_FAILED",
    "CANCELLED",
    "FINISHED",
)
_NO_SUCH_TABLE, _NOT_PARTITIONED, _NO_SUCH_PARTITION = 1146, 1505, 1507
_SUMS = ("num_failed_retries", "num_warnings", "num_rows", "num_rows_loaded")


class Transactions:
    """Keep the transactions of all databases."""

    def __init__(self, state: State, catalogs: Catalogs, faults: Faults) -> None:
        self.state = state
        self.catalogs = catalogs
        self.faults = faults

    def begin(self, call: Call) -> Answer:
        """Begin a transaction; what the workflow wants to remember of it is its context."""
        database = self.catalogs.database(call.need("database"))
        if database["is_published"]:
            raise Refused("the database is already published")
        context = packed(call.option("context", {}))
        trans = self.state.insert(
            "trans",
            catalog=database["name"], state="IS_STARTING", context=context, log="[]",
            begin_time=now_ms(),
        )  # fmt: skip
        self._befall(call, "START_FAILED", trans)
        self._move(trans, "IS_STARTING", "STARTED", start_time=now_ms())
        return self._answer(database, [self._described(self._row(trans), call, whole=True)])

    def end(self, call: Call) -> Answer:
        """Commit or abort. A commit does not look at the contributions at all."""
        trans, word = call.number(), call.query.get("abort")
        if word not in {"0", "1", "true", "false"}:
            raise Refused("the query parameter 'abort' is required")
        is_abort = word in {"1", "true"}
        row = self._row(trans)
        doing, done, failed = (
            ("IS_ABORTING", "ABORTED", "ABORT_FAILED")
            if is_abort
            else ("IS_FINISHING", "FINISHED", "FINISH_FAILED")
        )
        if doing not in MAY_BECOME[row["state"]]:
            raise Refused(f"transaction id={trans} can't be ended: state={row['state']}")
        self._move(trans, row["state"], doing, transition_time=now_ms())
        if "context" in call.body:
            self.state.update("trans", {"context": packed(call.body["context"])}, id=trans)
        self._befall(call, failed, trans)
        database = self.catalogs.database(row["catalog"])
        has_index = False
        if is_abort:
            try:
                self._drop_rows(database["name"], trans)
            except pymysql.MySQLError:
                self._move(trans, doing, failed)
                raise
        elif database["auto_index"]:
            has_index = add_rows(self.catalogs, database["name"], trans)
        self._move(trans, doing, done, end_time=now_ms())
        answer = self._answer(database, [self._described(self._row(trans), call, whole=True)])
        return {"secondary-index-build-success": int(has_index), **answer}

    def many(self, call: Call) -> Answer:
        """Tell of the transactions of one database or of all."""
        name = call.query.get("database", "")
        databases = [self.catalogs.database(name)] if name else self.state.select("catalog")
        told: Answer = {"databases": {}}
        for database in databases:
            rows = self._chosen(call, self.state.select("trans", catalog=database["name"]))
            answer = self._answer(database, [self._described(row, call) for row in rows])
            told["databases"] |= answer["databases"]
        return told

    def by_number(self, call: Call) -> Answer:
        """Tell of one transaction; its contributions can be filtered."""
        if call.number():
            rows = [self._row(call.number())]
        else:
            rows = self.state.select("trans", catalog=call.query.get("database", ""))
            rows = self._chosen(call, rows)
        name = rows[0]["catalog"] if rows else call.query.get("database", "")
        if call.query.get("database", name) != name:
            raise Refused(f"transaction id={call.number()} is of another database: '{name}'")
        told = [self._described(row, call) for row in rows]
        return self._answer(self.catalogs.database(name), told)

    def contribution(self, call: Call) -> Answer:
        """Tell of one contribution, wherever it was sent."""
        rows = self.state.select("contrib", id=call.number())
        if not rows:
            raise Refused(f"no such contribution: {call.number()}")
        return {"contribution": _trimmed(json.loads(rows[0]["info"]), call)}

    def _row(self, trans: int) -> Answer:
        rows = self.state.select("trans", id=trans)
        if not rows:
            raise Refused(f"no such transaction: {trans}")
        return rows[0]

    def _move(self, trans: int, was: str, now: str, **times: int) -> None:
        log = json.loads(self._row(trans)["log"])
        log.append({"id": len(log) + 1, "transaction_state": was, "name": f"to {now}", "data": {}})
        log[-1]["time"] = now_ms()
        values = {"state": now, "log": packed(log), **times}
        if not self.state.update("trans", values, id=trans, state=was):
            raise Refused(f"transaction id={trans} is no longer in state {was}")

    def _befall(self, call: Call, failed: str, trans: int) -> None:
        """Leave the transaction half way where a fault says so."""
        facts = {"server": "controller", "method": call.method, "path": call.path, "trans": trans}
        fault = self.faults.take({"stuck", "fail"}, facts)
        if fault and fault["kind"] == "stuck":
            raise ConnectionLost
        if fault:
            self._move(trans, self._row(trans)["state"], failed)
            raise Refused(f"a job of transaction {trans} failed")

    def _drop_rows(self, catalog: str, trans: int) -> None:
        """Drop the transaction's partition of every table that it may have touched."""
        touched = {
            (info["worker"], info["chunk"])
            for info in self._contributions(trans)
            if info["start_time"]
        }
        tables = self.catalogs.tables(catalog)
        names = {
            at_worker(worker, catalog, each)
            for worker, chunk in touched
            for table in tables
            for each in (
                chunk_tables(table["name"], chunk) if table["is_partitioned"] else [table["name"]]
            )
        }
        for name in sorted(names):
            try:
                self.state.run(f"ALTER TABLE {name} DROP PARTITION IF EXISTS p{trans}")
            except pymysql.MySQLError as error:
                if error.args[0] not in {_NO_SUCH_TABLE, _NOT_PARTITIONED, _NO_SUCH_PARTITION}:
                    raise
        forget_rows(self.catalogs, catalog, trans)

    def _answer(self, database: Answer, told: list[Answer]) -> Answer:
        rows = self.state.select("replica", catalog=database["name"])
        about = {"is_published": database["is_published"], "num_chunks": len(rows)}
        return {"databases": {database["name"]: {**about, "transactions": told}}}

    def _chosen(self, call: Call, rows: list[Answer]) -> list[Answer]:
        wanted = _selected(call.query.get("trans_state", ""), MAY_BECOME)
        return [row for row in rows if row["state"] in wanted]

    def _described(self, row: Answer, call: Call, *, whole: bool = False) -> Answer:
        told: Answer = {"id": row["id"], "database": row["catalog"], "state": row["state"]}
        told |= {
            key: row[key] for key in ("begin_time", "start_time", "transition_time", "end_time")
        }
        has_context = whole or call.flag("include_context")
        told["context"] = json.loads(row["context"]) if has_context else {}
        told["log"] = json.loads(row["log"]) if call.flag("include_log") else []
        if call.flag("contrib"):
            chosen = [info for info in self._contributions(row["id"]) if _wanted(info, call)]
            most = call.flag("max_entries")
            told["contrib"] = self._summary(row["catalog"], chosen[:most] if most else chosen, call)
        return told

    def _contributions(self, trans: int) -> list[Answer]:
        sql = f"SELECT info FROM `{STATE}`.contrib WHERE trans = %s ORDER BY id"
        return [json.loads(row["info"]) for row in self.state.all(sql, trans)]

    def _summary(self, catalog: str, infos: list[Answer], call: Call) -> Answer:
        """Count contributions as the controller does; rows and bytes of the finished only."""
        partitioned = {t["name"]: t["is_partitioned"] for t in self.catalogs.tables(catalog)}
        finished = [info for info in infos if info["status"] == "FINISHED"]
        kinds = {"num_regular_files": 0, "num_chunk_files": 0, "num_chunk_overlap_files": 0}
        tables: Answer = {}
        workers: Answer = {}
        for info in infos:
            is_finished = info["status"] == "FINISHED"
            table = tables.setdefault(info["table"], _zeros("num_files"))
            kind = "num_chunk_files" if partitioned.get(info["table"]) else "num_regular_files"
            if kind == "num_chunk_files" and info["overlap"]:
                kind = "num_chunk_overlap_files"
                table = table.setdefault("overlap", _zeros("num_files"))
            worker = workers.setdefault(info["worker"], _zeros(*kinds))
            kinds[kind] += is_finished
            table["num_files"] += is_finished
            worker[kind] += is_finished
            for sums in (table, worker):
                sums["data_size_gb"] += info["num_bytes"] / 2**30 * is_finished
                for key in _SUMS:
                    counts = is_finished or key == "num_failed_retries"
                    sums[key] += info[key] * counts
        summary: Answer = {key: sum(info[key] for info in finished) for key in _SUMS}
        summary["num_failed_retries"] = sum(info["num_failed_retries"] for info in infos)
        summary |= {
            "num_workers": len(workers),
            "num_files_by_status": {
                status: sum(info["status"] == status for info in infos) for status in STATUSES
            },
            "data_size_gb": sum(info["num_bytes"] for info in finished) / 2**30,
            "first_contrib_begin": min((info["create_time"] for info in finished), default=0),
            "last_contrib_end": max((info["load_time"] for info in finished), default=0),
            "table": tables,
            "worker": workers,
            **kinds,
        }
        is_long = call.flag("contrib_long")
        return {"summary": summary, "files": [_trimmed(i, call) for i in infos] if is_long else []}


def _zeros(*more: str) -> Answer:
    return dict.fromkeys(("data_size_gb", *_SUMS, *more), 0)


def _trimmed(info: Answer, call: Call) -> Answer:
    """Leave out what was not asked for."""
    told = dict(info)
    if not call.flag("include_warnings"):
        told["warnings"] = []
    if not call.flag("include_retries"):
        told["failed_retries"] = []
    return told


def _wanted(info: Answer, call: Call) -> bool:
    """Tell whether the filters of a request, which Qserv has and does not document, take it."""
    query = call.query
    if info["status"] not in _selected(query.get("contrib_status", ""), STATUSES):
        return False
    for name in ("table", "worker"):
        if query.get(name) and info[name] != query[name]:
            return False
    if call.flag("chunk", -1) >= 0 and info["chunk"] != call.flag("chunk"):
        return False
    if info["num_failed_retries"] < call.flag("min_retries"):
        return False
    return bool(info["num_warnings"] >= call.flag("min_warnings"))


def _selected(words: str, known: Any) -> set[str]:
    """Read a list of states, or with ``!`` before it the list of those that are not meant."""
    if not words:
        return set(known)
    chosen = set(words.removeprefix("!").split(","))
    unknown = chosen - set(known)
    if unknown:
        raise Refused(f"unknown states: {sorted(unknown)}")
    return set(known) - chosen if words.startswith("!") else chosen
