"""Telling Rucio what the archive holds, and the ledger who else shall have it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from dbb.errors import ConflictingDuplicate
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, dataset_did, read_cargo
from dbb.flows.refusing import refuse_unit
from dbb.flows.wanting import traits_of
from dbb.model.delivery import Delivery, State
from dbb.model.policy import Policy, Traits
from dbb.ports.catalog import CatalogEntry, RuleWish
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

_DONE = (State.REGISTERED, State.PUBLISHED)


def register_units(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Register the verified units of a chunk at the archive; open what the policies want elsewhere.

    Rucio's subscriptions make the rules: they match the columns and labels that are written here.

    Returns
    -------
    dict
        How many were newly ``registered``, and how many copies elsewhere are ``wanted``.
    """
    archive = backbone.policy.archive
    deliveries = backbone.ledger.deliveries(units)
    rows = backbone.ledger.units(units)
    verified = {
        name: row
        for name, row in sorted(rows.items())
        if row.gate == "passed" and _state(deliveries, name, archive) is State.VERIFIED
    }
    done = {name: row for name, row in rows.items() if _state(deliveries, name, archive) in _DONE}
    traits = traits_of(backbone, [*verified.values(), *done.values()])
    # Opened first: once a unit is registered, an endpoint without a delivery does not want it.
    wanted = _open_deliveries(backbone, traits, deliveries)
    registered = _register(backbone, verified, traits)
    return {"registered": len(registered), "wanted": wanted}


def _state(deliveries: Mapping[tuple[str, str], Delivery], unit: str, place: str) -> State | None:
    delivery = deliveries.get((unit, place))
    return None if delivery is None else delivery.state


def _register(
    backbone: Backbone, rows: Mapping[str, UnitRow], traits: Mapping[str, Traits]
) -> set[str]:
    archive = backbone.policy.archive
    entries = {
        cargo.row.unit: entry_of(backbone, cargo, traits[cargo.row.unit])
        for cargo in read_cargo(backbone, rows.values(), archive, State.VERIFIED)
    }
    rse = backbone.rses[archive]
    try:
        backbone.catalog.register(list(entries.values()), rse)
    except ConflictingDuplicate:
        entries = _register_singly(backbone, rows, entries, rse)
    return backbone.ledger.advance(
        list(entries), archive, State.VERIFIED, State.REGISTERED, "known to Rucio"
    )


def entry_of(backbone: Backbone, cargo: Cargo, traits: Traits) -> CatalogEntry:
    """Say what Rucio shall know of a unit."""
    return CatalogEntry(
        dataset=dataset_did(cargo.row),
        files=cargo.files,
        kind=traits.kind,
        instrument=traits.instrument,
        program=traits.program,
        labels=backbone.policies.labels(traits),
    )


def _register_singly(
    backbone: Backbone, rows: Mapping[str, UnitRow], entries: dict[str, CatalogEntry], rse: str
) -> dict[str, CatalogEntry]:
    """Find the unit that Rucio knows with other bytes; its neighbours go on."""
    archive = backbone.policy.archive
    good = {}
    for unit, entry in entries.items():
        try:
            backbone.catalog.register([entry], rse)
        except ConflictingDuplicate as error:
            refuse_unit(backbone, unit, rows[unit].day_obs, archive, error)
            backbone.ledger.advance(
                [unit], archive, State.VERIFIED, State.QUARANTINED, error.message
            )
        else:
            good[unit] = entry
    return good


def _open_deliveries(
    backbone: Backbone,
    traits: Mapping[str, Traits],
    known: Mapping[tuple[str, str], Delivery],
) -> int:
    new: dict[Policy, list[str]] = {}
    wanted = 0
    for unit, asked in traits.items():
        for policy in backbone.policies.wanted(asked):
            wanted += 1
            if (unit, policy.receiver) not in known:
                new.setdefault(policy, []).append(unit)
    for policy, units in new.items():
        backbone.ledger.expect(units, policy.receiver, f"wanted by policy {policy.name}")
    return wanted


def ask_for_copies(backbone: Backbone, units: Sequence[str], endpoint: str) -> int:
    """Have a rule of our own bring units to an endpoint, and remember which rule it is.

    Rucio's subscriptions look at a dataset once, when it is new. This is for what they did not do:
    a policy that came later, a rule that somebody deleted.

    Returns
    -------
    int
        How many copies were asked for: units that no policy wants there are left out.
    """
    rows = backbone.ledger.units(units)
    by_policy: dict[Policy, list[str]] = {}
    for unit, traits in traits_of(backbone, rows.values()).items():
        for policy in backbone.policies.wanted(traits):
            if policy.receiver == endpoint:
                by_policy.setdefault(policy, []).append(unit)
    asked = 0
    for policy, names in by_policy.items():
        datasets = {unit: dataset_did(rows[unit]) for unit in names}
        rules = backbone.catalog.ensure_rules(list(datasets.values()), wish_of(backbone, policy))
        backbone.ledger.expect(names, endpoint, f"wanted by policy {policy.name}")
        backbone.ledger.set_rules({unit: rules[did] for unit, did in datasets.items()}, endpoint)
        asked += len(names)
    return asked


def wish_of(backbone: Backbone, policy: Policy) -> RuleWish:
    """Say which rule a policy means; copies come from its first source only.

    The rule has no end of its own: Rucio would delete files that Butler still serves. Expiry ends it, after
    the datasets are out of the registry.
    """
    return RuleWish(
        rse=backbone.rses[policy.receiver],
        activity=policy.activity,
        source_rse=backbone.rses[policy.sources[0]],
    )
