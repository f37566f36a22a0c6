"""The durable inbox of events: keep first, acknowledge after; read as hints."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable

from dbb.flows.backbone import Backbone
from dbb.model.event import EventState, read_event
from dbb.ports.inbox import Inbox

log = logging.getLogger(__name__)

HINTS_AT_ONCE = 5000
"""Events that one look takes; the rest is the next look's."""

KEPT = dt.timedelta(days=14)
"""How long an event that was dealt with is kept, for a person who asks."""


def keep_events(inbox: Inbox, messages: Iterable[bytes], source: str) -> dict[str, int]:
    """Keep a batch of messages; only then may it be acknowledged.

    One that cannot be understood is kept as poison and holds up nobody.

    Returns
    -------
    dict
        How many were ``kept`` for the first time, and of the batch how many are ``poison`` and
        how many were ``ignored``, being about something else than a copy.
    """
    read = [read_event(message, source) for message in messages]
    events = {event.event_id: event for event in read if event is not None}
    poison = sum(event.state is EventState.POISON for event in events.values())
    kept = inbox.store(list(events.values())) if events else 0
    counts = {"kept": kept, "poison": poison, "ignored": read.count(None)}
    if poison:
        log.warning("action=keep-events source=%s poison=%d code=poison-event", source, poison)
    log.info(
        "action=keep-events source=%s kept=%d of=%d ignored=%d",
        source, kept, len(read), counts["ignored"],
    )  # fmt: skip
    return counts


def take_hints(backbone: Backbone, endpoint: str) -> tuple[list[str], list[str]]:
    """Read which units events say have come to an endpoint.

    Returns
    -------
    tuple
        The units' names, and the ids of the events, to be settled once somebody has looked.
    """
    events = backbone.inbox.fresh(backbone.rses[endpoint], HINTS_AT_ONCE)
    units = {event.unit for event in events if event.unit}
    return sorted(units), [event.event_id for event in events]
