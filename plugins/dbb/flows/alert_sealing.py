"""Making a parcel of each shard, from then on a unit like any other; and finding a packet again."""

from __future__ import annotations

import datetime as dt
import logging

from dbb.digests import digest_stream
from dbb.errors import Damaged, DigestMismatch, UnknownItem
from dbb.flows.alerts import Alerts
from dbb.flows.parcels import arrive
from dbb.model.alerts import Entry, Shard
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile

log = logging.getLogger(__name__)

ABANDONED = dt.timedelta(days=1)
"""After so long whoever began a shard and did not end it is taken to be dead."""


def seal_shards(alerts: Alerts) -> list[str]:
    """Put the new shards into parcels; name these. What killed runs left behind goes.

    Raises
    ------
    Damaged
        If a shard rotted before it travelled; the others are sealed. It counts no longer as archived, so
        that its alerts are missing from the night until they are taken from the alert database.
    """
    for shard in alerts.rows.abandoned(alerts.backbone.clock.now() - ABANDONED):
        names = (shard.packets, shard.index, shard.schemas)
        alerts.backbone.archive.delete([f"{Kind.FILE.scope}/{name}" for name in names])
        alerts.rows.drop(shard)
    sealed: list[str] = []
    last: Damaged | None = None
    for shard in alerts.rows.loose():
        try:
            _seal(alerts, shard)
        except Damaged as error:
            log.warning("action=alerts-seal unit=%s code=%s", shard.unit, error.code)
            alerts.rows.discard(shard)
            last = error
            continue
        alerts.rows.seal(shard)
        sealed.append(shard.unit)
    log.info("action=alerts-seal parcels=%d", len(sealed))
    if last is not None:
        raise last
    return sealed


def _seal(alerts: Alerts, shard: Shard) -> None:
    backbone = alerts.backbone
    known = backbone.ledger.deliveries([shard.unit]).get((shard.unit, backbone.policy.archive))
    if known is not None and known.verified_at is not None:
        return
    for name, digest in shard.files.items():
        stored = f"{Kind.FILE.scope}/{name}"
        with backbone.archive.open(stored, cold=True) as stream:
            found = digest_stream(stream)
        if not found.same_bytes(digest):
            url = backbone.archive.url_of(stored)
            raise DigestMismatch.for_copy(url, digest.sha256, found.sha256)
    parcel = _parcel(shard)
    backbone.ledger.seal_parcel(parcel)
    with backbone.archive.create(f"{Kind.FILE.scope}/{parcel.name.manifest_name}") as writer:
        writer.write(parcel.data)
    arrive(backbone, shard.unit)


def _parcel(shard: Shard) -> Parcel:
    labels = {"alerts": str(shard.alerts), "min_id": str(shard.min_id), "max_id": str(shard.max_id)}
    return Parcel(
        unit=shard.unit,
        kind=Kind.FILE,
        instrument="",
        program="",
        day_obs=shard.night.value,
        files=tuple(
            ParcelFile(SafeName.parse(name), digest, labels=labels)
            for name, digest in sorted(shard.files.items())
        ),
        dataset_types={},
        universe={},
        records={},
    )


def find_alert(alerts: Alerts, alert_id: int) -> tuple[Shard, Entry, bytes]:
    """Find a packet by its alert's number, and read it and nothing else.

    Raises
    ------
    UnknownItem
        If it is not archived.
    DigestMismatch
        If the archive's copy is damaged.
    """
    for shard in alerts.rows.of_id(alert_id):
        entry = alerts.shards.find(shard, alert_id)
        if entry is not None:
            return shard, entry, alerts.shards.packet(shard, entry)
    raise UnknownItem.for_name("alert", str(alert_id))
