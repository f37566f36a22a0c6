"""Where a unit is: the ledger's copies, Rucio's replicas and the source's listing at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbb.errors import DigestMismatch, MissingCopy, Transient
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, dataset_did, manifest_did, read_document
from dbb.model.delivery import Delivery
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.names import Did
from dbb.ports.catalog import Lock, RuleState
from dbb.ports.ledger import UnitRow
from dbb.ports.store import StoredFile

SCHEMA = "dbb-where/1"


@dataclass(frozen=True)
class Copy:
    """Hold one place: what the ledger, the rule and Rucio's replicas say of it."""

    unit: str
    endpoint: str
    rse: str
    state: str
    since_at: dt.datetime | None
    verified_at: dt.datetime | None
    rule: RuleState | None
    waits_for: str
    stuck_at: dt.datetime | None
    replicas: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the copy as it stands in a document."""
        return {
            "unit": self.unit,
            "endpoint": self.endpoint,
            "rse": self.rse,
            "state": self.state,
            "since_at": self.since_at and self.since_at.isoformat(timespec="milliseconds"),
            "verified_at": self.verified_at and self.verified_at.isoformat(timespec="milliseconds"),
            "rule": None if self.rule is None else str(self.rule),
            "waits_for": self.waits_for,
            "stuck_at": self.stuck_at and self.stuck_at.isoformat(timespec="milliseconds"),
            "replicas": list(self.replicas),
        }


@dataclass(frozen=True)
class Whereabouts:
    """Hold all that is known of where units are.

    Parameters
    ----------
    copies
        One for each unit and endpoint.
    source_files
        What lies in the exposure's folder at the source now.
    silent
        The services that did not answer, with their words: what they know is left out.
    """

    copies: tuple[Copy, ...]
    source_files: tuple[StoredFile, ...]
    silent: tuple[Transient, ...]

    def to_json(self) -> dict[str, Any]:
        """Give everything as a document of schema ``dbb-where/1``."""
        return {
            "schema": SCHEMA,
            "copies": [copy.to_json() for copy in self.copies],
            "source_files": [
                {
                    "name": file.name,
                    "bytes": file.size_bytes,
                    "modified_at": file.modified_at.isoformat(timespec="milliseconds"),
                }
                for file in self.source_files
            ],
            "silent": [str(error) for error in self.silent],
        }


def find_copies(backbone: Backbone, unit: Unit | None, rows: Sequence[UnitRow]) -> Whereabouts:
    """Look in all places; a service that does not answer costs only its own column.

    Parameters
    ----------
    backbone
        The ports.
    unit
        Names the exposure's folder at the source; None for a parcel.
    rows
        Its units in the ledger; none where the ledger does not know the exposure yet.
    """
    silent: list[Transient] = []
    deliveries = backbone.ledger.deliveries([row.unit for row in rows])
    files = {row.unit: _files(backbone, row) for row in rows if row.manifest_sha256}
    replicas: dict[Did, dict[str, str]] = {}
    locks: dict[Did, dict[str, Lock]] = {}
    try:
        replicas = backbone.catalog.replicas([did for dids in files.values() for did in dids])
        locks = backbone.catalog.locks([dataset_did(row) for row in rows if row.unit in files])
    except Transient as error:
        silent.append(error)
    at_source: tuple[StoredFile, ...] = ()
    try:
        if unit is not None:
            at_source = tuple(backbone.source.list_files(f"{unit.folder}/"))
    except Transient as error:
        silent.append(error)
    seen = _Seen(locks, replicas)
    copies = [
        _copy(backbone, row, endpoint, deliveries.get((row.unit, endpoint)), files, seen)
        for row in rows
        for endpoint in _places(backbone, row, deliveries)
    ]
    return Whereabouts(tuple(copies), at_source, tuple(silent))


@dataclass(frozen=True)
class _Seen:
    """Hold what Rucio says."""

    locks: dict[Did, dict[str, Lock]]
    replicas: dict[Did, dict[str, str]]


def _places(
    backbone: Backbone, row: UnitRow, deliveries: dict[tuple[str, str], Delivery]
) -> list[str]:
    """List the endpoints that have, had or shall have a unit; the source and archive first."""
    policy = backbone.policy
    first = (policy.source, policy.archive) if row.kind == Kind.RAW else (policy.archive,)
    others = sorted({place for unit, place in deliveries if unit == row.unit} - set(first))
    return [*first, *others]


def _files(backbone: Backbone, row: UnitRow) -> list[Did]:
    """Name a unit's files; of a parcel whose manifest cannot be read, the manifest only."""
    if row.kind == Kind.RAW:
        return [Did(Kind.RAW.scope, Unit.parse(row.unit).bundle_name), manifest_did(row)]
    try:
        document = read_document(backbone, row, backbone.policy.archive)
    except (Transient, MissingCopy, DigestMismatch):
        return [manifest_did(row)]
    return [file.did for file in Cargo(row, document).files]


def _copy(
    backbone: Backbone,
    row: UnitRow,
    endpoint: str,
    delivery: Delivery | None,
    files: dict[str, list[Did]],
    seen: _Seen,
) -> Copy:
    rse = backbone.rses.get(endpoint, "")
    physical = [
        seen.replicas[did][rse]
        for did in files.get(row.unit, ())
        if rse and rse in seen.replicas.get(did, {})
    ]
    lock = seen.locks.get(dataset_did(row), {}).get(rse) if row.unit in files else None
    return Copy(
        unit=row.unit,
        endpoint=endpoint,
        rse=rse,
        state="" if delivery is None else str(delivery.state),
        since_at=None if delivery is None else delivery.since_at,
        verified_at=None if delivery is None else delivery.verified_at,
        rule=None if lock is None else lock.state,
        waits_for="" if delivery is None else delivery.waits_for,
        stuck_at=None if delivery is None else delivery.stuck_at,
        replicas=tuple(physical),
    )
