"""The log of alarms: what must be known now, what was, and who was told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from dbb.flows.alarming import News
from dbb.model.alarm import Alarm
from dbb.ports.clock import Clock

SCHEMA = "dbb-alarms/1"
NEWEST = 50
LOOK_LASTS = dt.timedelta(minutes=15)
"""The DAG ``alarm_watch`` looks every five minutes."""


class Telling(NamedTuple):
    """Hold that a channel was told of an alarm, or of its end."""

    channel: str
    news: News
    at: dt.datetime


class AlarmLog(Protocol):
    """Read the log: the ledger's database."""

    def open_alarms(self) -> list[Alarm]:
        """Read those that are open, the oldest first."""

    def newest(self, most: int) -> list[Alarm]:
        """Read the newest, open or over."""

    def tellings(self, numbers: Sequence[int]) -> dict[int, list[Telling]]:
        """Read whom alarms were told to, in order."""

    def looked_at(self) -> dt.datetime | None:
        """Tell when all checks were last run; None where they never were."""


@dataclass(frozen=True)
class AlarmReport:
    """Hold the open alarms, the oldest first, and some that are over, the newest first.

    Parameters
    ----------
    looked
        When all checks were last run.
    told
        By alarm's number.
    """

    as_of: dt.datetime
    looked: dt.datetime | None
    alarms: tuple[Alarm, ...]
    told: Mapping[int, Sequence[Telling]]

    @property
    def open(self) -> list[Alarm]:
        """List those that are open."""
        return [alarm for alarm in self.alarms if alarm.ended_at is None]

    @property
    def over(self) -> list[Alarm]:
        """List those that are over."""
        return [alarm for alarm in self.alarms if alarm.ended_at is not None]

    @property
    def sentence(self) -> str:
        """Say whether somebody must know something; without a look of late nobody can."""
        number = len(self.open)
        if number:
            return f"ACT — {number:,} {'alarm is' if number == 1 else 'alarms are'} open."
        if self.looked is None or self.as_of - self.looked > LOOK_LASTS:
            since = "ever" if self.looked is None else f"since {self.looked:%Y-%m-%d %H:%M:%S} UTC"
            return f"UNKNOWN — no alarm is open, but nobody has looked {since}. See `dbb alarms watch`."
        return "SAFE — no alarm is open."

    def to_json(self) -> dict[str, Any]:
        """Give everything as a document of schema ``dbb-alarms/1``."""
        return {
            "schema": SCHEMA,
            "as_of": self.as_of.isoformat(timespec="milliseconds"),
            "looked_at": self.looked and self.looked.isoformat(timespec="milliseconds"),
            "sentence": self.sentence,
            "alarms": [
                alarm.to_json()
                | {
                    "told": [
                        {
                            "channel": each.channel,
                            "news": each.news,
                            "at": each.at.isoformat(timespec="seconds"),
                        }
                        for each in self.told.get(alarm.number, ())
                    ]
                }
                for alarm in self.alarms
            ],
        }


def alarm_report(log: AlarmLog, clock: Clock, newest: int = 0) -> AlarmReport:
    """Read what is open, and of the so many newest alarms those that are over."""
    alarms = log.open_alarms()
    if newest:
        alarms += [alarm for alarm in log.newest(newest) if alarm.ended_at is not None]
    told = log.tellings([alarm.number for alarm in alarms])
    return AlarmReport(clock.now(), log.looked_at(), tuple(alarms), told)
