"""Calibration groups, attempts, products and their inputs, in the ledger's database."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement, to_time
from dbb.model.calibration import Attempt, AttemptState, CalibrationGroup, Step
from dbb.model.payload import CalibrationKind
from dbb.ports.calibrations import ProductRow


class SqlCalibrations(LedgerHook):
    """Remember calibrations; every change of an attempt is one line of its history as well."""

    def note_group(self, group: CalibrationGroup) -> None:
        """Insert a group; one that is known stays as it is."""
        self._ledger.write(
            "calibration/note_group",
            name=group.name,
            instrument=group.instrument,
            day_obs=group.day_obs,
            kind=str(group.kind),
            group_name=group.group_name,
            physical_filter=group.physical_filter,
            units=json.dumps(group.units),
            begin_tai=group.begin_tai.isoformat(),
            end_tai=group.end_tai.isoformat(),
            part=group.part,
            parts=group.parts,
        )

    def groups(self, day_obs: int = 0) -> list[CalibrationGroup]:
        """Read the groups of a day; 0 is any day."""
        return [_group(row) for row in self._ledger.rows("calibration/groups", day_obs=day_obs)]

    def note_attempt(self, attempt: Attempt) -> None:
        """Insert an attempt; one that is known stays as it is."""
        row = {
            "unit": attempt.unit,
            "group_name": attempt.group,
            "campaign": attempt.campaign,
            "number": attempt.number,
            "payload": attempt.payload,
            "version": attempt.version,
            "run": attempt.run,
            "at": attempt.begun_at,
            "parameters": json.dumps(dict(attempt.parameters), sort_keys=True),
        }
        with self._ledger.transaction() as connection:
            if connection.execute(statement("calibration/note_attempt"), row).rowcount:
                self._tell(
                    connection, attempt.unit, "begun", f"{attempt.payload} {attempt.version}"
                )

    def attempts(self, group: str = "", unit: str = "") -> list[Attempt]:
        """Read attempts of a group, or one by its unit, oldest first; empty words are any."""
        rows = self._ledger.rows("calibration/attempts", group_name=group, unit=unit)
        return [_attempt(row) for row in rows]

    def open_groups(self, since: int) -> list[CalibrationGroup]:
        """Read the groups since a night of which no attempt is over, the first that ended first."""
        return [_group(row) for row in self._ledger.rows("calibration/open_groups", since=since)]

    def note_late(self, unit: str, reason: str) -> None:
        """Put on an attempt's history that it is late, and with which step."""
        with self._ledger.transaction() as connection:
            self._tell(connection, unit, "late", reason)

    def file(self, unit: str, products: Sequence[ProductRow]) -> None:
        """Record an attempt's products, and that they are filed."""
        rows = [
            {"dataset_id": each.dataset_id, "unit": unit, "detector": each.detector,
             "name": each.name, "sha256": each.sha256}
            for each in products
        ]  # fmt: skip
        inputs = [
            {"product_id": each.dataset_id, "input_id": key, "sha256": sha256, "kind": kind}
            for each in products
            for key, sha256, kind in each.inputs
        ]
        with self._ledger.transaction() as connection:
            # An earlier attempt to file them may have been killed: what counts is the last one.
            for name in ("drop_inputs", "drop_products"):
                connection.execute(statement(f"calibration/{name}"), {"unit": unit})
            for name, found in (("note_product", rows), ("note_input", inputs)):
                if found:
                    connection.execute(statement(f"calibration/{name}"), found)
            self._move(connection, unit, AttemptState.BEGUN, AttemptState.FILED)

    def accept(self, unit: str) -> bool:
        """Say that an attempt is the one of its group and campaign; False if another one is."""
        (found,) = self.attempts(unit=unit)
        if found.accepted:
            return True
        with self._ledger.transaction() as connection:
            accepted = connection.execute(statement("calibration/accept"), {"unit": unit}).rowcount
            if accepted:
                self._tell(connection, unit, "accepted", "the one of its group and campaign")
        return bool(accepted)

    def refuse(self, unit: str, code: str, reason: str) -> None:
        """Record why an attempt was refused."""
        with self._ledger.transaction() as connection:
            for old in (AttemptState.BEGUN, AttemptState.FILED):
                self._move(connection, unit, old, AttemptState.REFUSED, code, reason)

    def withdraw(self, unit: str, reason: str) -> None:
        """Record that an attempt is out of force; the history names who said so."""
        with self._ledger.transaction() as connection:
            self._move(
                connection, unit, AttemptState.FILED, AttemptState.WITHDRAWN, "withdrawn", reason
            )

    def withdrawn(self, units: Sequence[str]) -> set[str]:
        """Name those attempts that are out of force."""
        if not units:
            return set()
        return {row.unit for row in self._ledger.rows("calibration/withdrawn", units=list(units))}

    def note_step(
        self, unit: str, step: Step, began: dt.datetime, ended: dt.datetime | None
    ) -> None:
        """Record when a step began and ended; the first begin and the first end stay."""
        self._ledger.write(
            "calibration/note_step", unit=unit, step=str(step), begun_at=began, ended_at=ended
        )

    def steps(self, unit: str) -> dict[Step, tuple[dt.datetime, dt.datetime | None]]:
        """Read the steps of an attempt."""
        return {
            Step(row.step): (
                to_time(row.begun_at),
                None if row.ended_at is None else to_time(row.ended_at),
            )
            for row in self._ledger.rows("calibration/steps", unit=unit)
        }

    def products(self, unit: str) -> list[ProductRow]:
        """Read an attempt's products with their inputs."""
        inputs: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for row in self._ledger.rows("calibration/inputs", unit=unit):
            inputs[row.product_id].append((row.input_id, row.sha256, row.kind))
        return [
            ProductRow(
                row.dataset_id, row.detector, row.name, row.sha256, tuple(inputs[row.dataset_id])
            )
            for row in self._ledger.rows("calibration/products", unit=unit)
        ]

    def digests(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Give the sha256 of products; unknown ones are left out."""
        if not dataset_ids:
            return {}
        rows = self._ledger.rows("calibration/digests", ids=list(dataset_ids))
        return {row.dataset_id: row.sha256 for row in rows}

    def units_of_product(self, dataset_id: str) -> set[str]:
        """Name the attempt that made a product."""
        rows = self._ledger.rows("calibration/units_of_product", dataset_id=dataset_id)
        return {row.unit for row in rows}

    def products_of_input(self, input_id: str) -> list[tuple[str, str, str]]:
        """Name the products that an image or calibration went into: unit, product and file."""
        rows = self._ledger.rows("calibration/products_of_input", input_id=input_id)
        return [(row.unit, row.dataset_id, row.name) for row in rows]

    def history(self, unit: str) -> list[tuple[dt.datetime, str, str, str]]:
        """Read what happened to an attempt: when, what, why, by whom."""
        rows = self._ledger.rows("calibration/history", unit=unit)
        return [(to_time(row.at), row.what, row.reason, row.actor) for row in rows]

    def _move(
        self,
        connection: Connection,
        unit: str,
        old: AttemptState,
        new: AttemptState,
        code: str = "",
        reason: str = "",
    ) -> None:
        change = {
            "unit": unit, "old_state": str(old), "new_state": str(new),
            "code": code, "reason": reason,
        }  # fmt: skip
        if connection.execute(statement("calibration/set_state"), change).rowcount:
            self._tell(connection, unit, str(new), reason)

    def _tell(self, connection: Connection, unit: str, what: str, reason: str) -> None:
        connection.execute(
            statement("calibration/event"),
            {"unit": unit, "at": self._ledger.now(), "what": what, "reason": reason,
             "actor": self._ledger.actor},
        )  # fmt: skip


def _group(row: Row[Any]) -> CalibrationGroup:
    return CalibrationGroup(
        instrument=row.instrument,
        day_obs=row.day_obs,
        kind=CalibrationKind(row.kind),
        group_name=row.group_name,
        physical_filter=row.physical_filter,
        units=tuple(json.loads(row.units)),
        begin_tai=dt.datetime.fromisoformat(row.begin_tai),
        end_tai=dt.datetime.fromisoformat(row.end_tai),
        part=row.part,
        parts=row.parts,
    )


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        unit=row.unit,
        group=row.group_name,
        campaign=row.campaign,
        number=row.number,
        payload=row.payload,
        version=row.version,
        run=row.run,
        state=AttemptState(row.state),
        accepted=bool(row.accepted),
        code=row.code,
        reason=row.reason,
        begun_at=to_time(row.begun_at),
        parameters=json.loads(row.parameters),
    )
