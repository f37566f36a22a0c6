"""Keep jobs and files in SQLite, so that a restart loses none."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.copy_service.copying import CopyOrder
from sandbox.copy_service.errors import Refused
from sandbox.copy_service.states import FINAL, Kind, State
from sandbox.copy_service.submission import NewJob

# A file is blocked while an earlier source or hop of its job is still to be tried.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    job_id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,
    verify TEXT NOT NULL, overwrite INTEGER NOT NULL, params TEXT NOT NULL,
    submit_time TEXT NOT NULL, finish_time TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS file (
    file_id INTEGER PRIMARY KEY, job_id TEXT NOT NULL REFERENCES job, state TEXT NOT NULL,
    blocked INTEGER NOT NULL, source TEXT NOT NULL, destination TEXT NOT NULL, link TEXT NOT NULL,
    metadata TEXT NOT NULL, filesize INTEGER, checksum TEXT, activity TEXT NOT NULL,
    reason TEXT, start_time TEXT, finish_time TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS file_of_job ON file (job_id);
CREATE INDEX IF NOT EXISTS file_to_do ON file (file_id) WHERE state = 'SUBMITTED' AND blocked = 0;
"""


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


class JobStore:
    """Change jobs and files, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        # A power cut may forget the last jobs: Rucio then finds them lost and submits them again.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def recover(self) -> int:
        """Queue again what an earlier run of the service left in mid-copy."""
        with self._transaction() as db:
            db.execute(
                "UPDATE file SET state = 'CANCELED', finish_time = ? WHERE state = 'ACTIVE' "
                "AND job_id IN (SELECT job_id FROM job WHERE state = 'CANCELED')",
                (_now(),),
            )
            return db.execute(
                "UPDATE file SET state = 'SUBMITTED', start_time = NULL WHERE state = 'ACTIVE'"
            ).rowcount

    def add(self, job: NewJob) -> None:
        """Accept a job; one that is known already is refused with 409."""
        with self._transaction() as db:
            try:
                db.execute(
                    "INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                    (
                        job.job_id,
                        job.kind,
                        State.SUBMITTED,
                        job.priority,
                        job.verify,
                        job.overwrite,
                        json.dumps(job.params),
                        _now(),
                    ),
                )
            except sqlite3.IntegrityError as error:
                raise Refused(409, f"job {job.job_id} was submitted already") from error
            in_order = job.kind is not Kind.INDEPENDENT
            db.executemany(
                "INSERT INTO file (job_id, state, blocked, source, destination, link, metadata,"
                " filesize, checksum, activity) VALUES (?, 'SUBMITTED', ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        job.job_id,
                        in_order and number > 0,
                        file.source,
                        file.destination,
                        file.link,
                        json.dumps(file.metadata),
                        file.filesize,
                        file.checksum,
                        file.activity,
                    )
                    for number, file in enumerate(job.files)
                ],
            )

    def take(self, saturated: list[str]) -> CopyOrder | None:
        """Give the next file to copy and mark it active; `None` when there is none to start now.

        Parameters
        ----------
        saturated
            Links on which as many files move as may.
        """
        marks = ",".join("?" * len(saturated))
        with self._transaction() as db:
            row = db.execute(
                "SELECT file.*, job.verify, job.overwrite FROM file JOIN job USING (job_id) "
                "WHERE file.state = 'SUBMITTED' AND file.blocked = 0 "
                f"AND file.link NOT IN ({marks}) ORDER BY job.priority DESC, file_id LIMIT 1",
                saturated,
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE file SET state = 'ACTIVE', start_time = ? WHERE file_id = ?",
                (_now(), row["file_id"]),
            )
            db.execute("UPDATE job SET state = 'ACTIVE' WHERE job_id = ?", (row["job_id"],))
        return CopyOrder(
            file_id=row["file_id"],
            job_id=row["job_id"],
            source=row["source"],
            destination=row["destination"],
            filesize=row["filesize"],
            checksum=row["checksum"],
            verify=row["verify"],
            overwrite=bool(row["overwrite"]),
            link=row["link"],
        )

    def finish(
        self,
        order: CopyOrder,
        state: State,
        reason: str | None = None,
        dst_file: dict[str, object] | None = None,
    ) -> None:
        """Record how a copy ended, and what follows for the rest of its job."""
        with self._transaction() as db:
            db.execute(
                "UPDATE file SET state = ?, reason = ?, finish_time = ? WHERE file_id = ?",
                (state, reason, _now(), order.file_id),
            )
            if dst_file is not None:
                db.execute(
                    "UPDATE file SET metadata = json_set(metadata, '$.dst_file', json(?)) "
                    "WHERE file_id = ?",
                    (json.dumps(dst_file), order.file_id),
                )
            _settle(db, order.job_id, state)

    def put_back(self, order: CopyOrder) -> None:
        """Queue a file again whose copy was interrupted by the end of the service."""
        with self._transaction() as db:
            db.execute(
                "UPDATE file SET state = 'SUBMITTED', start_time = NULL "
                "WHERE file_id = ? AND state = 'ACTIVE'",
                (order.file_id,),
            )

    def cancel(self, job_id: str) -> bool:
        """Cancel what has not ended; copies under way stop by `is_cancelled`."""
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE job SET state = 'CANCELED', finish_time = ? "
                "WHERE job_id = ? AND state IN ('SUBMITTED', 'ACTIVE')",
                (_now(), job_id),
            ).rowcount
            if changed:
                db.execute(
                    "UPDATE file SET state = 'CANCELED', reason = 'Job canceled by the user', "
                    "finish_time = ? WHERE job_id = ? AND state = 'SUBMITTED'",
                    (_now(), job_id),
                )
        return bool(changed)

    def is_cancelled(self, job_id: str) -> bool:
        """Tell whether a job was cancelled."""
        with self._lock:
            row = self._db.execute("SELECT state FROM job WHERE job_id = ?", (job_id,)).fetchone()
        return row is not None and row["state"] == State.CANCELED

    def set_priority(self, job_id: str, priority: int) -> None:
        """Change a job's place in the queue."""
        with self._transaction() as db:
            db.execute("UPDATE job SET priority = ? WHERE job_id = ?", (priority, job_id))

    def job(self, job_id: str) -> dict[str, Any] | None:
        """Give a job and its files, or `None` when it is unknown."""
        with self._lock:
            job = self._db.execute("SELECT * FROM job WHERE job_id = ?", (job_id,)).fetchone()
            if job is None:
                return None
            files = self._db.execute(
                "SELECT * FROM file WHERE job_id = ? ORDER BY file_id", (job_id,)
            ).fetchall()
        return {**dict(job), "files": [dict(file) for file in files]}


