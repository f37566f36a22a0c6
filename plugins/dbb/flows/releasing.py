"""Releasing the source's copies, and only those that enough verified copies stand for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbb.flows.arrivals import settle_duplicate
from dbb.flows.backbone import Backbone
from dbb.flows.manifests import read_manifests
from dbb.model.delivery import State
from dbb.model.manifest import Manifest
from dbb.ports import UnitRow

log = logging.getLogger(__name__)


def find_releasable(backbone: Backbone, units: Sequence[str]) -> list[UnitRow]:
    """List the units whose source copy may go: published, hence re-read, at enough endpoints."""
    deliveries = backbone.ledger.deliveries(units)
    releasable = []
    for name, row in sorted(backbone.ledger.units(units).items()):
        at_source = deliveries.get((name, backbone.policy.source))
        copies = [
            endpoint
            for endpoint in backbone.policy.publishers
            if (name, endpoint) in deliveries
            and deliveries[name, endpoint].state is State.PUBLISHED
        ]
        if (
            at_source is not None
            and at_source.state is State.VERIFIED
            and len(copies) >= backbone.policy.copies_before_release
        ):
            releasable.append(row)
    return releasable


def release_units(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Delete the source's files of units that are safe elsewhere.

    A file that changed after it was bundled is read again first: other bytes go to quarantine.

    Returns
    -------
    dict
        How many were ``released``, and how many must be ``kept`` for now.
    """
    rows = find_releasable(backbone, units)
    archive = backbone.policy.archive
    known = dict(read_manifests(backbone, rows, archive, State.PUBLISHED))
    for row, manifest in known.items():
        _delete_sources(backbone, row, manifest)
    done = backbone.ledger.advance(
        [row.unit for row in known],
        backbone.policy.source,
        State.VERIFIED,
        State.RELEASED,
        f"{backbone.policy.copies_before_release} published copies elsewhere",
    )
    log.info("action=release released=%d", len(done))
    return {"released": len(done), "kept": len(units) - len(done)}


def _delete_sources(backbone: Backbone, row: UnitRow, manifest: Manifest) -> None:
    unit = manifest.unit
    known = {f"{unit.folder}/{entry.name}": entry.digest for entry in manifest.entries}
    unchanged = []
    for file in list(backbone.source.list_files(f"{unit.folder}/")):
        if file.name not in known:
            continue
        if file.modified_at <= row.changed_at and file.size_bytes == known[file.name].size_bytes:
            unchanged.append(file.name)
        else:
            settle_duplicate(backbone, row, file, known[file.name])
    backbone.source.delete(unchanged)
