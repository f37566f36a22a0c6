"""Taking alert packets into shards: each byte as it came, each alert once, no message passed over.

Packets are appended to a shard of their night until that is full or the stream has no more; then all shards
that are being written end together, and one transaction of the ledger records them and how far the stream
is taken. A run that is killed before it leaves nothing that counts: the next one takes the same messages again. The
stream's own memory of consumers is not used.
"""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from dbb.errors import (
    AlertSchemaUnknown,
    AlertStreamExpired,
    AlertUnreadable,
    ConflictingDuplicate,
    DbbError,
)
from dbb.flows.alert_doubts import Doubts
from dbb.flows.alerts import Alerts, ShardWriter, Step
from dbb.flows.refusing import QUARANTINE_FOLDER
from dbb.model.alerts import AGAIN, SHARD_BYTES, Account, Message, Packet, Shard, unit_of
from dbb.model.day_obs import DayObs
from dbb.model.quarantine import Refusal

log = logging.getLogger(__name__)


def take_stream(
    alerts: Alerts, *, shard_bytes: int = SHARD_BYTES, is_patient: bool = True
) -> dict[str, int]:
    """Archive what the stream has at this moment and was not taken yet.

    Parameters
    ----------
    alerts
        The ports.
    shard_bytes
        About how large a shard becomes.
    is_patient
        Whether many packets of a schema that nobody knows are taken for a fault of the registry.

    Returns
    -------
    dict
        How many messages were ``archived``, ``duplicates``, ``conflicts``, ``refused`` or ``empty``.

    Raises
    ------
    AlertStreamExpired
        If messages left the stream before they were taken; what is there is archived all the same, and
        the next run no longer tells of it.
    KafkaUnavailable
        If the stream does not answer; what was recorded before is kept.
    SchemaRegistryUnavailable
        If the schema registry does not, or is not to be believed; likewise.
    """
    topic = alerts.stream.topic
    spans = alerts.stream.spans()
    ends = {partition: span.high for partition, span in spans.items()}
    known = {each: at for each, at in alerts.rows.offsets(topic).items() if each in spans}
    if any(offset > ends[partition] for partition, offset in known.items()):
        raise AlertStreamExpired.for_new_stream(topic)
    places = {each: max(known.get(each, 0), span.low) for each, span in spans.items()}
    lost = {each: places[each] - at for each, at in known.items() if places[each] > at}
    gone = sum(lost.values())
    counts = Counter[str]()
    while lost or any(places[partition] < end for partition, end in ends.items()):
        with Taking(alerts, shard_bytes, is_patient=is_patient) as taking:
            now = dict(places)
            for messages, positions in alerts.stream.read(places, ends):
                for message in messages:
                    taking.add(message)
                now.update(positions)
                if taking.is_full:
                    break
            steps = [
                Step(topic, each, known.get(each, 0), place, lost.get(each, 0))
                for each, place in sorted(now.items())
                if place != known.get(each, 0)
            ]
            counts += taking.end(steps)
        known, places, lost = now, now, {}
    log.info("action=alerts-take topic=%s lost=%d %s", topic, gone, dict(counts))
    if gone:
        raise AlertStreamExpired.for_topic(topic, gone)
    return dict(counts)


def take_again(alerts: Alerts, *, shard_bytes: int = SHARD_BYTES) -> dict[str, int]:
    """Archive the packets that were released from quarantine, or that somebody laid down."""
    archive = alerts.backbone.archive
    files = [file for file in archive.list_files(AGAIN) if file.size_bytes < shard_bytes]
    if not files:
        return {}
    with Taking(alerts, shard_bytes, is_counted=False, is_patient=False) as taking:
        for file in files:
            with archive.open(file.name) as stream:
                data = stream.read()
            taking.add(Message(file.name.removeprefix(AGAIN), file.modified_at, data))
        counts = taking.end([])
    archive.delete([file.name for file in files])
    return dict(counts)


def take_database(
    alerts: Alerts, folder: str = "", *, shard_bytes: int = SHARD_BYTES, is_patient: bool = True
) -> dict[str, int]:
    """Archive what the alert database has and the archive does not: what the stream has lost.

    Parameters
    ----------
    alerts
        The ports.
    folder
        The first digits of the alerts' numbers; all where it is empty.
    shard_bytes
        About how large a shard becomes.
    is_patient
        Whether many packets of a schema that nobody knows are taken for a fault of the registry.
    """
    missing = [
        alert_id for alert_id in alerts.database.ids(folder) if not _is_archived(alerts, alert_id)
    ]
    counts = Counter[str]()
    while missing:
        with Taking(alerts, shard_bytes, is_patient=is_patient) as taking:
            while missing and not taking.is_full:
                taking.add(alerts.database.packet(missing.pop(0)))
            counts += taking.end([])
    log.info("action=alerts-take-database folder=%s %s", folder, dict(counts))
    return dict(counts)


def _is_archived(alerts: Alerts, alert_id: int) -> bool:
    return any(alerts.shards.find(shard, alert_id) for shard in alerts.rows.of_id(alert_id))