def _settle(db: sqlite3.Connection, job_id: str, ended: State) -> None:
    """Unblock the next source or hop, drop what is no longer needed, and end a job that is over."""
    job = db.execute("SELECT kind, state FROM job WHERE job_id = ?", (job_id,)).fetchone()
    if job["kind"] != Kind.INDEPENDENT:
        # Several sources go on after a failure, several hops after a success.
        goes_on = State.FAILED if job["kind"] == Kind.SOURCES else State.FINISHED
        if ended == goes_on:
            db.execute(
                "UPDATE file SET blocked = 0 WHERE file_id = (SELECT min(file_id) FROM file "
                "WHERE job_id = ? AND blocked = 1 AND state = 'SUBMITTED')",
                (job_id,),
            )
        else:
            db.execute(
                "UPDATE file SET state = 'NOT_USED' WHERE job_id = ? AND state = 'SUBMITTED'",
                (job_id,),
            )
    rows = db.execute("SELECT state FROM file WHERE job_id = ? ORDER BY file_id", (job_id,))
    states = [State(row["state"]) for row in rows]
    if job["state"] != State.CANCELED and all(state in FINAL for state in states):
        db.execute(
            "UPDATE job SET state = ?, finish_time = ? WHERE job_id = ?",
            (_outcome(job["kind"], states), _now(), job_id),
        )


def _outcome(kind: str, states: list[State]) -> State:
    """Decide a job's final state from its files' final states."""
    if kind == Kind.SOURCES:
        return State.FINISHED if State.FINISHED in states else State.FAILED
    if kind == Kind.HOPS:
        return State.FINISHED if set(states) == {State.FINISHED} else State.FAILED
    return states[0] if len(set(states)) == 1 else State.FINISHEDDIRTY
