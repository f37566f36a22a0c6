"""Be one worker's ingest server: synchronous requests, and a queue of asynchronous ones."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from pathlib import Path

import pymysql

from sandbox.qserv.api import Answer, Api, Call, Refused
from sandbox.qserv.catalog import Catalogs, Place
from sandbox.qserv.contributions import Contributions
from sandbox.qserv.faults import Faults
from sandbox.qserv.loader import Cancelled, Loader
from sandbox.qserv.state import State

THREADS = 4


class Queue:
    """Process contributions first in, first out, so many of one database at once as it allows."""

    def __init__(self, catalogs: Catalogs, loader: Loader) -> None:
        self.catalogs = catalogs
        self.loader = loader
        self._waiting: list[Answer] = []
        self._running: Counter[str] = Counter()
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start the threads that load."""
        for _ in range(THREADS):
            threading.Thread(target=self._work, daemon=True).start()

    def put(self, info: Answer) -> None:
        """Queue a contribution."""
        with self._changed:
            self._waiting.append(info)
            self._changed.notify_all()

    def cancel(self, number: int) -> None:
        """Cancel what waits; what is being read ends at its next stage, a load goes on."""
        with self._changed:
            waiting = [info for info in self._waiting if info["id"] == number]
            self._waiting = [info for info in self._waiting if info["id"] != number]
        for info in waiting:
            self.loader.contributions.fail(
                info, "CANCELLED", "cancelled before it was started", retry_allowed=1
            )
        if not waiting and self.loader.contributions.find(number)["status"] == "IN_PROGRESS":
            self.loader.cancelled.add(number)

    def _work(self) -> None:
        while True:
            with self._changed:
                info = self._next()
                while info is None:
                    self._changed.wait(1)  # a limit may be raised without a word to the worker
                    info = self._next()
                self._running[info["database"]] += 1
            try:
                self.loader.process(info)
            except (Refused, Cancelled):
                pass  # it is written down in the contribution
            except pymysql.MySQLError as error:
                sys.stderr.write(f"contribution {info['id']} was left: {error}\n")
            finally:
                with self._changed:
                    self._running[info["database"]] -= 1
                    self._changed.notify_all()

    def _next(self) -> Answer | None:
        for info in self._waiting:
            try:
                config = json.loads(self.catalogs.database(info["database"])["config"])
            except (Refused, pymysql.MySQLError):
                continue  # deleted, or MariaDB is away for a while
            limit = int(config.get("ASYNC_PROC_LIMIT", 0)) or THREADS
            if self._running[info["database"]] < limit:
                self._waiting.remove(info)
                return info
        return None


class Worker:
    """Serve the worker's part of the API."""

    def __init__(self, state: State, place: Place, faults: Faults, folder: Path) -> None:
        self.place = place
        catalogs = Catalogs(state, [])
        self.contributions = Contributions(state, catalogs, place.worker)
        self.loader = Loader(state, catalogs, self.contributions, faults, folder)
        self.queue = Queue(catalogs, self.loader)

    def resume(self) -> None:
        """Take up what the process before this one left; what was in its load has failed."""
        for info in self.contributions.unfinished():
            if info["read_time"]:
                error = "Loading into MySQL was interrupted when the service was restarted."
                self.contributions.fail(info, "LOAD_FAILED", error, retry_allowed=0)
            else:
                info |= {"start_time": 0, "error": "", "retry_allowed": 0}
                self.contributions.save(info)
                self.queue.put(info)
        self.queue.start()

    def register(self, api: Api) -> None:
        """Add the endpoints of a worker."""
        api.add("GET", "/meta/version", 0, self._version)
        api.add("POST", "/ingest/file", 16, self._file)
        api.add("PUT", "/ingest/file/{id}", 16, self._retry)
        api.add("POST", "/ingest/file-async", 16, self._file_async)
        api.add("PUT", "/ingest/file-async/{id}", 16, self._retry_async)
        api.add("GET", "/ingest/file-async/{id}", 13, self._status)
        api.add("DELETE", "/ingest/file-async/{id}", 13, self._cancel)
        api.add("GET", "/ingest/file-async/trans/{id}", 13, self._status_of_all)
        api.add("DELETE", "/ingest/file-async/trans/{id}", 13, self._cancel_all)
        api.add("POST", "/ingest/csv", 38, self._csv)
        api.add("POST", "/ingest/data", 35, self._data)

    def _version(self, call: Call) -> Answer:
        kind = {"kind": "replication-worker-ingest", "id": self.place.worker}
        return {**kind, "instance_id": "contract", "version": call.window["version"]}

    def _file(self, call: Call) -> Answer:
        return self._done(self.contributions.create(call, call.need("url")))

    def _retry(self, call: Call) -> Answer:
        return self._done(self.contributions.retry(call.number(), is_async=False))

    def _file_async(self, call: Call) -> Answer:
        info = self.contributions.create(call, call.need("url"), is_async=True)
        return self._queued(info)

    def _retry_async(self, call: Call) -> Answer:
        return self._queued(self.contributions.retry(call.number(), is_async=True))

    def _queued(self, info: Answer) -> Answer:
        told = dict(info)  # as it is now, not as the queue will have changed it
        self.queue.put(info)
        return {"contrib": told}

    def _status(self, call: Call) -> Answer:
        return {"contrib": self.contributions.find(call.number())}

    def _cancel(self, call: Call) -> Answer:
        self.queue.cancel(call.number())
        return self._status(call)

    def _status_of_all(self, call: Call) -> Answer:
        return {"contribs": self.contributions.of_transaction(call.number())}

    def _cancel_all(self, call: Call) -> Answer:
        for info in self.contributions.of_transaction(call.number()):
            self.queue.cancel(info["id"])
        return self._status_of_all(call)

    def _csv(self, call: Call) -> Answer:
        if not call.is_form:
            raise Refused("the request is not a multipart form data")
        if not call.files:
            raise Refused("no file was sent in the request")
        name, data = call.files[0]
        call.body.pop("max_retries", None)  # rows that were sent can be read once
        told = self._done(self.contributions.create(call, f"data-csv://127.0.0.1/{name}"), data)
        if len(call.files) > 1:
            raise Refused("the service only allows one file per request")  # the first is loaded
        return told

    def _data(self, call: Call) -> Answer:
        rows = call.need("rows", list)
        if not rows or not all(isinstance(row, list) for row in rows):
            raise Refused("'rows' is not an array of arrays, or is empty")
        info = self.contributions.create(call, "data-json://127.0.0.1/")
        table = self.contributions.catalogs.table(info["database"], info["table"])
        if any(len(row) != len(table["columns"]) - 1 for row in rows):
            error = "the row size in the request doesn't match the table schema"
            self.contributions.fail(info, "START_FAILED", error)
            raise Refused(error)
        lines = ("\t".join(map(_field, row)) + "\n" for row in rows)
        return self._done(info, "".join(lines).encode())

    def _done(self, info: Answer, data: bytes | None = None) -> Answer:
        self.loader.process(info, data)
        return {"contrib": info}


def _field(value: object) -> str:
    """Write a JSON value as a field of the default dialect."""
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return str(int(value))
    text = str(value).replace("\\", "\\\\")
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\0", "\\0")
