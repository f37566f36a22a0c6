"""When somebody last looked at the source: what nobody looks at is not known to be well."""

from __future__ import annotations

import datetime as dt

from dbb.flows.backbone import Backbone
from dbb.model.day_obs import DayObs

FRESH_S = 120
"""How old the last look may be for a verdict on a night that is still looked at."""

NOTE_EVERY_S = 15.0
"""The looks themselves come every few seconds; so often one is written down."""

LOOKED_AFTER = dt.timedelta(hours=1)
"""How long after its end a night is looked at; see ``flows.news``."""


def look_name(endpoint: str) -> str:
    """Name the looks at an endpoint among what is noted."""
    return f"look/{endpoint}"


def note_look(backbone: Backbone) -> None:
    """Write down that the source's listing was read just now."""
    backbone.ledger.note(look_name(backbone.policy.source), "{}", NOTE_EVERY_S)


def looked_at(backbone: Backbone) -> dt.datetime | None:
    """Tell when the source's listing was last read; None where nobody ever did."""
    name = look_name(backbone.policy.source)
    noted = backbone.ledger.noted([name]).get(name)
    return None if noted is None else noted.at


def is_stale(day_obs: DayObs, looked: dt.datetime | None, now: dt.datetime) -> bool:
    """Say whether a night that is still looked at was not looked at of late."""
    if not day_obs.begin <= now < day_obs.end + LOOKED_AFTER:
        return False
    return looked is None or (now - looked).total_seconds() > FRESH_S
