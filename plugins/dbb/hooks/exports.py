"""What the ledger's database knows of exports: who was sent what, and until when it is needed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbb.errors import ExportRefused
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time
from dbb.model.export import ExportOrder


@dataclass(frozen=True, slots=True)
class ExportRow:
    """Hold one export as the ledger knows it; ``made_at`` is None while it is being made."""

    name: str
    endpoint: str
    place: str
    owner: str
    ends_on: str
    datasets: int
    files: int
    size_bytes: int
    begun_at: dt.datetime
    made_at: dt.datetime | None
    tag_manifest_sha256: str

    def is_over(self, now: dt.datetime) -> bool:
        """Say whether its last day is past."""
        return bool(self.ends_on) and now.date() > dt.date.fromisoformat(self.ends_on)


class SqlExports(LedgerHook):
    """Remember exports."""

    def begin(self, order: ExportOrder, place: str, totals: tuple[int, int, int]) -> None:
        """Record that an export is being made; again is nothing.

        Raises
        ------
        ExportRefused
            If another order has its name.
        """
        words = json.dumps(order.to_json(), sort_keys=True)
        self._ledger.write(
            "export/begin",
            name=order.name,
            order_json=words,
            endpoint=order.endpoint,
            place=place,
            owner=order.owner,
            ends_on=order.ends_on,
            datasets=totals[0],
            files=totals[1],
            size_bytes=totals[2],
            at=self._ledger.now(),
            actor=self._ledger.actor,
        )
        (row,) = self._ledger.rows("export/one", export=order.name)
        if row.order_json != words:
            raise ExportRefused.for_other(f"export {order.name} of the ledger")

    def finish(self, name: str, tag_manifest_sha256: str) -> None:
        """Record that an export is whole; again is nothing."""
        now = self._ledger.now()
        self._ledger.write("export/finish", name=name, sha256=tag_manifest_sha256, at=now)

    def made(self, name: str) -> str:
        """Give the digest of the tag manifest of an export that is whole; empty where there is none."""
        found = self._ledger.rows("export/one", export=name)
        return str(found[0].tag_manifest_sha256) if found and found[0].made_at else ""

    def served_before(self, units: Sequence[str], endpoint: str, before: dt.datetime) -> set[str]:
        """Name those of some units that an endpoint had served before a moment."""
        given = {"units": list(units), "endpoint": endpoint, "before_at": before}
        return {row.unit for row in self._ledger.rows("export/served_before", **given)}

    def list_exports(self) -> list[ExportRow]:
        """List all exports, the newest first."""
        return [_row(row) for row in self._ledger.rows("export/all")]


def _row(row: Any) -> ExportRow:
    made = None if row.made_at is None else to_time(row.made_at)
    return ExportRow(
        row.name, row.endpoint, row.place, row.owner, row.ends_on, int(row.datasets),
        int(row.files), int(row.size_bytes), to_time(row.begun_at), made, row.tag_manifest_sha256,
    )  # fmt: skip