class Taking:
    """Take messages until one transaction records what became of them.

    Parameters
    ----------
    alerts
        The ports.
    shard_bytes
        The size at which a shard is full.
    is_counted
        Whether the messages are new to the night's account.
    is_patient
        Whether many packets of a schema that nobody knows are taken for a fault of the registry.
    """

    def __init__(
        self,
        alerts: Alerts,
        shard_bytes: int,
        *,
        is_counted: bool = True,
        is_patient: bool = True,
    ) -> None:
        self._alerts = alerts
        self._shard_bytes = shard_bytes
        self._is_counted = is_counted
        self._doubts = Doubts(is_patient=is_patient)
        self._stack = ExitStack()
        self._writers: dict[DayObs, ShardWriter] = {}
        self._archived: dict[DayObs, list[tuple[Shard, Sequence[int]]]] = {}
        self._new: dict[int, str] = {}
        self._nights: dict[DayObs, Counter[str]] = {}
        self._schemas: dict[DayObs, set[int]] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *failure: object) -> None:
        """Leave nothing behind of what was not recorded."""
        self._stack.close()

    @property
    def is_full(self) -> bool:
        """Say whether a shard is large enough to end."""
        return any(writer.size_bytes >= self._shard_bytes for writer in self._writers.values())

    def add(self, message: Message) -> None:
        """Take one message: into a shard, into quarantine, or as one that is known.

        Raises
        ------
        SchemaRegistryUnavailable
            If many packets name a schema by which none is read.
        """
        if not message.data:
            self._count(DayObs.at(message.time), "empty", messages=0)
            return
        try:
            packet = self._alerts.packets.read(message.data, message.place)
        except (AlertUnreadable, AlertSchemaUnknown) as error:
            number = self._alerts.packets.doubted(message.data)
            if number is None:
                self._refuse(message, error)
                return
            self._doubts.hold(number, message)
            if self._doubts.is_full:
                self._settle()
            return
        self._take(packet, message)

    def _settle(self) -> None:
        """Read once more what was held back; what still cannot be read is bad."""
        for message in self._doubts.give_back():
            try:
                packet = self._alerts.packets.read(message.data, message.place)
            except (AlertUnreadable, AlertSchemaUnknown) as error:
                self._refuse(message, error)
                continue
            self._take(packet, message)

    def _refuse(self, message: Message, error: DbbError) -> None:
        night = DayObs.at(message.time)
        refuse_packet(self._alerts, message, night, error)
        self._count(night, "refused")

    def _take(self, packet: Packet, message: Message) -> None:
        sha256 = hashlib.sha256(message.data).hexdigest()
        before = self._new.get(packet.alert_id) or self._find(packet)
        if not before:
            self._append(packet, message, sha256)
        elif before == sha256:
            self._count(packet.night, "duplicates")
        else:
            other = ConflictingDuplicate.for_file(f"alert {packet.alert_id}", before, sha256)
            refuse_packet(self._alerts, message, packet.night, other)
            self._count(packet.night, "conflicts")

    def end(self, steps: Sequence[Step]) -> Counter[str]:
        """Finish the shards, and record them and the steps; give the counts."""
        self._settle()
        shards = [
            writer.finish(
                {each: self._alerts.packets.schema(each) for each in self._schemas[night]}
            )
            for night, writer in sorted(self._writers.items())
        ]
        accounts = [
            Account(night, None, found["messages"], found["duplicates"], found["conflicts"])
            for night, found in sorted(self._nights.items())
        ]
        if shards or steps:
            self._alerts.rows.commit(shards, steps, accounts if self._is_counted else [])
        total: Counter[str] = sum(self._nights.values(), Counter())
        del total["messages"]
        return total

    def _append(self, packet: Packet, message: Message, sha256: str) -> None:
        writer = self._writers.get(packet.night)
        if writer is None:
            shard = self._alerts.rows.claim(packet.night)
            writer = self._stack.enter_context(self._alerts.shards.create(shard))
            self._writers[packet.night] = writer
        writer.append(packet, message, sha256)
        self._schemas.setdefault(packet.night, set()).add(packet.schema_id)
        self._new[packet.alert_id] = sha256
        self._count(packet.night, "archived")

    def _find(self, packet: Packet) -> str:
        """Give the identity of what is archived under an alert's number."""
        if packet.night not in self._archived:
            shards = self._alerts.rows.shards(packet.night)
            self._archived[packet.night] = [
                (shard, self._alerts.shards.ids(shard)) for shard in shards
            ]
        for shard, ids in self._archived[packet.night]:
            if not shard.min_id <= packet.alert_id <= shard.max_id:
                continue
            place = bisect_left(ids, packet.alert_id)
            if place < len(ids) and ids[place] == packet.alert_id:
                entry = self._alerts.shards.find(shard, packet.alert_id)
                return entry.sha256 if entry else ""
        return ""

    def _count(self, night: DayObs, what: str, messages: int = 1) -> None:
        found = self._nights.setdefault(night, Counter())
        found[what] += 1
        found["messages"] += messages


def refuse_packet(
    alerts: Alerts, message: Message, night: DayObs, error: DbbError, unit: str = ""
) -> None:
    """Keep a packet aside, once however often it comes; the row is first.

    Released, it lies in the folder of what is taken again.
    """
    key = hashlib.sha256(f"alerts\0{message.place}".encode()).hexdigest()[:12]
    kept_as = f"{QUARANTINE_FOLDER}/alerts/{key}/{message.place}"  # the same, whenever it comes
    backbone = alerts.backbone
    refusal = Refusal(
        refusal_id=key,
        unit=unit or unit_of(night),
        day_obs=night.value,
        endpoint=backbone.policy.archive,
        name=f"{AGAIN}{message.place}",
        kept_as=kept_as,
        code=error.code,
        reason=error.message,
        next_action=error.next_action,
        found_at=backbone.clock.now(),
    )
    backbone.ledger.refuse([refusal])
    with backbone.archive.create(kept_as) as writer:
        writer.write(message.data)
    log.warning("action=alerts-refuse place=%s code=%s", message.place, error.code)
