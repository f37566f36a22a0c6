"""What the ledger's database knows of alarms, and of what should raise one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dbb.flows.alarm_checks import Late
from dbb.flows.alarming import News
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sql import statement, to_time
from dbb.model.alarm import Alarm
from dbb.ports import Clock


class SqlAlarms:
    """Remember alarms.

    Parameters
    ----------
    ledger
        The database.
    clock
        Where times come from.
    """

    def __init__(self, ledger: SqlLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def raise_alarm(self, alarm: Alarm) -> None:
        """Record one, unless one of its cause is open."""
        self._write(
            "raise", cause=alarm.cause, code=alarm.code, what=alarm.what, place=alarm.where,
            next_action=alarm.next_action, link=alarm.link, since_at=alarm.since_at,
            at=self._clock.now(),
        )  # fmt: skip

    def end(self, number: int) -> None:
        """Record that one is over; again is nothing."""
        self._write("end", number=number, at=self._clock.now())

    def open_alarms(self) -> list[Alarm]:
        """Read those that are open, the oldest first."""
        return [_alarm(row) for row in self._ledger.rows("alarm/open")]

    def newest(self, most: int) -> list[Alarm]:
        """Read the newest, open or over."""
        return [_alarm(row) for row in self._ledger.rows("alarm/newest", most=most)]

    def untold(self, channel: str) -> list[tuple[Alarm, News]]:
        """Read what a channel has not been told."""
        rows = self._ledger.rows("alarm/untold", channel=channel)
        return [(_alarm(row), row.news) for row in rows]

    def told(self, number: int, channel: str, news: News) -> None:
        """Record that a channel was told; again is nothing."""
        self._write("told", number=number, channel=channel, news=news, at=self._clock.now())

    def late(self, source: str, before: dt.datetime) -> list[Late]:
        """By endpoint, what is not there although its last file came before a time."""
        rows = self._ledger.rows("alarm/late", source=source, before_at=before)
        return [
            Late(row.endpoint, int(row.units), row.unit, int(row.day_obs), to_time(row.changed_at))
            for row in rows
        ]

    def last_published(self, endpoint: str) -> dt.datetime | None:
        """Say when an endpoint last published anything."""
        (row,) = self._ledger.rows("alarm/last_published", endpoint=endpoint)
        return None if row.at is None else to_time(row.at)

    def _write(self, name: str, **values: Any) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(statement(f"alarm/{name}"), values)


def _alarm(row: Any) -> Alarm:
    return Alarm(
        row.cause, row.code, row.what, row.place, row.next_action, to_time(row.since_at),
        row.link, int(row.number), to_time(row.raised_at), row.ended_at and to_time(row.ended_at),
    )  # fmt: skip
