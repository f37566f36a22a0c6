"""Alarms: look for causes, record them, tell each channel once, and once more when they are over.

A cause is what a check finds again and again while it lasts. It is recorded before it is told, and that it
was told is recorded after: a process killed between the two tells it a second time rather than never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from dbb.errors import AlarmNotSent, DbbError, InstallationWrong
from dbb.model.alarm import Alarm
from dbb.ports.clock import Clock

log = logging.getLogger(__name__)

News = Literal["raised", "ended"]
Check = Callable[[], Sequence[Alarm]]


class Channel(Protocol):
    """Bring an alarm to people: a mailbox, a chat."""

    @property
    def name(self) -> str:
        """Tell it from other channels; holds no secret."""

    def send(self, alarm: Alarm) -> None:
        """Send an alarm, or that it is over.

        Raises
        ------
        AlarmNotSent
            If the channel does not take it.
        """


class AlarmRows(Protocol):
    """Remember alarms: the ledger's database."""

    def raise_alarm(self, alarm: Alarm) -> None:
        """Record one, unless one of its cause is open."""

    def end(self, number: int) -> None:
        """Record that one is over; again is nothing."""

    def open_alarms(self) -> list[Alarm]:
        """Read those that are open, the oldest first."""

    def newest(self, most: int) -> list[Alarm]:
        """Read the newest, open or over."""

    def untold(self, channel: str) -> list[tuple[Alarm, News]]:
        """Read what a channel has not been told."""

    def told(self, number: int, channel: str, news: News) -> None:
        """Record that a channel was told; again is nothing."""

    def note_look(self) -> None:
        """Record that all checks were run."""


@dataclass(frozen=True)
class Watch:
    """Hold what alarms are made with.

    Parameters
    ----------
    rows, clock
        The ledger's database; the time.
    checks
        By name. A cause begins with the name of its check.
    channels
        Whom to tell; without any, alarms are only recorded and logged.
    link_of
        Gives the page that shows an alarm.
    """

    rows: AlarmRows
    clock: Clock
    checks: Mapping[str, Check]
    channels: Sequence[Channel]
    link_of: Callable[[Alarm], str]


def look(watch: Watch) -> list[Alarm]:
    """Run all checks, record what they find, and tell it; give the alarms that are open now.

    A check that cannot look is an alarm itself; what it found before stays open.

    Raises
    ------
    AlarmNotSent
        If a channel did not take something; it is tried again at the next look.
    """
    was_open = watch.rows.open_alarms()
    for name, check in watch.checks.items():
        mine = [each for each in was_open if each.cause.split(" ")[0] == name]
        blind = f"{name} cannot look"
        try:
            found = [replace(alarm, cause=f"{name} {alarm.cause}") for alarm in check()]
        except DbbError as error:
            found, mine = [Alarm.of(error, blind, watch.clock.now())], []
        except Exception as fault:
            log.exception("action=alarm check=%s", name)
            wrong = InstallationWrong.for_part(f"check {name}", f"it fails with {fault!r}")
            found, mine = [Alarm.of(wrong, blind, watch.clock.now())], []
        for alarm in found:
            watch.rows.raise_alarm(replace(alarm, link=watch.link_of(alarm)))
        causes = {alarm.cause for alarm in found}
        for alarm in mine:
            if alarm.cause not in causes:
                watch.rows.end(alarm.number)
    watch.rows.note_look()
    tell(watch)
    return watch.rows.open_alarms()


def tell(watch: Watch) -> None:
    """Tell each channel what it has not been told; one that fails costs only itself.

    Raises
    ------
    AlarmNotSent
        If a channel did not take something.
    """
    failed: AlarmNotSent | None = None
    for channel in watch.channels:
        for alarm, news in watch.rows.untold(channel.name):
            log.warning("action=alarm channel=%s news=%s %s", channel.name, news, alarm.subject)
            try:
                channel.send(alarm)
            except AlarmNotSent as error:
                failed = error
                break
            watch.rows.told(alarm.number, channel.name, news)
    if failed is not None:
        raise failed
