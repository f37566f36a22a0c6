"""What the ledger's database knows of the archive of alert packets."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from dbb.errors import LedgerUnavailable
from dbb.flows.alerts import Step
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement
from dbb.model.alerts import Account, Shard
from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest

TRIES = 10


class SqlAlertRows(LedgerHook):
    """Remember shards, offsets and counts."""

    # -- taking --------------------------------------------------------------------------------

    def claim(self, night: DayObs) -> Shard:
        """Take the next number of a night's shards."""
        key = {"day_obs": night.value, "at": self._ledger.now(), "actor": self._ledger.actor}
        for _ in range(TRIES):
            with self._ledger.transaction() as connection:
                found = connection.execute(statement("alerts/claim"), key).first()
            if found is not None:
                return Shard(night, int(found.number))
        raise LedgerUnavailable.for_cause(f"others take all numbers of shards of {night}")

    def commit(
        self, shards: Sequence[Shard], steps: Iterable[Step], accounts: Iterable[Account]
    ) -> None:
        """Record shards, how far the stream is taken, and counts: all or nothing."""
        with self._ledger.transaction() as connection:
            for step in steps:
                key = {"topic": step.topic, "partition": step.partition}
                connection.execute(statement("alerts/begin_offset"), key)
                moved = {"old_offset": step.old, "next_offset": step.new, "lost": step.lost}
                if not connection.execute(statement("alerts/step_offset"), key | moved).rowcount:
                    raise LedgerUnavailable.for_cause(f"somebody else takes {step.topic}")
            for shard in shards:
                files = {name: digest.to_json() for name, digest in shard.files.items()}
                row = {
                    "alerts": shard.alerts,
                    "min_id": shard.min_id,
                    "max_id": shard.max_id,
                    "files": json.dumps(files),
                    "at": self._ledger.now(),
                }
                filled = connection.execute(statement("alerts/fill"), _key(shard) | row)
                if not filled.rowcount:
                    raise LedgerUnavailable.for_cause(f"{shard.unit} is not ours any more")
            for account in accounts:
                counts = {
                    "day_obs": account.night.value,
                    "messages": account.messages,
                    "duplicates": account.duplicates,
                    "conflicts": account.conflicts,
                }
                connection.execute(statement("alerts/count"), counts)

    def offsets(self, topic: str) -> dict[int, int]:
        """Give the next offset of each partition."""
        rows = self._ledger.rows("alerts/offsets", topic=topic)
        return {int(row.partition): int(row.next_offset) for row in rows}

    # -- shards --------------------------------------------------------------------------------

    def shards(self, night: DayObs) -> list[Shard]:
        """Read a night's shards that are whole."""
        return [_shard(row) for row in self._ledger.rows("alerts/shards", day_obs=night.value)]

    def of_id(self, alert_id: int) -> list[Shard]:
        """Read the shards that may hold an alert, the narrowest first."""
        return [_shard(row) for row in self._ledger.rows("alerts/of_id", alert_id=alert_id)]

    def loose(self) -> list[Shard]:
        """Read the shards that travel in no parcel yet."""
        return self._in_state("loose", self._ledger.now())

    def abandoned(self, before: dt.datetime) -> list[Shard]:
        """Read the shards that somebody began to write before a time, and did not end."""
        return self._in_state("writing", before)

    def drop(self, shard: Shard) -> None:
        """Forget a shard that was not ended."""
        self._ledger.write("alerts/drop", **_key(shard))

    def seal(self, shard: Shard) -> None:
        """Say that a shard travels in its parcel."""
        self._ledger.write("alerts/set_state", **self._state(shard, "sealed"))

    def discard(self, shard: Shard) -> None:
        """Say that a shard is damaged, and its alerts are to be had again."""
        less = {"messages": -shard.alerts, "duplicates": 0, "conflicts": 0}
        with self._ledger.transaction() as connection:
            connection.execute(statement("alerts/set_state"), self._state(shard, "damaged"))
            connection.execute(statement("alerts/count"), {"day_obs": shard.night.value, **less})

    def _state(self, shard: Shard, state: str) -> dict[str, Any]:
        return {**_key(shard), "state": state, "at": self._ledger.now()}

    def _in_state(self, state: str, until: dt.datetime) -> list[Shard]:
        rows = self._ledger.rows("alerts/in_state", state=state, until_at=until)
        return [_shard(row) for row in rows]

    # -- nights --------------------------------------------------------------------------------

    def issue(self, night: DayObs, alerts: int) -> None:
        """Keep what the producer says that it issued."""
        self._ledger.write("alerts/issue", day_obs=night.value, issued=alerts)

    def accounts(self, first: DayObs, last: DayObs) -> list[Account]:
        """Read what nights count."""
        span = {"first_day": first.value, "last_day": last.value}
        return [
            Account(
                DayObs(int(row.day_obs)),
                None if row.issued is None else int(row.issued),
                int(row.messages),
                int(row.duplicates),
                int(row.conflicts),
            )
            for row in self._ledger.rows("alerts/nights", **span)
        ]


def _key(shard: Shard) -> dict[str, Any]:
    return {"day_obs": shard.night.value, "number": shard.number}


def _shard(row: Any) -> Shard:
    files = json.loads(row.files) or {}
    return Shard(
        night=DayObs(int(row.day_obs)),
        number=int(row.number),
        alerts=int(row.alerts),
        min_id=int(row.min_id),
        max_id=int(row.max_id),
        files={name: Digest.from_json(each) for name, each in files.items()},
    )
