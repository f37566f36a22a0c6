"""Publishing at an endpoint: re-read what came, ingest it, and say so last."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbb.errors import DbbError, DigestMismatch, IngestRefused, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, declare_copy_bad, read_cargo, stored_name, verify_cargo
from dbb.flows.copies import ask_locks, hurry_followers
from dbb.flows.observing import observe_cargoes
from dbb.flows.refusing import close_refusals, refuse_unit
from dbb.model.delivery import State
from dbb.model.manifest import Manifest
from dbb.ports.catalog import RuleState
from dbb.ports.ledger import UnitRow
from dbb.ports.repository import LandedBundle, LandedParcel

log = logging.getLogger(__name__)


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
    published = _ingest(backbone, _in_state(backbone, units, endpoint, State.REGISTERED), endpoint)
    hurry_followers(backbone, sorted(published), endpoint)
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
_AWAITED = (State.EXPECTED, State.MISSING, State.SUSPECT)


def _in_state(
    backbone: Backbone, units: Sequence[str], endpoint: str, *states: State
) -> list[UnitRow]:
    names = [
        unit
        for (unit, place), delivery in backbone.ledger.deliveries(units).items()
        if place == endpoint and delivery.state in states
    ]
    return [row for _, row in sorted(backbone.ledger.units(names).items())]


def _note_copies(backbone: Backbone, units: Sequence[str], endpoint: str) -> None:
    """Move the units whose rule is satisfied to ``arrived``."""
    locks = ask_locks(backbone, _in_state(backbone, units, endpoint, *_AWAITED), endpoint)
    here = [unit for unit, lock in locks.items() if lock.state is RuleState.OK]
    for state in _AWAITED:
        backbone.ledger.advance(here, endpoint, state, State.ARRIVED, "Rucio's rule is satisfied")


def _verify_copies(backbone: Backbone, units: Sequence[str], endpoint: str) -> None:
    """Re-read every copy that arrived; the good ones are known to Rucio already."""
    good = []
    for row in _in_state(backbone, units, endpoint, State.ARRIVED):
        try:
            verify_cargo(backbone, row, endpoint)
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
    close_refusals(backbone, good, endpoint)


def _give_back(
    backbone: Backbone, row: UnitRow, endpoint: str, state: State, error: DbbError
) -> None:
    """Have Rucio fetch a bad copy anew; the next run reads it again."""
    refuse_unit(backbone, row.unit, row.day_obs, endpoint, error)
    declare_copy_bad(backbone, row, endpoint, error)
    backbone.ledger.advance([row.unit], endpoint, State.ARRIVED, state, error.message)


def _ingest(backbone: Backbone, rows: Sequence[UnitRow], endpoint: str) -> set[str]:
    cargoes = list(read_cargo(backbone, rows, endpoint, State.REGISTERED))
    refused = ingest_cargoes(backbone, cargoes, endpoint)
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
    good = [cargo for cargo in cargoes if cargo.row.unit not in refused]
    if endpoint == backbone.policy.archive:
        observe_cargoes(backbone, good)
    served = [cargo.row.unit for cargo in good]
    published = backbone.ledger.advance(
        served, endpoint, State.REGISTERED, State.PUBLISHED, "every dataset is served"
    )
    log.info(
        "action=publish endpoint=%s published=%d refused=%d", endpoint, len(published), len(refused)
    )
    return published


def ingest_cargoes(
    backbone: Backbone, cargoes: Sequence[Cargo], endpoint: str
) -> dict[str, Exception]:
    """Have Butler serve units from their files; give the error of each that it refuses, by unit."""
    refused = _ingest_bundles(backbone, cargoes, endpoint)
    return refused | _ingest_parcels(backbone, cargoes, endpoint)


def _ingest_bundles(
    backbone: Backbone, cargoes: Sequence[Cargo], endpoint: str
) -> dict[str, Exception]:
    store = backbone.store(endpoint)
    bundles = [
        LandedBundle(cargo.document, store.url_of(stored_name(cargo.contents[0].did)))
        for cargo in cargoes
        if isinstance(cargo.document, Manifest)
    ]
    return backbone.repository(endpoint).ingest(bundles) if bundles else {}


def _ingest_parcels(
    backbone: Backbone, cargoes: Sequence[Cargo], endpoint: str
) -> dict[str, Exception]:
    """Ingest the parcels that Butler serves; permanent files are published by being there."""
    store = backbone.store(endpoint)
    out_of_force = backbone.calibrations.withdrawn([cargo.row.unit for cargo in cargoes])
    parcels = [
        LandedParcel(
            cargo.document,
            {file.did.name: store.url_of(stored_name(file.did)) for file in cargo.contents},
            certify=cargo.row.unit not in out_of_force,
        )
        for cargo in cargoes
        if not isinstance(cargo.document, Manifest)
        and any(file.refs for file in cargo.document.files)
    ]
    return backbone.repository(endpoint).ingest_parcels(parcels) if parcels else {}
