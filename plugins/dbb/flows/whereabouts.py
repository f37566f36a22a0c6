"""Where an exposure is: the ledger's copies, Rucio's replicas and the source's listing at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbb.errors import Transient
from dbb.flows.backbone import Backbone
from dbb.model.delivery import Delivery
from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.ports import RuleStatus, StoredFile, UnitRow

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
    rule: RuleStatus | None
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
            "rule": None if self.rule is None else str(self.rule.state),
            "rule_reason": "" if self.rule is None else self.rule.reason,
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


def find_copies(backbone: Backbone, unit: Unit, rows: Sequence[UnitRow]) -> Whereabouts:
    """Look in all places; a service that does not answer costs only its own column.

    Parameters
    ----------
    backbone
        The ports.
    unit
        Names the exposure's folder at the source.
    rows
        Its units in the ledger; none where the ledger does not know the exposure yet.
    """
    silent: list[Transient] = []
    deliveries = backbone.ledger.deliveries([row.unit for row in rows])
    replicas: dict[Did, dict[str, str]] = {}
    rules: dict[str, RuleStatus] = {}
    try:
        replicas = backbone.catalog.replicas(
            [did for row in rows if row.manifest_sha256 for did in _dids(backbone, row)]
        )
        rule_ids = [item.rule_id for item in deliveries.values() if item.rule_id is not None]
        rules = backbone.catalog.rules(rule_ids)
    except Transient as error:
        silent.append(error)
    files: tuple[StoredFile, ...] = ()
    try:
        files = tuple(backbone.source.list_files(f"{unit.folder}/"))
    except Transient as error:
        silent.append(error)
    copies = [
        _copy(backbone, row, endpoint, deliveries.get((row.unit, endpoint)), rules, replicas)
        for row in rows
        for endpoint in (backbone.policy.source, *backbone.policy.publishers)
    ]
    return Whereabouts(tuple(copies), files, tuple(silent))


def _dids(backbone: Backbone, row: UnitRow) -> list[Did]:
    unit, scope = Unit.parse(row.unit), backbone.policy.scope
    return [Did(scope, unit.bundle_name), Did(scope, unit.manifest_name)]


def _copy(
    backbone: Backbone,
    row: UnitRow,
    endpoint: str,
    delivery: Delivery | None,
    rules: dict[str, RuleStatus],
    replicas: dict[Did, dict[str, str]],
) -> Copy:
    rse = backbone.rses.get(endpoint, "")
    physical = [
        replicas[did][rse] for did in _dids(backbone, row) if rse and rse in replicas.get(did, {})
    ]
    return Copy(
        unit=row.unit,
        endpoint=endpoint,
        rse=rse,
        state="" if delivery is None else str(delivery.state),
        since_at=None if delivery is None else delivery.since_at,
        verified_at=None if delivery is None else delivery.verified_at,
        rule=None if delivery is None else rules.get(delivery.rule_id or ""),
        replicas=tuple(physical),
    )
