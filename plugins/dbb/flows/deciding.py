"""What an operator decides: put a refused item back on its way, or say that it is not wanted.

No decision deletes a byte. A file moves first and its row says so second: a kill between leaves the
row held, and the same decision made again ends the work.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from dbb.errors import DecisionImpossible, UnknownItem, UnsafeName
from dbb.flows.backbone import Backbone
from dbb.model.delivery import State
from dbb.model.names import SafeName
from dbb.model.quarantine import Decision, Refusal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Signature:
    """Say who decides, and why."""

    by: str
    why: str

    def __str__(self) -> str:
        return f"{self.by}: {self.why}"


def find_refusal(backbone: Backbone, refusal_id: str) -> Refusal:
    """Find a row of the quarantine by its identifier, or by the beginning of it if that is unique.

    Raises
    ------
    UnknownItem
        If none or several have it.
    """
    for decision in (Decision.HELD, None):  # the held ones are few
        found = [
            item
            for item in backbone.ledger.refusals(decision=decision)
            if item.refusal_id.startswith(refusal_id)
        ]
        if len(found) == 1:
            return found[0]
    raise UnknownItem.for_name("refusal", refusal_id)


def release_refusal(backbone: Backbone, refusal: Refusal, signature: Signature) -> str:
    """Put a held item back on its way; say what was done.

    A file goes back under its name and is judged again by the next run. A unit that failed its
    expectations passes them by the operator's word; one refused elsewhere tries its step again.
    An incomplete exposure, or calibration group, is accepted as it is.

    Raises
    ------
    DecisionImpossible
        If it is not held any more, its name is unsafe or taken, or the kept file is gone.
    """
    _check_held(refusal)
    if refusal.name:
        done = _put_back(backbone, refusal)
    elif refusal.code == "incomplete-exposure":
        done = "accepted without the missing detectors"
    elif refusal.code == "incomplete-group":
        done = "calibrations are made of the exposures that are there"
    elif refusal.code == "expectation-failed":
        backbone.ledger.set_gate({refusal.unit: True})
        done = _step_back(backbone, refusal, signature)
    else:
        done = _step_back(backbone, refusal, signature)
    _decide(backbone, refusal, Decision.RELEASED, signature)
    return done


def reject_refusal(backbone: Backbone, refusal: Refusal, signature: Signature) -> str:
    """Record that a held item is not wanted; say what was done. Its bytes stay where they are.

    Raises
    ------
    DecisionImpossible
        If it is not held any more.
    """
    _check_held(refusal)
    _decide(backbone, refusal, Decision.REJECTED, signature)
    return f"rejected; the bytes stay at {refusal.kept_as or refusal.endpoint}"


def _check_held(refusal: Refusal) -> None:
    if refusal.decision is not Decision.HELD:
        raise DecisionImpossible.for_refusal(
            refusal.refusal_id,
            f"it was {refusal.decision} by {refusal.decided_by or 'the program'}",
        )


def _put_back(backbone: Backbone, refusal: Refusal) -> str:
    try:
        name = SafeName.parse(refusal.name)
    except UnsafeName as error:
        raise DecisionImpossible.for_refusal(
            refusal.refusal_id, f"its name is never used again ({error.message})"
        ) from None
    store = backbone.store(refusal.endpoint)
    is_kept = store.stat(refusal.kept_as) is not None
    is_there = store.stat(name) is not None
    if is_kept and is_there:
        why = f"{name} is there already; move or reject one of the two"
        raise DecisionImpossible.for_refusal(refusal.refusal_id, why)
    if not is_kept and not is_there:
        why = f"{refusal.kept_as} is gone from {refusal.endpoint}"
        raise DecisionImpossible.for_refusal(refusal.refusal_id, why)
    store.move(refusal.kept_as, name)
    return f"put back as {name}; the next run judges it again"


def _step_back(backbone: Backbone, refusal: Refusal, signature: Signature) -> str:
    """Move the refused delivery to the step before the one that refused it."""
    new = step_after_quarantine(backbone, refusal.endpoint)
    moved = backbone.ledger.advance(
        [refusal.unit], refusal.endpoint, State.QUARANTINED, new, f"released by {signature}"
    )
    if not moved:
        return f"closed; {refusal.unit} is not quarantined at {refusal.endpoint}"
    return f"{refusal.unit} is {new} at {refusal.endpoint} again; the next run goes on"


def step_after_quarantine(backbone: Backbone, endpoint: str) -> State:
    """Name the state from which a quarantined delivery goes on.

    At the source its files are looked at anew. Elsewhere quarantine comes after the reading, so
    the copy is verified, and registration or ingest is tried again.
    """
    return State.EXPECTED if endpoint == backbone.policy.source else State.VERIFIED


def _decide(backbone: Backbone, refusal: Refusal, decision: Decision, signature: Signature) -> None:
    if not backbone.ledger.decide([refusal.refusal_id], decision, str(signature)):
        raise DecisionImpossible.for_refusal(refusal.refusal_id, "somebody decided it meanwhile")
    log.info(
        "action=%s refusal=%s unit=%s reason=%a",
        decision, refusal.refusal_id, refusal.unit, str(signature),
    )  # fmt: skip
