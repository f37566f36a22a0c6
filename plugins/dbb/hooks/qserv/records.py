"""Handoffs to Qserv, their inputs, chunk files, transactions and checks, in the ledger's database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from dbb.errors import PlanRefused
from dbb.flows.qserv_views import Attempt, Check, HandoffRow, InputRow, Stage
from dbb.hooks.ledger_database import batches
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement, to_time
from dbb.model.kind import Kind
from dbb.model.qserv import ChunkFile, Contribution
from dbb.model.release_list import PARCEL_PREFIX

LONGEST_PUBLICATION = dt.timedelta(days=1)


class SqlQserv(LedgerHook):
    """Remember handoffs."""

    def find(self, release: str, endpoint: str) -> HandoffRow | None:
        """Read one handoff; None where there is none."""
        rows = self._handoffs(release, endpoint)
        return rows[0] if rows else None

    def all(self) -> list[HandoffRow]:
        """Read all handoffs."""
        return self._handoffs("", "")

    def release_lists(self, endpoint: str) -> list[str]:
        """Name the parcels with a release's list that are published at an endpoint."""
        pattern = f"{Kind.FILE.scope}/%/{PARCEL_PREFIX}%"
        rows = self._ledger.rows("qserv/release_lists", endpoint=endpoint, pattern=pattern)
        return [row.unit for row in rows]

    def begin(self, row: HandoffRow) -> None:
        """Record that a handoff is planned; one that went further stays as it is.

        Raises
        ------
        PlanRefused
            If it went further by another plan.
        """
        values = {
            "handoff": row.name,
            "release": row.release,
            "endpoint": row.endpoint,
            "database": row.database,
            "plan_sha256": row.plan_sha256,
        }
        self._do("begin", **values, actor=self._ledger.actor)
        now = self.find(row.release, row.endpoint)
        if now is None or now.plan_sha256 != row.plan_sha256:
            raise PlanRefused.for_stale(row.plan_sha256, now.plan_sha256 if now else "none")

    def advance(self, name: str, stage: Stage) -> None:
        """Move a handoff forward; no-op when it is there or further. Only a rollback goes back."""
        order = list(Stage)
        before = [str(each) for each in order[: order.index(stage)]]
        now, actor = self._ledger.now(), self._ledger.actor
        step = {"handoff": name, "stage": str(stage), "at": now, "actor": actor}
        with self._ledger.transaction() as connection:
            if connection.execute(statement("qserv/advance"), {**step, "before": before}).rowcount:
                connection.execute(statement("qserv/note_event"), step)

    def note_inputs(self, name: str, inputs: Iterable[InputRow]) -> None:
        """Record inputs, and what became of those that are staged."""
        self._many(
            "note_input",
            [
                {
                    "handoff": name,
                    "table_name": each.table,
                    "sha256": each.sha256,
                    "file": each.name,
                    "size_bytes": each.size_bytes,
                    "rows": each.rows,
                    "kept": each.kept,
                    "overlap": each.overlap,
                    "quarantined": each.quarantined,
                    "wrapped": each.wrapped,
                    "elsewhere": each.elsewhere,
                    "twice": each.twice,
                    "staged": int(each.is_staged),
                }
                for each in inputs
            ],
        )

    def inputs(self, name: str) -> list[InputRow]:
        """Read the inputs of a handoff."""
        return [
            InputRow(
                table=row.table_name,
                name=row.file,
                sha256=row.sha256,
                size_bytes=row.size_bytes,
                rows=row.rows,
                kept=row.kept,
                overlap=row.overlap,
                quarantined=row.quarantined,
                wrapped=row.wrapped,
                elsewhere=row.elsewhere,
                twice=row.twice,
                is_staged=bool(row.staged),
            )
            for row in self._ledger.rows("qserv/inputs", handoff=name)
        ]

    def note_files(self, name: str, files: Mapping[int, Sequence[ChunkFile]]) -> None:
        """Record the chunk files by batch, in the place of those known before."""
        rows = [
            {
                "handoff": name,
                "table_name": file.table,
                "batch": batch,
                "chunk": file.chunk,
                "overlap": int(file.is_overlap),
                "part": file.part,
                "path": file.path,
                "rows": file.rows,
                "size_bytes": file.size_bytes,
                "digest": file.digest,
            }
            for batch, many in files.items()
            for file in many
        ]
        with self._ledger.transaction() as connection:
            connection.execute(statement("qserv/forget_files"), {"handoff": name})
            for some in batches(rows):
                connection.execute(statement("qserv/note_file"), some)

    def files(self, name: str, table: str, batch: int) -> list[ChunkFile]:
        """Read the chunk files of a batch."""
        return [
            ChunkFile(
                table,
                row.chunk,
                bool(row.overlap),
                row.part,
                row.path,
                row.rows,
                row.size_bytes,
                row.digest,
            )
            for row in self._ledger.rows("qserv/files", handoff=name, table_name=table, batch=batch)
        ]

    def batches(self, name: str) -> list[tuple[str, int]]:
        """List tables and batches."""
        return [
            (row.table_name, row.batch) for row in self._ledger.rows("qserv/batches", handoff=name)
        ]

    def intend(self, name: str, table: str, batch: int) -> int:
        """Record that a transaction is about to be begun; give the attempt's number.

        An attempt that never got an answer is taken up again: if Qserv did begin it, its context
        tells, and it was found before this is asked.
        """
        known = [each for each in self.attempts(name) if (each.table, each.batch) == (table, batch)]
        for each in known:
            if each.state == "intended":
                return each.number
        number = max((each.number for each in known), default=0) + 1
        self.note_attempt(name, Attempt(table, batch, number, 0, "intended"))
        return number

    def note_attempt(self, name: str, attempt: Attempt) -> None:
        """Record an attempt's state; what is committed or aborted stays so."""
        self._do(
            "note_attempt",
            handoff=name,
            table_name=attempt.table,
            batch=attempt.batch,
            number=attempt.number,
            trans=attempt.transaction,
            state=attempt.state,
        )

    def attempts(self, name: str) -> list[Attempt]:
        """Read all attempts of a handoff."""
        return [
            Attempt(row.table_name, row.batch, row.number, row.trans, row.state)
            for row in self._ledger.rows("qserv/attempts", handoff=name)
        ]

    def note_loaded(
        self, name: str, attempt: Attempt, loaded: Sequence[tuple[ChunkFile, Contribution]]
    ) -> None:
        """Record which contribution holds which file, before the transaction is committed."""
        self._many(
            "note_loaded",
            [
                {
                    "handoff": name,
                    "table_name": attempt.table,
                    "batch": attempt.batch,
                    "attempt": attempt.number,
                    "chunk": file.chunk,
                    "overlap": int(file.is_overlap),
                    "part": file.part,
                    "worker": one.worker,
                    "contribution": one.id,
                    "rows": one.rows_loaded,
                }
                for file, one in loaded
            ],
        )

    def note_checks(self, name: str, checks: Sequence[Check]) -> None:
        """Record comparisons, right or wrong."""
        now = self._ledger.now()
        self._many(
            "note_check",
            [
                {
                    "handoff": name,
                    "table_name": each.table,
                    "kind": each.kind,
                    "subject": each.subject,
                    "expected": each.expected,
                    "observed": each.observed,
                    "is_right": int(each.is_right),
                    "at": now,
                }
                for each in checks
            ],
        )

    def checks(self, name: str) -> list[Check]:
        """Read the comparisons of a handoff."""
        return [
            Check(
                row.table_name,
                row.kind,
                row.subject,
                row.expected,
                row.observed,
                bool(row.is_right),
            )
            for row in self._ledger.rows("qserv/checks", handoff=name)
        ]

    def ask_publication(self, name: str) -> None:
        """Record that a publication is about to be asked for."""
        since = self._ledger.now() - LONGEST_PUBLICATION
        self._do("ask_publication", handoff=name, since_at=since)

    def answer_publication(self, name: str) -> None:
        """Record that Qserv answered."""
        self._do("answer_publication", handoff=name)

    def is_publication_open(self, name: str) -> bool:
        """Tell whether a request of the last day was not answered: Qserv may be at it still."""
        since = self._ledger.now() - LONGEST_PUBLICATION
        rows = self._ledger.rows("qserv/open_publication", handoff=name)
        return any(to_time(row.asked_at) > since for row in rows)

    def forget(self, name: str) -> None:
        """Forget files, inputs and checks of a handoff; its history and attempts stay."""
        self.answer_publication(name)
        with self._ledger.transaction() as connection:
            for what in ("files", "inputs", "checks"):
                connection.execute(statement(f"qserv/forget_{what}"), {"handoff": name})

    def _handoffs(self, release: str, endpoint: str) -> list[HandoffRow]:
        return [
            HandoffRow(row.release, row.endpoint, row.database, row.plan_sha256, Stage(row.stage))
            for row in self._ledger.rows("qserv/handoffs", release=release, endpoint=endpoint)
        ]

    def _do(self, which: str, /, **values: object) -> None:
        self._ledger.write(f"qserv/{which}", **values, at=self._ledger.now())

    def _many(self, which: str, rows: list[dict[str, object]]) -> None:
        with self._ledger.transaction() as connection:
            for some in batches(rows):
                connection.execute(statement(f"qserv/{which}"), some)
