"""What the ledger's database knows of alarms, and of what should raise one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from dbb.flows.alarm_checks import Late
from dbb.flows.alarm_log import Telling
from dbb.flows.alarming import News
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time
from dbb.model.alarm import Alarm

LOOK = "look/alarms"


class SqlAlarms(LedgerHook):
    """Remember alarms."""

    def raise_alarm(self, alarm: Alarm) -> None:
        """Record one, unless one of its cause is open."""
        self._ledger.write(
            "alarm/raise", cause=alarm.cause, code=alarm.code, what=alarm.what, place=alarm.where,
            next_action=alarm.next_action, link=alarm.link, since_at=alarm.since_at,
            at=self._ledger.now(),
        )  # fmt: skip

    def end(self, number: int) -> None:
        """Record that one is over; again is nothing."""
        self._ledger.write("alarm/end", number=number, at=self._ledger.now())

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
        self._ledger.write(
            "alarm/told", number=number, channel=channel, news=news, at=self._ledger.now()
        )

    def note_look(self) -> None:
        """Record that all checks were run."""
        self._ledger.note(LOOK, "{}")

    def late_files(self, before: dt.datetime) -> list[Late]:
        """By endpoint, which permanent files and objects of the annex wait since before a time."""
        rows = self._ledger.rows("alarm/late_files", before_at=before)
        return [
            Late(row.endpoint, row.units, row.unit, row.day_obs, to_time(row.since_at))
            for row in rows
        ]

    def looked_at(self) -> dt.datetime | None:
        """Tell when all checks were last run; None where they never were."""
        noted = self._ledger.noted([LOOK]).get(LOOK)
        return None if noted is None else noted.at

    def tellings(self, numbers: Sequence[int]) -> dict[int, list[Telling]]:
        """Read whom alarms were told to, in order."""
        found: dict[int, list[Telling]] = {}
        for row in self._ledger.rows("alarm/told_of", numbers=list(numbers)):
            telling = Telling(row.channel, row.news, to_time(row.at))
            found.setdefault(int(row.number), []).append(telling)
        return found

    def late(self, source: str, before: dt.datetime) -> list[Late]:
        """By endpoint, what is not there although its last file came before a time."""
        rows = self._ledger.rows("alarm/late", source=source, before_at=before)
        return [
            Late(row.endpoint, int(row.units), row.unit, int(row.day_obs), to_time(row.changed_at))
            for row in rows
        ]


def _alarm(row: Any) -> Alarm:
    return Alarm(
        row.cause, row.code, row.what, row.place, row.next_action, to_time(row.since_at),
        row.link, int(row.number), to_time(row.raised_at), row.ended_at and to_time(row.ended_at),
    )  # fmt: skip
