"""When raw exposures were published, over a year: hours that nothing parted by an hour are joined, and noted every hour.

A year has some 400,000 publications, too many to sum up for each reader. What an account needs of them are the
times between which nothing was published for an hour or more: a few a day. Their sum is noted; a reader asks
the ledger itself for what came since, so that the account is as new as the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.sums import note_sum, read_sum

SHORTEST = dt.timedelta(hours=1)
"""Less without a publication is the chain's own pace."""
YEAR_DAYS = 365
SUM = "outages"
MARGIN = dt.timedelta(minutes=10)
"""How long a transaction may take, and how far clocks may be apart: what is as young is not noted."""
LASTS = dt.timedelta(days=7)
"""While Airflow stands nobody notes anything, and just then an account must be quick. What may be wrong with an older
sum is that one of its exposures was refused, or lacked detectors, only after its publication."""


class Hour(NamedTuple):
    """Hold what was published in a time; ``oldest_at`` is when the longest waiting exposure was complete."""

    first_at: dt.datetime
    last_at: dt.datetime
    oldest_at: dt.datetime | None


class PublishedRows(Protocol):
    """Know from the ledger when what was published."""

    def hours(self, archive: str, since: dt.datetime) -> list[Hour]:
        """Sum up first publications of raw exposures by hour, in order."""


def join_hours(hours: Iterable[Hour]) -> list[Hour]:
    """Join what nothing parts by an hour or more."""
    joined: list[Hour] = []
    for hour in hours:
        if joined and hour.first_at - joined[-1].last_at < SHORTEST:
            before = joined.pop()
            known = [each for each in (before.oldest_at, hour.oldest_at) if each is not None]
            joined.append(Hour(before.first_at, hour.last_at, min(known, default=None)))
        else:
            joined.append(hour)
    return joined


def note_published(backbone: Backbone, rows: PublishedRows) -> dict[str, Any]:
    """Sum up a year, but for the last minutes, and write it down."""
    now = backbone.clock.now()
    since = now - dt.timedelta(days=YEAR_DAYS)
    until = (now - MARGIN).replace(minute=0, second=0, microsecond=0)
    archive = backbone.policy.archive
    hours = join_hours(each for each in rows.hours(archive, since) if each.first_at < until)
    document = {
        "as_of": now.isoformat(),
        "archive": archive,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "hours": [[_text(time) for time in each] for each in hours],
    }
    return note_sum(backbone, SUM, document)


def read_published(backbone: Backbone, rows: PublishedRows, since: dt.datetime) -> list[Hour]:
    """Read when raw exposures were published, in order: of the newest sum and of the ledger since then.

    A sum that is too old, begins too late or is of another archive is not used: the ledger is asked for everything.
    """
    archive = backbone.policy.archive
    noted = read_sum(backbone, SUM, dict)
    if (
        not noted
        or backbone.clock.now() - _time(noted["as_of"]) > LASTS
        or noted["archive"] != archive
        or _time(noted["since"]) > since
    ):
        return join_hours(rows.hours(archive, since))
    until = _time(noted["until"])
    kept = (
        Hour(max(first, since), last, oldest)
        for first, last, oldest in _read(noted["hours"])
        if last >= since
    )
    return join_hours([*kept, *rows.hours(archive, max(since, until))])


def _read(hours: Iterable[list[str]]) -> Iterable[Hour]:
    for first, last, oldest in hours:
        yield Hour(_time(first), _time(last), _time(oldest) if oldest else None)


def _text(time: dt.datetime | None) -> str:
    return "" if time is None else time.isoformat()


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
