"""An event that tells of a copy, in the one form that hermes and Kafka's topics share.

An event is a hint. It says when to look, never what is true: what no event told, the clock's sweep
finds, and one that comes twice, late or never changes nothing but the time.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dbb.errors import BadDayObs, BadDocument, DbbError, PoisonEvent, UnsafeName
from dbb.model import strict_json
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.parcel import ParcelName

ARRIVAL = "transfer-done"
"""Rucio's type of the only event that tells of a new copy."""

MAX_EVENT_BYTES = 256 * 1024
KEPT_OF_POISON = 4096
"""Characters of a poison event that are kept: enough to see what it was."""


class EventState(StrEnum):
    """What became of an event; each member states what is then true."""

    NEW = "new"
    """Nobody has dealt with it."""
    DONE = "done"
    """Somebody has looked, because of it or otherwise."""
    POISON = "poison"
    """It cannot be understood; a person may look at it."""


@dataclass(frozen=True, slots=True)
class Event:
    """Hold one event as it is kept.

    Parameters
    ----------
    event_id
        The same for the same event, however often and whichever way it comes.
    source
        ``hermes``, or ``kafka`` and the topic.
    event_type
        Rucio's word for what happened.
    rse, scope, name
        Which file came where.
    unit
        Whose file it is; empty where its name does not tell.
    state, code, reason
        What became of it.
    payload
        What was said, as it came; of a poison event its beginning.
    received_at
        When it was kept (UTC).
    """

    event_id: str
    source: str
    event_type: str
    rse: str
    scope: str
    name: str
    unit: str
    state: EventState
    code: str
    reason: str
    payload: str
    received_at: dt.datetime | None = None


def read_event(data: bytes, source: str) -> Event | None:
    """Understand one event; what cannot be understood is an event in state ``poison``.

    Parameters
    ----------
    data
        ``{"event_type", "payload", "created_at"}`` as hermes writes it, or the payload alone as
        Rubin's Kafka topics carry it, with ``rubin_butler`` and ``rubin_sidecar`` in it or not.
    source
        Where it came from.

    Returns
    -------
    Event or None
        None for an event that is none of our business.
    """
    try:
        document = strict_json.parse(data, source, max_bytes=MAX_EVENT_BYTES)
        return _understand(document, data, source)
    except BadDocument as error:
        return poison(data, PoisonEvent.for_event(source, error.message), source)
    except PoisonEvent as error:
        return poison(data, error, source)


def _understand(document: Any, data: bytes, source: str) -> Event | None:
    if not isinstance(document, dict):
        raise PoisonEvent.for_event(source, "it is no object")
    payload = document.get("payload", document)
    event_type = document.get("event_type", ARRIVAL if "dst-rse" in document else None)
    if not isinstance(event_type, str) or not isinstance(payload, dict):
        raise PoisonEvent.for_event(source, "it has no event_type and payload")
    if event_type.lower() != ARRIVAL:
        return None
    rse, scope, name = (payload.get(key) for key in ("dst-rse", "scope", "name"))
    if not (_is_text(rse) and _is_text(scope) and _is_text(name)):
        raise PoisonEvent.for_event(source, "it names no scope, name and dst-rse")
    return Event(
        event_id=_identity(payload),
        source=source,
        event_type=ARRIVAL,
        rse=str(rse),
        scope=str(scope),
        name=str(name),
        unit=unit_of_file(str(scope), str(name), payload.get("dataset")),
        state=EventState.NEW,
        code="",
        reason="",
        payload=data.decode("utf-8"),
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500 and "\0" not in value


def _identity(payload: dict[str, Any]) -> str:
    """Tell events apart: two transfers of one file are two, one event that comes twice is one."""
    said = payload.get("request-id") or payload.get("transfer-id") or strict_json.canonical(payload)
    words = (ARRIVAL, payload["dst-rse"], payload["scope"], payload["name"], said)
    return hashlib.sha256(repr(words).encode()).hexdigest()


def poison(data: bytes, error: DbbError, source: str) -> Event:
    """Make an event of what cannot be used, so that it is kept with the reason."""
    text = data[: KEPT_OF_POISON * 2].decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return Event(
        event_id=hashlib.sha256(data).hexdigest(),
        source=source,
        event_type="",
        rse="",
        scope="",
        name="",
        unit="",
        state=EventState.POISON,
        code=error.code,
        reason=error.message,
        payload=text[:KEPT_OF_POISON],
    )


def unit_of_file(scope: str, name: str, dataset: Any) -> str:
    """Tell whose file it is by its name and Rucio dataset; empty where they do not tell."""
    try:
        if scope == Kind.RAW.scope:
            instrument, day_obs, _, leaf = name.split("/")
            stem = leaf.removesuffix(".zip").removesuffix(".manifest.json")
            return str(Unit.parse(f"{instrument}/{day_obs}/{stem}"))
        return str(ParcelName.parse(str(dataset).removeprefix("Dataset/")))
    except (ValueError, UnsafeName, BadDayObs):
        return ""
