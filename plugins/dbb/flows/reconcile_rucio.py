"""Rucio against the ledger and the policies: rules, replicas and Rucio datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbb.errors import Damaged
from dbb.flows.cargo import dataset_did
from dbb.flows.reconcile_night import Night
from dbb.flows.reconcile_store import NAMES_SHOWN, Listing, lacking_files
from dbb.flows.reconcile_views import (
    AWAITED,
    HAS_FILES,
    REAPED,
    UNTOLD,
    Scan,
)
from dbb.flows.wanting import traits_of
from dbb.model.delivery import Delivery, State
from dbb.model.finding import Discrepancy
from dbb.model.names import Did
from dbb.ports.catalog import Lock, RuleState
from dbb.ports.ledger import UnitRow


@dataclass(frozen=True)
class RucioLook:
    """Hold what Rucio knows of a night.

    Parameters
    ----------
    datasets
        Every Rucio dataset of the night's folders.
    locks
        By unit, RSE to lock.
    replicas
        By unit, the files that each RSE has.
    files
        By unit, its files.
    """

    datasets: frozenset[Did]
    locks: Mapping[str, Mapping[str, Lock]]
    replicas: Mapping[Did, frozenset[str]]
    files: Mapping[str, tuple[Did, ...]]


def ask_rucio(night: Night, endpoints: Sequence[str]) -> RucioLook:
    """Ask for everything about the sealed units of a night, in bulk."""
    rucio, backbone = night.sources.rucio, night.backbone
    rses = sorted(rse for name in endpoints if (rse := backbone.rses[name]))
    files = {unit: tuple(night.files(row) or ()) for unit, row in night.sealed.items()}
    locks = backbone.catalog.locks([dataset_did(row) for row in night.sealed.values()])
    wanted = [did for dids in files.values() for did in dids]
    datasets: set[Did] = set()
    if backbone.policy.archive in endpoints:
        for scope, folder in night.rucio_folders:
            datasets.update(rucio.datasets_below(scope, folder))
    return RucioLook(
        datasets=frozenset(datasets),
        locks={unit: locks.get(dataset_did(row), {}) for unit, row in night.sealed.items()},
        replicas=rucio.replicas_at(rses, wanted) if wanted and rses else {},
        files=files,
    )


def judge_archive(night: Night, endpoint: str, look: RucioLook, scan: Scan) -> None:
    """Compare what Rucio has at the archive: a Rucio dataset and its replicas for every unit."""
    for unit, row in night.sealed.items():
        if unit not in look.files or not night.is_decided(unit):
            scan.unsettled.add(unit)
        elif dataset_did(row) not in look.datasets:
            scan.see(unit, Discrepancy.DATASET_UNKNOWN, dataset=str(dataset_did(row)))
        else:
            _judge_replicas(night, unit, endpoint, look, scan)
    named = {dataset_did(row) for row in night.known.values()}
    for did in sorted(look.datasets - named):
        scan.see(str(did), Discrepancy.DATASET_DARK)


def judge_receiver(
    night: Night, endpoint: str, look: RucioLook, listing: Listing | None, scan: Scan
) -> None:
    """Compare rules and replicas at a receiver with its deliveries, and these with the policies."""
    undelivered = []
    for unit, row in night.sealed.items():
        delivery = night.delivery(unit, endpoint)
        is_settled = night.is_quiet(unit, endpoint) and night.is_decided(unit)
        if unit not in look.files or not is_settled:
            scan.unsettled.add(unit)
        elif delivery is None:
            undelivered.append(row)
        elif delivery.state is State.RELEASED:
            if night.has_rested(delivery, REAPED):
                _judge_unwanted(night, unit, endpoint, look, scan)
            else:
                scan.unsettled.add(unit)
        elif delivery.state in (*HAS_FILES, *AWAITED):
            _judge_wanted(night, row, delivery, look, listing, scan)
    wanted = _wanted_by(night, undelivered, endpoint)
    for row in undelivered:
        if row.unit in wanted:
            scan.see(row.unit, Discrepancy.DELIVERY_LACKING, policy=wanted[row.unit])
        else:
            _judge_unwanted(night, row.unit, endpoint, look, scan)


def _judge_wanted(
    night: Night,
    row: UnitRow,
    delivery: Delivery,
    look: RucioLook,
    listing: Listing | None,
    scan: Scan,
) -> None:
    unit, endpoint = delivery.unit, delivery.endpoint
    lock = look.locks[unit].get(night.backbone.rses[endpoint])
    if not night.has_rested(delivery) and delivery.state is not State.PUBLISHED:
        scan.unsettled.add(unit)
    elif lock is None:
        scan.see(unit, Discrepancy.RULE_LACKING, ledger=str(delivery.state))
    elif night.should_have(delivery):
        _judge_replicas(night, unit, endpoint, look, scan)
    elif delivery.state in AWAITED and lock.state is RuleState.OK:
        _judge_untold(night, row, delivery, lock, listing, scan)


def _judge_untold(
    night: Night,
    row: UnitRow,
    delivery: Delivery,
    lock: Lock,
    listing: Listing | None,
    scan: Scan,
) -> None:
    """Find a copy that is whole, and has been for so long that its sweep must have missed it."""
    if listing is None or not night.has_rested(delivery, UNTOLD):
        scan.unsettled.add(row.unit)
        return
    gone, other = lacking_files(night, row, listing)
    if gone or other:
        return
    present = [listing[name] for name in night.names_of(row)]
    if all(night.is_old(file.modified_at, UNTOLD) for file in present):
        state = str(delivery.state)
        scan.see(row.unit, Discrepancy.COPY_UNTOLD, ledger=state, rule=lock.rule_id)
    else:
        scan.unsettled.add(row.unit)


def _judge_replicas(night: Night, unit: str, endpoint: str, look: RucioLook, scan: Scan) -> None:
    rse = night.backbone.rses[endpoint]
    lacking = [str(did) for did in look.files[unit] if rse not in look.replicas.get(did, ())]
    if lacking:
        scan.see(
            unit,
            Discrepancy.REPLICA_LACKING,
            rse=rse,
            files=lacking[:NAMES_SHOWN],
            number=len(lacking),
        )


def _judge_unwanted(night: Night, unit: str, endpoint: str, look: RucioLook, scan: Scan) -> None:
    rse = night.backbone.rses[endpoint]
    lock = look.locks[unit].get(rse)
    present = [str(did) for did in look.files[unit] if rse in look.replicas.get(did, ())]
    if lock is not None:
        scan.see(unit, Discrepancy.RULE_UNWANTED, rse=rse, rule=lock.rule_id)
    elif present:
        scan.see(unit, Discrepancy.REPLICA_UNWANTED, rse=rse, files=present[:NAMES_SHOWN])


def _wanted_by(night: Night, rows: Sequence[UnitRow], endpoint: str) -> dict[str, str]:
    """Name the policy that wants each unit at an endpoint, for those that one wants."""
    kinds = {policy.what.kind for policy in night.backbone.policies if policy.receiver == endpoint}
    asked = [row for row in rows if row.kind in kinds]
    found = {}
    for chunk in [asked] if all(row.bundle for row in asked) else [[row] for row in asked]:
        try:
            traits = traits_of(night.backbone, chunk)
        except Damaged:
            continue  # the archive's manifest is gone: the store's finding tells
        for unit, each in traits.items():
            for policy in night.backbone.policies.wanted(each):
                if policy.receiver == endpoint:
                    found[unit] = policy.name
    return found
