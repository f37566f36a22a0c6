"""Objects of the annex that a person must decide about: rows of the quarantine, by object."""

from __future__ import annotations

import hashlib
import logging

from dbb.errors import DbbError
from dbb.flows.backbone import Backbone
from dbb.model.kind import Kind
from dbb.model.lfa import LfaObject
from dbb.model.quarantine import Decision, Refusal

log = logging.getLogger(__name__)


def refusal_unit(key: str) -> str:
    """Give the name under which the quarantine knows an object."""
    return f"{Kind.LFA.scope}:{key}"


def refusal_id(each: LfaObject, code: str, what: str) -> str:
    """Give the identifier of a refusal: the same object, reason and bytes are one row."""
    words = f"{refusal_unit(each.key)}\0{code}\0{what}"
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def refuse_object(
    backbone: Backbone, each: LfaObject, error: DbbError, *, what: str, kept_as: str = ""
) -> None:
    """Record that an object is refused at the archive.

    Parameters
    ----------
    backbone
        The ports.
    each
        The object.
    error
        Why.
    what
        Tells several refusals of an object apart: the bytes.
    kept_as
        Where the refused bytes lie in the archive's store.
    """
    backbone.ledger.refuse(
        [
            Refusal(
                refusal_id=refusal_id(each, error.code, what),
                unit=refusal_unit(each.key),
                day_obs=each.day_obs,
                endpoint=backbone.policy.archive,
                name="",
                kept_as=kept_as,
                code=error.code,
                reason=error.message,
                next_action=error.next_action,
                found_at=backbone.clock.now(),
            )
        ]
    )
    log.warning("action=lfa-refuse key=%a code=%s", each.key, error.code)


def is_released(backbone: Backbone, each: LfaObject) -> bool:
    """Say whether a person wants an object as it was when it was refused."""
    refused = refusal_id(each, each.code, each.stamp)
    rows = backbone.ledger.refusals(unit=refusal_unit(each.key), decision=Decision.RELEASED)
    return any(row.refusal_id == refused for row in rows)


def close_refusals(backbone: Backbone, each: LfaObject) -> None:
    """Close what was held against an object that is good now."""
    held = backbone.ledger.refusals(unit=refusal_unit(each.key))
    backbone.ledger.decide(
        [row.refusal_id for row in held], Decision.SUPERSEDED, "a good object came"
    )
