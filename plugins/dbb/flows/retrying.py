"""Trying again: a unit that stands aside re-enters at the right step of its way."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbb.errors import DigestMismatch, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import verify_cargo
from dbb.flows.deciding import Signature, step_after_quarantine
from dbb.model.delivery import Delivery, State
from dbb.model.quarantine import Decision
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)


def retry_units(
    backbone: Backbone, rows: Sequence[UnitRow], signature: Signature
) -> list[tuple[str, str, str]]:
    """Let units re-enter; say for each delivery that was touched what was done.

    =============  ========================================================================
    it stands       it re-enters
    =============  ========================================================================
    quarantined     at the source: ``expected``, its files are looked at anew; after its
                    expectations failed: ``verified`` and judged again; elsewhere: ``verified``
    missing         at a receiver ``expected``, Rucio's rule brings it; at the archive the copy
                    is read now
    suspect         at a receiver ``arrived``, the next run reads it; at the archive it is read now
    lost            it is read now, wherever it is
    =============  ========================================================================

    Returns
    -------
    list
        Unit, endpoint, and what was done; empty where nothing stands aside.
    """
    deliveries = backbone.ledger.deliveries([row.unit for row in rows])
    order = (backbone.policy.source, backbone.policy.archive)
    done = []
    for row in rows:
        places = {place for unit, place in deliveries if unit == row.unit}
        for endpoint in sorted(
            places, key=lambda place: (place not in order, place != order[0], place)
        ):
            what = _retry(backbone, row, deliveries[row.unit, endpoint], signature)
            if what:
                log.info("action=retry unit=%s endpoint=%s reason=%a", row.unit, endpoint, what)
                done.append((row.unit, endpoint, what))
    return done


def _retry(backbone: Backbone, row: UnitRow, delivery: Delivery, signature: Signature) -> str:
    """Choose the step; an empty answer means that the delivery is well."""
    is_archive = delivery.endpoint == backbone.policy.archive
    if delivery.state is State.QUARANTINED:
        if is_archive and row.gate == "failed":
            backbone.ledger.set_gate({row.unit: None})
        new = step_after_quarantine(backbone, delivery.endpoint)
        return _re_enter(backbone, delivery, new, signature)
    if delivery.state is State.MISSING and not is_archive:
        return _re_enter(backbone, delivery, State.EXPECTED, signature)
    if delivery.state is State.SUSPECT and not is_archive:
        return _re_enter(backbone, delivery, State.ARRIVED, signature)
    if delivery.state in (State.MISSING, State.SUSPECT, State.LOST):
        return _read_now(backbone, row, delivery, signature)
    return ""


def _re_enter(backbone: Backbone, delivery: Delivery, new: State, signature: Signature) -> str:
    unit, endpoint = delivery.unit, delivery.endpoint
    backbone.ledger.advance([unit], endpoint, delivery.state, new, f"retried by {signature}")
    closed = _close(backbone, unit, endpoint, signature)
    return f"{delivery.state} → {new}{closed}"


def _read_now(backbone: Backbone, row: UnitRow, delivery: Delivery, signature: Signature) -> str:
    """Read a copy that no rule will bring again; believe it only if it is right."""
    try:
        verify_cargo(backbone, row, delivery.endpoint)
    except (MissingCopy, DigestMismatch) as error:
        return f"{delivery.state}, read now and still {error.code}: restore the copy first"
    reason = f"read back and right, asked by {signature}"
    state = delivery.state
    if state is not State.SUSPECT:
        backbone.ledger.advance([row.unit], delivery.endpoint, state, State.ARRIVED, reason)
        state = State.ARRIVED
    backbone.ledger.advance([row.unit], delivery.endpoint, state, State.VERIFIED, reason)
    closed = _close(backbone, row.unit, delivery.endpoint, signature)
    return f"{delivery.state} → verified, read back and right{closed}"


def _close(backbone: Backbone, unit: str, endpoint: str, signature: Signature) -> str:
    """Close the refusals of the whole unit there; those of files wait for their good copies."""
    refusals = [
        item.refusal_id
        for item in backbone.ledger.refusals(unit=unit)
        if item.endpoint == endpoint and not item.name and item.code != "incomplete-exposure"
    ]
    closed = backbone.ledger.decide(refusals, Decision.RELEASED, str(signature))
    return f", {closed} refusal closed" if closed else ""
