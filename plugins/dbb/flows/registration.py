"""Telling Rucio what the archive holds, and who else shall have it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbb.digests import digest_bytes
from dbb.errors import ConflictingDuplicate
from dbb.flows.backbone import Backbone
from dbb.flows.manifests import read_manifests
from dbb.flows.refusing import refuse_unit
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.ports import CatalogEntry, RuleState, RuleStatus, UnitRow

log = logging.getLogger(__name__)


def register_units(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Register the verified bundles of a chunk at the archive, and ask for copies elsewhere.

    Returns
    -------
    dict
        How many were newly ``registered``, and how many rules exist (``rules``).
    """
    archive = backbone.policy.archive
    deliveries = backbone.ledger.deliveries(units)
    rows = backbone.ledger.units(units)
    verified = [
        row
        for name, row in sorted(rows.items())
        if row.gate == "passed"
        and (name, archive) in deliveries
        and deliveries[name, archive].state is State.VERIFIED
    ]
    registered = _register(backbone, verified)
    done = {
        name: row
        for name, row in rows.items()
        if name in registered
        or (
            (name, archive) in deliveries
            and deliveries[name, archive].state in (State.REGISTERED, State.PUBLISHED)
        )
    }
    rules = sum(_ensure_rules(backbone, done, endpoint) for endpoint in backbone.policy.receivers)
    return {"registered": len(registered), "rules": rules}


def _register(backbone: Backbone, rows: Sequence[UnitRow]) -> set[str]:
    archive = backbone.policy.archive
    entries = {
        row.unit: CatalogEntry(manifest, digest_bytes(manifest.data))
        for row, manifest in read_manifests(backbone, rows, archive, State.VERIFIED)
    }
    rse = backbone.rses[archive]
    try:
        backbone.catalog.register(list(entries.values()), rse)
    except ConflictingDuplicate:
        entries = _register_singly(backbone, rows, entries, rse)
    return backbone.ledger.advance(
        list(entries), archive, State.VERIFIED, State.REGISTERED, "known to Rucio"
    )


def _register_singly(
    backbone: Backbone, rows: Sequence[UnitRow], entries: dict[str, CatalogEntry], rse: str
) -> dict[str, CatalogEntry]:
    """Find the unit that Rucio knows with other bytes; its neighbours go on."""
    good = {}
    for row in [row for row in rows if row.unit in entries]:
        try:
            backbone.catalog.register([entries[row.unit]], rse)
        except ConflictingDuplicate as error:
            refuse_unit(backbone, row.unit, row.day_obs, backbone.policy.archive, error)
            backbone.ledger.advance(
                [row.unit],
                backbone.policy.archive,
                State.VERIFIED,
                State.QUARANTINED,
                error.message,
            )
        else:
            good[row.unit] = entries[row.unit]
    return good


def _ensure_rules(backbone: Backbone, rows: dict[str, UnitRow], endpoint: str) -> int:
    known = backbone.ledger.deliveries(list(rows))
    new = [
        name
        for name in rows
        if (name, endpoint) not in known or known[name, endpoint].rule_id is None
    ]
    ask_for_copies(backbone, new, endpoint)
    return len(rows)


def ask_for_copies(backbone: Backbone, units: Sequence[str], endpoint: str) -> None:
    """Have a rule bring each unit to an endpoint, and remember which rule it is."""
    if not units:
        return
    datasets = {name: Did(backbone.policy.scope, Unit.parse(name).rucio_dataset) for name in units}
    rules = backbone.catalog.ensure_rules(
        list(datasets.values()), backbone.rses[endpoint], backbone.policy.activity
    )
    backbone.ledger.expect(units, endpoint, "a rule brings it from the archive")
    backbone.ledger.set_rules({name: rules[did] for name, did in datasets.items()}, endpoint)


def ask_rules(backbone: Backbone, units: Sequence[str], endpoint: str) -> dict[str, RuleStatus]:
    """Ask Rucio about the rules of the units that an endpoint still waits for."""
    waiting = {
        delivery.rule_id: delivery.unit
        for (_, place), delivery in backbone.ledger.deliveries(units).items()
        if place == endpoint
        and delivery.rule_id is not None
        and delivery.state in (State.EXPECTED, State.MISSING, State.SUSPECT)
    }
    found = backbone.catalog.rules(list(waiting))
    return {waiting[rule]: status for rule, status in found.items()}


def count_rules(found: dict[str, RuleStatus]) -> dict[str, int]:
    """Count rules by state."""
    states = [status.state for status in found.values()]
    return {str(state): states.count(state) for state in RuleState}
