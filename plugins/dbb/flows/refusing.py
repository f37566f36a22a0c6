"""Refusing an item: one row in quarantine, the file set aside, nothing lost, nothing dropped."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable

from dbb.errors import DbbError, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.model.quarantine import Decision, Refusal
from dbb.ports.store import StoredFile

log = logging.getLogger(__name__)

QUARANTINE_FOLDER = "quarantine"
"""Folder of a store where refused files are kept."""


def refuse_file(
    backbone: Backbone,
    unit: str,
    day_obs: int,
    file: StoredFile,
    error: DbbError,
    endpoint: str = "",
) -> Refusal:
    """Set a file of the source, or of another endpoint, aside and record why.

    The row is written first: a file that lies in quarantine has a row, whenever we are killed. The
    same file at the same time is one row, however often it is refused.
    """
    place = endpoint or backbone.policy.source
    stamp = f"{file.modified_at.isoformat()}\0{file.size_bytes}"
    words = "\0".join(filter(None, (file.name, stamp, error.code, endpoint)))
    key = hashlib.sha256(words.encode("utf-8", "surrogateescape"))
    refusal_id = key.hexdigest()[:12]
    leaf = file.name.rsplit("/", 1)[-1].encode("ascii", "replace").decode().replace("?", "_")
    leaf = "".join(char if char.isalnum() or char in "._+-" else "_" for char in leaf)[-100:]
    kept_as = f"{QUARANTINE_FOLDER}/{day_obs}/{refusal_id}/{leaf.lstrip('.-') or 'file'}"
    refusal = Refusal(
        refusal_id=refusal_id,
        unit=unit,
        day_obs=day_obs,
        endpoint=place,
        name=file.name.encode("utf-8", "backslashreplace").decode(),
        kept_as=kept_as,
        code=error.code,
        reason=error.message,
        next_action=error.next_action,
        found_at=backbone.clock.now(),
    )
    backbone.ledger.refuse([refusal])
    try:
        backbone.store(place).move(file.name, kept_as)
    except MissingCopy:
        log.info("action=refuse name=%a reason=gone-meanwhile", file.name)
    log.warning("action=refuse unit=%s name=%a code=%s", unit, file.name, error.code)
    return refusal


def refuse_unit(
    backbone: Backbone, unit: str, day_obs: int, endpoint: str, error: DbbError
) -> Refusal:
    """Record that a whole unit is refused at an endpoint; no file moves.

    There is one row for each reason, in the words of its first time.
    """
    key = hashlib.sha256(f"{unit}\0{endpoint}\0{error.code}".encode())
    refusal = Refusal(
        refusal_id=key.hexdigest()[:12],
        unit=unit,
        day_obs=day_obs,
        endpoint=endpoint,
        name="",
        kept_as="",
        code=error.code,
        reason=error.message,
        next_action=error.next_action,
        found_at=backbone.clock.now(),
    )
    backbone.ledger.refuse([refusal])
    log.warning("action=refuse unit=%s endpoint=%s code=%s", unit, endpoint, error.code)
    return refusal


def close_refusals(backbone: Backbone, units: Iterable[str], endpoint: str) -> None:
    """Close what was held against whole units at an endpoint, now that a good copy is there."""
    for unit in units:
        held = [
            item.refusal_id
            for item in backbone.ledger.refusals(unit=unit)
            if item.endpoint == endpoint and not item.name
        ]
        backbone.ledger.decide(held, Decision.SUPERSEDED, f"good copy at {endpoint}")
