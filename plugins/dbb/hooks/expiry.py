"""What the ledger's database knows of expiry: pins, intentions, and copies that stand for what goes.

An intention is written in one transaction with all that allows it: whoever writes goes through a gate
first, one after the other, so that two sweeps never count on each other's copy, and no pin is overlooked.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from dbb.flows.expiry_views import NEXT, Candidate, Wish
from dbb.hooks.ledger_database import batches
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.ledger_rows import to_unit
from dbb.hooks.sql import statement, to_time
from dbb.model.delivery import EXPIRED, State
from dbb.model.expiry import Expiry, ExpiryState, Pin, Rule
from dbb.model.kind import Kind


class SqlExpiry(LedgerHook):
    """Remember what is to go, what went, and what holds it."""

    # -- looking -------------------------------------------------------------------------------

    def candidates(
        self, endpoint: str, kinds: Collection[Kind], states: Collection[State], last_day: int
    ) -> list[Candidate]:
        """Read the units of some kinds that an endpoint has, of nights up to one."""
        if not kinds:
            return []
        rows = self._ledger.rows(
            "expiry/candidates",
            endpoint=endpoint,
            kinds=sorted(kinds),
            states=sorted(states),
            last_day=last_day,
        )
        return [
            Candidate(
                to_unit(row),
                State(row.delivery_state),
                to_time(row.delivery_since_at),
                to_time(row.ingested_at),
            )
            for row in rows
        ]

    def used(self, endpoint: str, states: Collection[State]) -> dict[Kind, tuple[int, int]]:
        """Count what an endpoint holds: by kind, units and bytes."""
        rows = self._ledger.rows("expiry/used", endpoint=endpoint, states=sorted(states))
        return {Kind(row.kind): (int(row.units), int(row.size_bytes)) for row in rows}

    def copies(
        self, units: Sequence[str], endpoint: str, read_since: dt.datetime
    ) -> dict[str, int]:
        """Count the published copies of units elsewhere that were read since a time."""
        with self._ledger.transaction() as connection:
            return _copies(connection, units, endpoint, read_since)

    def open(self, endpoint: str) -> list[Expiry]:
        """Read the expiries of an endpoint that are not at their end."""
        return [_expiry(row) for row in self._ledger.rows("expiry/open", endpoint=endpoint)]

    def known(self, endpoint: str, subjects: Sequence[str]) -> dict[str, Expiry]:
        """Read the expiries of an endpoint, by subject."""
        found = {}
        for names in batches(subjects):
            for row in self._ledger.rows("expiry/of", endpoint=endpoint, subjects=names):
                found[row.subject] = _expiry(row)
        return found

    # -- acting --------------------------------------------------------------------------------

    def intend(
        self, endpoint: str, rule: Rule, wishes: Sequence[Wish], *, are_units: bool
    ) -> set[str]:
        """Record that items are to go, those of them that may; name these.

        In one transaction: pins, copies elsewhere and states are looked at now, units are released in
        the ledger, and the intention is written.

        Parameters
        ----------
        endpoint, rule
            From where, and by which rule.
        wishes
            What is due.
        are_units
            Whether the items are units of the ledger; otherwise they are images of a cache.
        """
        now = self._ledger.now()
        with self._ledger.transaction() as connection:
            connection.execute(statement("expiry/pass_gate"))
            free = self._unheld(connection, endpoint, wishes, now)
            free = self._with_copies(connection, endpoint, rule, free, now)
            if are_units:
                released = self._release(connection, endpoint, rule, free)
                free = [wish for wish in free if wish.name in released]
            rows = [
                {
                    "endpoint": endpoint,
                    "subject": wish.name,
                    "day_obs": wish.day_obs,
                    "rule": rule.name,
                    "size_bytes": wish.size_bytes,
                    "at": now,
                    "actor": self._ledger.actor,
                }
                for wish in free
            ]
            if rows:
                connection.execute(statement("expiry/intend"), rows)
        return {wish.name for wish in free}

    def _unheld(
        self, connection: Connection, endpoint: str, wishes: Sequence[Wish], now: dt.datetime
    ) -> list[Wish]:
        pins = _pins(connection, now)
        return [
            wish
            for wish in wishes
            if wish.over_at <= now and not any(pin.holds(wish.name, endpoint, now) for pin in pins)
        ]

    def _with_copies(
        self,
        connection: Connection,
        endpoint: str,
        rule: Rule,
        wishes: Sequence[Wish],
        now: dt.datetime,
    ) -> list[Wish]:
        if not rule.needed_copies:
            return list(wishes)
        since = now - dt.timedelta(days=rule.verified_within_days)
        units = sorted({unit for wish in wishes for unit in wish.units})
        found = _copies(connection, units, endpoint, since)
        return [
            wish
            for wish in wishes
            if wish.units and all(found.get(unit, 0) >= rule.needed_copies for unit in wish.units)
        ]

    def _release(
        self, connection: Connection, endpoint: str, rule: Rule, wishes: Sequence[Wish]
    ) -> set[str]:
        """Bring deliveries from the state that was seen to ``released``, each step with its event."""
        reason = f"{EXPIRED} by rule {rule.name}"
        names: dict[State, set[str]] = {}
        for wish in wishes:
            names.setdefault(wish.state, set()).add(wish.name)
        for old, new in NEXT.items():
            if old in names:
                moved = self._ledger.advance_within(
                    connection, sorted(names[old]), endpoint, old, new, reason
                )
                names.setdefault(new, set()).update(moved)
        return names.get(State.RELEASED, set())

    def step(
        self, endpoint: str, subjects: Sequence[str], old: ExpiryState, new: ExpiryState
    ) -> None:
        """Record how far expiries are."""
        now = self._ledger.now()
        with self._ledger.transaction() as connection:
            for names in batches(subjects):
                connection.execute(
                    statement("expiry/step"),
                    {
                        "endpoint": endpoint,
                        "subjects": names,
                        "old_state": str(old),
                        "new_state": str(new),
                        "at": now,
                    },
                )

    # -- pins ----------------------------------------------------------------------------------

    def pin(
        self, subject: str, endpoint: str, owner: str, reason: str, until: dt.datetime
    ) -> tuple[Pin, list[Expiry]]:
        """Hold something until a time; give the pin, and what it comes too late for."""
        now = self._ledger.now()
        pin = Pin(uuid.uuid4().hex[:12], subject, endpoint, owner, reason, now, until)
        with self._ledger.transaction() as connection:
            connection.execute(statement("expiry/pass_gate"))
            connection.execute(statement("expiry/pin"), _pin_row(pin))
            rows = connection.execute(
                statement("expiry/under"),
                {
                    "subject": subject,
                    "below": f"{subject}/",
                    "below_end": f"{subject}0",  # what follows the slash
                    "endpoint": endpoint,
                },
            ).all()
        return pin, [_expiry(row) for row in rows]

    def unpin(self, pin_ids: Sequence[str]) -> int:
        """End pins now; give how many still held something."""
        return self._ledger.write("expiry/unpin", pin_ids=list(pin_ids), at=self._ledger.now())

    def pins(self, *, ended: bool = False) -> list[Pin]:
        """List pins that hold something now; those that ended too, where asked for."""
        after = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) if ended else self._ledger.now()
        with self._ledger.transaction() as connection:
            return _pins(connection, after)


def _copies(
    connection: Connection, units: Sequence[str], endpoint: str, read_since: dt.datetime
) -> dict[str, int]:
    found = {}
    for names in batches(units):
        wanted = {"units": names, "endpoint": endpoint, "read_at": read_since}
        for row in connection.execute(statement("expiry/copies"), wanted):
            found[row.unit] = int(row.copies)
    return found


def _pins(connection: Connection, after: dt.datetime) -> list[Pin]:
    return [_pin(row) for row in connection.execute(statement("expiry/pins"), {"after_at": after})]


def _pin(row: Row[Any]) -> Pin:
    return Pin(
        pin_id=row.pin_id,
        subject=row.subject,
        endpoint=row.endpoint,
        owner=row.owner,
        reason=row.reason,
        pinned_at=to_time(row.pinned_at),
        until_at=to_time(row.until_at),
    )


def _pin_row(pin: Pin) -> Mapping[str, Any]:
    return {
        "pin_id": pin.pin_id,
        "subject": pin.subject,
        "endpoint": pin.endpoint,
        "owner": pin.owner,
        "reason": pin.reason,
        "pinned_at": pin.pinned_at,
        "until_at": pin.until_at,
    }


def _expiry(row: Row[Any]) -> Expiry:
    return Expiry(
        endpoint=row.endpoint,
        subject=row.subject,
        day_obs=int(row.day_obs),
        rule=row.rule,
        size_bytes=int(row.size_bytes),
        state=ExpiryState(row.state),
        intended_at=to_time(row.intended_at),
        since_at=to_time(row.since_at),
    )
