"""Releasing the source's copies, and only those that enough verified copies stand for.

The archive's copy must have been read a second time, from the disk, since it was published: the bundle is
made there, and what its writing left behind may look well until somebody reads it later.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from dbb.flows.arrivals import settle_duplicate
from dbb.flows.backbone import Backbone
from dbb.flows.manifests import read_manifests
from dbb.flows.verifying import verify_units
from dbb.model.delivery import State
from dbb.model.manifest import Manifest
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)


def find_published(backbone: Backbone, units: Sequence[str]) -> list[UnitRow]:
    """List the units that the source still holds, and enough endpoints publish, hence have read back."""
    deliveries = backbone.ledger.deliveries(units)
    published = []
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
            published.append(row)
    return published


def find_releasable(backbone: Backbone, units: Sequence[str]) -> list[UnitRow]:
    """List the units whose source copy may go: published at enough endpoints, and read again at the archive."""
    policy = backbone.policy
    after = dt.timedelta(seconds=policy.second_reading_after_s)
    rows = find_published(backbone, units)
    deliveries = backbone.ledger.deliveries([row.unit for row in rows])
    copies = {row.unit: deliveries.get((row.unit, policy.archive)) for row in rows}
    return [
        row
        for row in rows
        if (copy := copies[row.unit]) is not None
        and copy.state is State.PUBLISHED
        and copy.was_read_again(after)
    ]


def read_again(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Read the archive's copies a second time, where the source waits for it; bad ones lose their state.

    Returns
    -------
    dict
        How many were ``read`` and are right, and how many are ``damaged``.
    """
    policy = backbone.policy
    after = dt.timedelta(seconds=policy.second_reading_after_s)
    now = backbone.clock.now()
    deliveries = backbone.ledger.deliveries(units)
    waiting = []
    for name, row in sorted(backbone.ledger.units(units).items()):
        held, copy = (deliveries.get((name, place)) for place in (policy.source, policy.archive))
        if (
            held is not None
            and held.state is State.VERIFIED
            and copy is not None
            and copy.state is State.PUBLISHED
            and not copy.was_read_again(after)
            and copy.since_at + after <= now
        ):
            waiting.append(row)
    counts = {"read": 0, "damaged": 0}
    for reading in verify_units(backbone, waiting, [policy.archive], record=True):
        if reading.error is None:
            backbone.ledger.note_read([reading.unit], policy.archive)
            counts["read"] += 1
        else:
            counts["damaged"] += 1
    log.info("action=read-again read=%d damaged=%d", counts["read"], counts["damaged"])
    return counts


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
