"""Load contributions: read the source into a file of rows, and have MariaDB load that."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import requests

from sandbox.qserv.api import Answer, Refused
from sandbox.qserv.catalog import Catalogs, at_worker, chunk_tables
from sandbox.qserv.contributions import Contributions
from sandbox.qserv.csv import Dialect
from sandbox.qserv.faults import Faults
from sandbox.qserv.state import State, now_ms

_NO_SPACE = 28


class Cancelled(Exception):
    """End a contribution that was cancelled in time."""


class Loader:
    """Take contributions through their three stages: start, read, load."""

    def __init__(
        self, state: State, catalogs: Catalogs, contributions: Contributions, faults: Faults,
        folder: Path,
    ) -> None:  # fmt: skip
        self.state = state
        self.catalogs = catalogs
        self.contributions = contributions
        self.faults = faults
        self.folder = folder
        self.cancelled: set[int] = set()
        self._made: set[tuple[Any, ...]] = set()
        self._making = threading.Lock()

    def process(self, info: Answer, data: bytes | None = None) -> None:
        """Do all of it; a failure is written down and raised."""
        rows: Path | None = None
        try:
            self._start(info)
            rows = self._read(info, data)
            self._load(info, rows)
        finally:
            self.cancelled.discard(info["id"])
            if rows is not None:
                rows.unlink(missing_ok=True)

    def _start(self, info: Answer) -> None:
        self._stop_if_cancelled(info)
        reason = self.contributions.unfit(info)
        if reason is None:
            reason = self.contributions.unplaced(info)
        if reason is not None:
            self.contributions.fail(info, "START_FAILED", reason)
            raise Refused(reason)
        self._open(info)

    def _open(self, info: Answer) -> None:
        handle, name = tempfile.mkstemp(".csv", f"{info['id']}-", self.folder)
        os.close(handle)
        Path(name).chmod(0o644)  # the database server may be another user
        info |= {"start_time": now_ms(), "tmp_file": name}
        self.contributions.save(info)

    def _read(self, info: Answer, data: bytes | None) -> Path:
        """Put the number of the transaction before each row; try again as often as is allowed."""
        while True:
            self._stop_if_cancelled(info)
            self._befall(info, "read")
            try:
                self._copy(info, data)
            except (OSError, requests.RequestException, Refused) as error:
                Path(info["tmp_file"]).unlink(missing_ok=True)
                answer = getattr(error, "response", None)
                codes = {"http_error": 0 if answer is None else answer.status_code}
                codes["system_error"] = getattr(error, "errno", None) or 0
                self.contributions.fail(info, "READ_FAILED", str(error), retry_allowed=1, **codes)
                if data is not None or info["num_failed_retries"] >= info["max_retries"]:
                    raise Refused(str(error)) from error
                self.contributions.reset(info)
                self._open(info)
                continue
            info["read_time"] = now_ms()
            self.contributions.save(info)
            return Path(info["tmp_file"])

    def _copy(self, info: Answer, data: bytes | None) -> None:
        dialect = Dialect.parse(info["dialect_input"])
        prefix = dialect.prefix(info["transaction_id"])
        fault = self.faults.take({"warn"}, self._facts(info, "read"))
        bad_row = int(fault.get("row", 1)) if fault else 0
        num_bytes = num_rows = 0
        with (
            self._source(info, data) as source,
            Path(info["tmp_file"]).open("wb", buffering=1 << 20) as target,
        ):
            for row in dialect.rows(source):
                num_bytes += len(row)
                num_rows += 1
                if num_rows == bad_row:
                    body = row.removesuffix(dialect.line)
                    target.write(prefix + body + dialect.terminated + b"0" + dialect.line)
                else:
                    target.write(prefix + row)
        info |= {"num_bytes": num_bytes, "num_rows": num_rows}

    @contextmanager
    def _source(self, info: Answer, data: bytes | None) -> Iterator[Any]:
        """Open what is to be loaded, as lines of bytes."""
        with tempfile.TemporaryFile(dir=self.folder) as spool:
            if data is not None:
                spool.write(data)
            elif info["url"].startswith("file://"):
                with Path(unquote(urlsplit(info["url"]).path)).open("rb") as source:
                    yield source
                return
            else:
                self._fetch(info, spool)
            spool.seek(0)
            yield spool

    def _fetch(self, info: Answer, spool: Any) -> None:
        config = json.loads(self.catalogs.database(info["database"])["config"])
        headers = dict(line.split(": ", 1) for line in info["http_headers"])
        verify: Any = bool(int(config.get("SSL_VERIFYPEER", 1)))
        limits = (config.get("CONNECTTIMEOUT") or 60, config.get("TIMEOUT") or 600)
        with (
            requests.Session() as session,
            tempfile.NamedTemporaryFile("w", suffix=".ca", dir=self.folder) as authorities,
        ):
            authorities.write(config.get("CAINFO_VAL", ""))
            authorities.flush()
            if verify and (config.get("CAINFO_VAL") or config.get("CAINFO")):
                verify = authorities.name if config.get("CAINFO_VAL") else config["CAINFO"]
            session.trust_env = False
            with session.request(
                info["http_method"], info["url"], data=info["http_data"] or None,
                headers=headers, verify=verify, timeout=limits, stream=True,
            ) as answer:  # fmt: skip
                answer.raise_for_status()
                for block in answer.iter_content(1 << 20):
                    spool.write(block)

    def _load(self, info: Answer, rows: Path) -> None:
        self._stop_if_cancelled(info)
        try:
            self._befall(info, "load")
            self._run(info, rows)
        except (OSError, pymysql.MySQLError, Refused) as error:
            code = _NO_SPACE if getattr(error, "errno", 0) == _NO_SPACE else 0
            self.contributions.fail(
                info, "LOAD_FAILED", str(error), retry_allowed=0, system_error=code
            )
            raise Refused(str(error)) from error

    def _run(self, info: Answer, rows: Path) -> None:
        facts = self._facts(info, "load")
        reason = self.contributions.unfit(info)
        if reason is not None:
            raise Refused(reason)
        target = self._make_tables(info)
        if self.faults.take({"disk_full"}, facts):
            self._load_half(info, rows, target)
            raise OSError(_NO_SPACE, "No space left on device")
        self._load_data(info, rows, target)
        if self.faults.take({"kill"}, facts):
            os.kill(os.getpid(), signal.SIGKILL)  # loaded, and nobody knows
        state = self.state.select("trans", id=info["transaction_id"])[0]["state"]
        if state == "ABORTED":
            part = f"p{info['transaction_id']}"
            self.state.run(f"ALTER TABLE {target} DROP PARTITION IF EXISTS {part}")
            raise Refused("the transaction got aborted while the file was being ingested")
        info |= {"status": "FINISHED", "load_time": now_ms()}
        self.contributions.save(info)

    def _load_data(self, info: Answer, rows: Path, target: str) -> None:
        """Load, as lenient as MyISAM is from the second row on, and keep what it warns of."""
        clauses, words = Dialect.parse(info["dialect_input"]).sql()
        charset = info["charset_name"]
        if not charset.isalnum():
            raise Refused(f"unknown character set: {charset!r}")
        self.state.run("SET SESSION max_error_count = %s", info["max_num_warnings"])
        with self.state.connection().cursor() as cursor:
            cursor.execute(
                f"LOAD DATA INFILE %s INTO TABLE {target} CHARACTER SET {charset} {clauses}",
                (str(rows), *words),
            )
            info["num_rows_loaded"] = cursor.rowcount
            info["num_warnings"] = cursor.warning_count
            if cursor.warning_count:
                cursor.execute("SHOW WARNINGS")
                info["warnings"] = [
                    {"level": w["Level"], "code": w["Code"], "message": w["Message"]}
                    for w in cursor.fetchall()
                ]

    def _load_half(self, info: Answer, rows: Path, target: str) -> None:
        lines = rows.read_bytes().splitlines(keepends=True)
        half = rows.with_suffix(".half")
        half.write_bytes(b"".join(lines[: len(lines) // 2]))
        half.chmod(0o644)
        try:
            self._load_data(dict(info), half, target)
        finally:
            half.unlink()

    def _make_tables(self, info: Answer) -> str:
        """Make the chunk's tables of all partitioned tables, each with the transaction's part."""
        catalog, worker = info["database"], self.contributions.worker
        trans, chunk = info["transaction_id"], info["chunk"]
        part = f"ADD PARTITION IF NOT EXISTS (PARTITION p{trans} VALUES IN ({trans}))"
        mine = self.catalogs.table(catalog, info["table"])
        with self._making:
            if not mine["is_partitioned"]:
                target = at_worker(worker, catalog, mine["name"])
                self.state.run(f"ALTER TABLE {target} {part}")
                return target
            for table in self.catalogs.tables(catalog):
                mark = (catalog, table["name"], table["create_time"], chunk, trans)
                if not table["is_partitioned"] or mark in self._made:
                    continue
                prototype = at_worker(worker, catalog, table["name"])
                for name in chunk_tables(table["name"], chunk):
                    each = at_worker(worker, catalog, name)
                    self.state.run(f"CREATE TABLE IF NOT EXISTS {each} LIKE {prototype}")
                    if not table["is_published"]:
                        self.state.run(f"ALTER TABLE {each} {part}")
                self._made.add(mark)
        return at_worker(worker, catalog, chunk_tables(mine["name"], chunk)[info["overlap"]])

    def _facts(self, info: Answer, stage: str) -> dict[str, Any]:
        return {**info, "server": self.contributions.worker, "stage": stage}

    def _befall(self, info: Answer, stage: str) -> None:
        """Be slow, or be killed while reading, where a fault says so."""
        facts = self._facts(info, stage)
        fault = self.faults.take({"slow"}, facts)
        if fault:
            threading.Event().wait(float(fault.get("seconds", 1)))
        if stage == "read" and self.faults.take({"kill"}, facts):
            os.kill(os.getpid(), signal.SIGKILL)

    def _stop_if_cancelled(self, info: Answer) -> None:
        if info["id"] in self.cancelled:
            error = "cancelled before it was loaded"
            self.contributions.fail(info, "CANCELLED", error, retry_allowed=1)
            raise Cancelled(error)
