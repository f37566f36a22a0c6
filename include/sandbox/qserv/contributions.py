"""Register contributions and move them through their states."""

from __future__ import annotations

import json
from typing import Any

from sandbox.qserv.api import Answer, Call, Refused
from sandbox.qserv.catalog import Catalogs
from sandbox.qserv.csv import Dialect, told_dialect
from sandbox.qserv.state import State, now_ms, packed

DEFAULT_RETRIES, MAX_RETRIES = 1, 10
MAX_WARNINGS = 64
_MOVED_INTO_A_RETRY = {
    "num_bytes": 0, "num_rows": 0, "start_time": 0, "read_time": 0,
    "tmp_file": "", "http_error": 0, "system_error": 0, "error": "",
}  # fmt: skip


class Contributions:
    """Keep the contributions that were sent to one worker."""

    def __init__(self, state: State, catalogs: Catalogs, worker: str) -> None:
        self.state = state
        self.catalogs = catalogs
        self.worker = worker

    def create(self, call: Call, url: str, *, is_async: bool = False) -> Answer:
        """Register what a request asks for; what cannot be done is registered as failed."""
        trans = call.need("transaction_id", int)
        table = call.need("table")
        info: Answer = {
            "transaction_id": trans,
            "worker": self.worker,
            "table": table,
            "chunk": call.need("chunk", int),
            "overlap": int(call.need("overlap", int) != 0),
            "url": url,
            "charset_name": call.option("charset_name", "latin1"),
            "async": int(is_async),
            "dialect_input": told_dialect(call),
            "http_method": call.option("http_method", "GET"),
            "http_data": call.option("http_data", ""),
            "http_headers": call.option("http_headers", []),
            "max_retries": min(call.option("max_retries", DEFAULT_RETRIES), MAX_RETRIES),
            "max_num_warnings": call.option("max_num_warnings", 0) or MAX_WARNINGS,
            "create_time": now_ms(),
            **dict.fromkeys(("num_failed_retries", "num_warnings", "num_rows_loaded"), 0),
            **_MOVED_INTO_A_RETRY,
            **dict.fromkeys(("load_time", "retry_allowed"), 0),
            "failed_retries": [],
            "warnings": [],
            "status": "IN_PROGRESS",
        }
        rows = self.state.select("trans", id=trans)
        if not rows:
            raise Refused(f"no such transaction: {trans}")
        info["database"] = rows[0]["catalog"]
        self.catalogs.table(info["database"], table)  # or nothing is registered
        reason = self.unfit(info)
        if reason is None:
            try:
                Dialect.parse(info["dialect_input"])
            except Refused as error:
                reason = str(error)
            if not url.startswith(("file://", "http://", "https://", "data-")):
                reason = f"unsupported url '{url}'"
        if reason is not None:
            info |= {"status": "CREATE_FAILED", "error": reason}
        info["id"] = self.state.insert(
            "contrib", trans=trans, worker=self.worker, status=info["status"], is_async=is_async
        )
        self.save(info)
        if reason is not None:
            raise Refused(reason)
        return info

    def unfit(self, info: Answer) -> str | None:
        """Say why the transaction, the database or the table takes no rows; `None` when it does."""
        rows = self.state.select("trans", id=info["transaction_id"])
        if not rows:
            return f"transactionId={info['transaction_id']} is gone"
        row = rows[0]
        if self.catalogs.database(row["catalog"])["is_published"]:
            return f"database '{row['catalog']}' is already published."
        if self.catalogs.table(row["catalog"], info["table"])["is_published"]:
            return f"table '{info['table']}' is already published."
        if row["state"] != "STARTED":
            return f"transactionId={info['transaction_id']} is not active"
        return None

    def unplaced(self, info: Answer) -> str | None:
        """Say so when the chunk was not given to this worker."""
        if not self.catalogs.table(info["database"], info["table"])["is_partitioned"]:
            return None
        if self.catalogs.chunks(info["database"]).get(info["chunk"]) == self.worker:
            return None
        return f"chunk {info['chunk']} is not allocated to worker '{self.worker}'"

    def find(self, number: int) -> Answer:
        """Give a contribution."""
        rows = self.state.select("contrib", id=number)
        if not rows:
            raise Refused(f"no such contribution: {number}")
        return dict(json.loads(rows[0]["info"]))

    def of_transaction(self, trans: int) -> list[Answer]:
        """Give the asynchronous contributions of a transaction at this worker."""
        rows = self.state.select("contrib", trans=trans, worker=self.worker, is_async=1)
        return [json.loads(row["info"]) for row in rows]

    def unfinished(self) -> list[Answer]:
        """Give what this worker was at when it ended: synchronous requests are not looked for."""
        rows = self.state.select("contrib", worker=self.worker, status="IN_PROGRESS", is_async=1)
        infos = [json.loads(row["info"]) for row in rows]
        return [info for info in infos if self.unfit(info) is None]

    def save(self, info: Answer) -> None:
        """Write a contribution down."""
        values = {"status": info["status"], "info": packed(info)}
        self.state.update("contrib", values, id=info["id"])

    def fail(self, info: Answer, status: str, error: str, **more: Any) -> None:
        """Write a failure down."""
        stamp = {"START_FAILED": "start_time", "READ_FAILED": "read_time"}.get(status, "load_time")
        info |= {"status": status, "error": error, stamp: now_ms(), **more}
        self.save(info)

    def reset(self, info: Answer) -> None:
        """Move what an attempt came to into the list of failed ones."""
        info["failed_retries"].append({key: info[key] for key in _MOVED_INTO_A_RETRY})
        info |= {**_MOVED_INTO_A_RETRY, "status": "IN_PROGRESS", "retry_allowed": 0}
        info["num_failed_retries"] = len(info["failed_retries"])
        self.save(info)

    def retry(self, number: int, *, is_async: bool) -> Answer:
        """Take a contribution up again whose reading failed, here."""
        info = self.find(number)
        if info["status"] != "READ_FAILED":
            raise Refused(f"contribution id={number} is not in state READ_FAILED: {info['status']}")
        if info["worker"] != self.worker:
            raise Refused(f"contribution id={number} was processed by worker '{info['worker']}'")
        info["async"] = int(is_async)
        self.state.update("contrib", {"is_async": int(is_async)}, id=number)
        self.reset(info)
        return info
