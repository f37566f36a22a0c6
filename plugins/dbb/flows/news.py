"""What has changed since somebody last looked: the cheap question asked every few seconds.

The answer only decides when a transfer starts, never what it does: a missed change costs the time
until the next sweep and nothing else.
"""

from __future__ import annotations

import datetime as dt
import itertools

from dbb.flows.arrivals import find_work
from dbb.flows.backbone import Backbone
from dbb.flows.freshness import note_look
from dbb.flows.releasing import find_published
from dbb.model.day_obs import DayObs

OVERLAP = dt.timedelta(hours=1)
"""How long after the roll-over the previous night is still looked at."""


def current_nights(backbone: Backbone) -> list[DayObs]:
    """Name tonight, and the previous night for an hour after the roll-over, oldest first."""
    now = backbone.clock.now()
    return sorted({DayObs.at(now - OVERLAP), DayObs.at(now)})


def unfinished_nights(backbone: Backbone) -> list[DayObs]:
    """Name the current nights, and the previous one as long as it has work left, oldest first."""
    nights = current_nights(backbone)
    previous = DayObs.at(nights[0].begin - dt.timedelta(seconds=1))
    if find_work(backbone, previous).work:
        nights.insert(0, previous)
    return nights


def find_news(backbone: Backbone) -> frozenset[str]:
    """Describe what is ready to be worked on; an element that was not there before is news.

    Returns
    -------
    frozenset
        One text for each exposure at the source that has come to rest, with the number of its
        files and the time of the newest; one for each exposure whose source copy may go
        once the archive's was read again.
    """
    nights = current_nights(backbone)
    news = {text for night in nights for text in _exposures_at_rest(backbone, night)}
    note_look(backbone)
    news |= {text for night in nights for text in _releasable(backbone, night)}
    return frozenset(news)


def _exposures_at_rest(backbone: Backbone, night: DayObs) -> set[str]:
    latest = backbone.clock.now() - dt.timedelta(seconds=backbone.policy.settle_s)
    found = set()
    for instrument in backbone.policy.instruments:
        files = backbone.source.list_files(f"{instrument}/{night}/")
        for folder, inside in itertools.groupby(files, lambda file: file.name.rpartition("/")[0]):
            times = [file.modified_at for file in inside]
            if max(times) <= latest:
                found.add(f"{folder}: {len(times)} files until {max(times).isoformat()}")
    return found


def _releasable(backbone: Backbone, night: DayObs) -> set[str]:
    return {
        f"{row.unit} may be released"
        for instrument in backbone.policy.instruments
        for row in find_published(
            backbone,
            [row.unit for row in backbone.ledger.units_of_night(instrument, night.value)],
        )
    }
