"""Publishing at an endpoint: re-read what came, ingest it, and say so last."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbb.errors import DbbError, DigestMismatch, IngestRefused, MissingCopy, RuleStuck
from dbb.flows.backbone import Backbone
from dbb.flows.manifests import read_manifest, read_manifests, verify_bundle
from dbb.flows.refusing import refuse_unit
from dbb.flows.registration import ask_for_copies, ask_rules
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.model.quarantine import Decision
from dbb.ports import LandedBundle, RuleState, UnitRow

log = logging.getLogger(__name__)

STUCK_PATIENCE_S = 3600
"""How long Rucio may try to mend a stuck rule by itself before a person is told."""


def publish_units(backbone: Backbone, units: Sequence[str], endpoint: str) -> dict[str, int]:
    """Publish the units of a chunk that have come to an endpoint.

    Returns
    -------
    dict
        How many were newly ``published``, are ``waiting`` for their copy, and were ``refused``
        because the copy or the repository said no.
    """
    if endpoint != backbone.policy.archive:
        _note_copies(backbone, units, endpoint)
        _verify_copies(backbone, units, endpoint)
    ready = _in_state(backbone, units, endpoint, State.REGISTERED)
    published = _ingest(backbone, ready, endpoint)
    states = [
        delivery.state
        for (_, place), delivery in backbone.ledger.deliveries(units).items()
        if place == endpoint
    ]
    return {
        "published": len(published),
        "waiting": states.count(State.EXPECTED),
        "refused": sum(states.count(state) for state in _BAD),
    }


_BAD = (State.QUARANTINED, State.SUSPECT, State.MISSING)


def _in_state(
    backbone: Backbone, units: Sequence[str], endpoint: str, state: State
) -> list[UnitRow]:
    names = [
        unit
        for (unit, place), delivery in backbone.ledger.deliveries(units).items()
        if place == endpoint and delivery.state is state
    ]
    return [row for _, row in sorted(backbone.ledger.units(names).items())]


def _note_copies(backbone: Backbone, units: Sequence[str], endpoint: str) -> None:
    """Move the units whose rule is satisfied to ``arrived``; see to the rules that are not."""
    found = ask_rules(backbone, units, endpoint)
    here = [unit for unit, status in found.items() if status.state is RuleState.OK]
    for state in (State.EXPECTED, State.MISSING, State.SUSPECT):
        backbone.ledger.advance(here, endpoint, state, State.ARRIVED, "Rucio's rule is satisfied")
    gone = [unit for unit, status in found.items() if status.state is RuleState.GONE]
    ask_for_copies(backbone, gone, endpoint)
    _tell_of_stuck_rules(
        backbone, endpoint, {u: s.reason for u, s in found.items() if s.state is RuleState.STUCK}
    )


def _tell_of_stuck_rules(backbone: Backbone, endpoint: str, reasons: dict[str, str]) -> None:
    """Put rules on the record that Rucio has tried to mend for too long."""
    deliveries = backbone.ledger.deliveries(sorted(reasons))
    rows = backbone.ledger.units(sorted(reasons))
    for unit, reason in reasons.items():
        delivery = deliveries[unit, endpoint]
        if (backbone.clock.now() - delivery.since_at).total_seconds() >= STUCK_PATIENCE_S:
            error = RuleStuck.for_rule(delivery.rule_id or "", reason)
            refuse_unit(backbone, unit, rows[unit].day_obs, endpoint, error)


def _verify_copies(backbone: Backbone, units: Sequence[str], endpoint: str) -> None:
    """Re-read every copy that arrived; the good ones are known to Rucio already."""
    good = []
    for row in _in_state(backbone, units, endpoint, State.ARRIVED):
        try:
            verify_bundle(backbone, read_manifest(backbone, row, endpoint, cold=True), endpoint)
        except MissingCopy as error:
            _give_back(backbone, row, endpoint, State.MISSING, error)
        except DigestMismatch as error:
            _give_back(backbone, row, endpoint, State.SUSPECT, error)
        else:
            good.append(row.unit)
    backbone.ledger.advance(
        good, endpoint, State.ARRIVED, State.VERIFIED, "read back at the endpoint"
    )
    verified = [row.unit for row in _in_state(backbone, units, endpoint, State.VERIFIED)]
    backbone.ledger.advance(
        verified, endpoint, State.VERIFIED, State.REGISTERED, "replica known to Rucio by its rule"
    )
    _close_refusals(backbone, good, endpoint)


def _give_back(
    backbone: Backbone, row: UnitRow, endpoint: str, state: State, error: DbbError
) -> None:
    """Have Rucio fetch a bad copy anew; the next run reads it again."""
    refuse_unit(backbone, row.unit, row.day_obs, endpoint, error)
    unit = Unit.parse(row.unit)
    scope = backbone.policy.scope
    dids = [Did(scope, unit.bundle_name), Did(scope, unit.manifest_name)]
    bad = [did for did in dids if error.where.endswith(did.name)] or dids
    backbone.catalog.declare_bad(bad, backbone.rses[endpoint], error.code)
    backbone.ledger.advance([row.unit], endpoint, State.ARRIVED, state, error.message)


def _close_refusals(backbone: Backbone, units: Sequence[str], endpoint: str) -> None:
    for unit in units:
        held = [
            item.refusal_id
            for item in backbone.ledger.refusals(unit=unit)
            if item.endpoint == endpoint and not item.name
        ]
        backbone.ledger.decide(held, Decision.SUPERSEDED, f"good copy at {endpoint}")


def _ingest(backbone: Backbone, rows: Sequence[UnitRow], endpoint: str) -> set[str]:
    store = backbone.store(endpoint)
    bundles = [
        LandedBundle(manifest, store.url_of(backbone.stored_name(manifest.unit.bundle_name)))
        for _, manifest in read_manifests(backbone, rows, endpoint, State.REGISTERED)
    ]
    refused = backbone.repository(endpoint).ingest(bundles) if bundles else {}
    for row in rows:
        if row.unit in refused:
            error = refused[row.unit]
            known = (
                error if isinstance(error, DbbError) else IngestRefused.for_bundle(row.unit, error)
            )
            refuse_unit(backbone, row.unit, row.day_obs, endpoint, known)
    backbone.ledger.advance(
        sorted(refused),
        endpoint,
        State.REGISTERED,
        State.QUARANTINED,
        "the Butler repository refuses it",
    )
    served = [str(each.manifest.unit) for each in bundles if str(each.manifest.unit) not in refused]
    published = backbone.ledger.advance(
        served, endpoint, State.REGISTERED, State.PUBLISHED, "Butler serves every dataset"
    )
    log.info(
        "action=publish endpoint=%s published=%d refused=%d", endpoint, len(published), len(refused)
    )
    return published
