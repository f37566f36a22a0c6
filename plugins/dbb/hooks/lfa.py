"""The annex's table of objects, its table of classes, and its events from Kafka."""

from __future__ import annotations

import dataclasses
import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaException
from sqlalchemy import Row

from dbb.documents import build, read_document
from dbb.errors import CatalogUnavailable, DbbError, LfaEventUnusable, PolicyUnreadable
from dbb.flows.lfa import Annex, announce
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sql import statement, to_time
from dbb.model import strict_json
from dbb.model.digest import Digest
from dbb.model.lfa import REPLICATE, Announcement, LfaClass, LfaObject
from dbb.ports import Clock

log = logging.getLogger(__name__)

EVENT = "logevent_largeFileObjectAvailable"
BATCH = 500


def load_classes(path: Path) -> tuple[LfaClass, ...]:
    """Read the table of classes.

    Raises
    ------
    PolicyUnreadable
        If it is not what it should be.
    """
    document = read_document(path)
    rows = document.get("classes")
    if set(document) != {"classes"} or not isinstance(rows, list):
        raise PolicyUnreadable.for_file(path.name, "it is no list of `classes`")
    classes = tuple(build(LfaClass, row, f"{path.name}: {row}") for row in rows)
    for each in classes:
        if each.action != REPLICATE:
            raise PolicyUnreadable.for_file(path.name, f"{each.action!r} is no action")
    return classes


class SqlLfaObjects:
    """Remember objects in the ledger's database."""

    def __init__(self, ledger: SqlLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def announce(self, found: Iterable[tuple[Announcement, str, bool]]) -> int:
        """Note objects with their action; those that are known stay as they are."""
        now = self._clock.now()
        rows = {
            each.key: dataclasses.asdict(each) | {"action": action, "is_known": known, "at": now}
            for each, action, known in found
        }
        with self._ledger.transaction() as connection:
            note = statement("lfa/announce")
            return sum(connection.execute(note, rows[key]).rowcount for key in sorted(rows))

    def in_state(self, state: str, most: int) -> list[LfaObject]:
        """Read objects in one state, oldest first."""
        return [_object(row) for row in self._ledger.rows("lfa/in_state", state=state, most=most)]

    def by_key(self, keys: Sequence[str]) -> list[LfaObject]:
        """Read objects by key."""
        found = self._ledger.rows("lfa/by_key", keys=list(keys)) if keys else []
        return [_object(row) for row in found]

    def of_day(self, day_obs: int, state: str) -> list[LfaObject]:
        """Read a day's objects; 0 is any day, an empty state any."""
        found = self._ledger.rows("lfa/of_day", day_obs=day_obs, state=state)
        return [_object(row) for row in found]

    def check(self, key: str, digest: Digest) -> None:
        """Record what an object's bytes are."""
        self._change(
            "lfa/check", key=key, size_bytes=digest.size_bytes, sha256=digest.sha256,
            adler32=digest.adler32, crc32c=digest.crc32c, at=self._clock.now(),
        )  # fmt: skip

    def refuse(self, key: str, error: DbbError) -> None:
        """Record why an object is refused."""
        now = self._clock.now()
        self._change("lfa/refuse", key=key, code=error.code, reason=error.message, at=now)

    def wait(self, key: str, error: DbbError) -> None:
        """Record why an announced object does not go on."""
        self._change("lfa/wait", key=key, code=error.code, reason=error.message)

    def assign(self, keys: Sequence[str], unit: str) -> None:
        """Say which parcel objects will travel in; those that have one keep it."""
        self._change("lfa/assign", keys=list(keys), unit=unit, at=self._clock.now())

    def seal(self, unit: str) -> None:
        """Say that a parcel is made."""
        self._change("lfa/seal", unit=unit, at=self._clock.now())

    def _change(self, name: str, **parameters: Any) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(statement(name), parameters)


def _object(row: Row[Any]) -> LfaObject:
    values = {each.name: getattr(row, each.name) for each in dataclasses.fields(LfaObject)}
    values["announced_at"] = to_time(row.announced_at)
    values["is_known"] = bool(row.is_known)
    return LfaObject(**values)


class KafkaLfaEvents:
    """Take events ``largeFileObjectAvailable`` from Kafka: kept first, acknowledged after.

    Parameters
    ----------
    brokers, topics, group
        Where they are, and who we are there.
    annex
        What is told of them.
    schema
        The Avro schema of an event, as its producers registered it; None for events in JSON.
    """

    def __init__(
        self,
        brokers: str,
        topics: Sequence[str],
        group: str,
        annex: Annex,
        schema: dict[str, Any] | None = None,
    ) -> None:
        self._annex = annex
        self._schema = fastavro.parse_schema(schema) if schema else None
        self._brokers = brokers
        self.unusable = 0
        """How many events could not be used since this began; the listing finds their objects."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        self._consumer.subscribe(list(topics))

    def take(self, timeout_s: float = 1.0) -> int:
        """Keep one batch and acknowledge it; give the number of its messages.

        Raises
        ------
        CatalogUnavailable
            If Kafka does not answer.
        LedgerUnavailable
            If the batch cannot be kept: it comes again after a restart.
        """
        try:
            messages = self._consumer.consume(BATCH, timeout_s)
            found = []
            for message in messages:
                _raise(message.error())
                found += self._read(str(message.topic()), message.value() or b"")
            announce(self._annex, found)
            if messages:
                self._consumer.commit(asynchronous=False)
        except KafkaException as error:
            raise CatalogUnavailable.for_call(f"Kafka at {self._brokers}", error) from error
        return len(messages)

    def _read(self, topic: str, data: bytes) -> list[Announcement]:
        try:
            return [Announcement.of_event(topic, decode_event(topic, data, self._schema))]
        except LfaEventUnusable as error:
            self.unusable += 1
            log.warning("action=lfa-event code=%s reason=%s", error.code, error.message)
            return []

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def _raise(error: Any) -> None:
    if error is not None:
        raise KafkaException(error)


def decode_event(topic: str, data: bytes, schema: Any) -> dict[str, Any]:
    """Read an event: Avro in Confluent's form (a zero, the schema's number), or JSON.

    Raises
    ------
    LfaEventUnusable
        If it is neither.
    """
    try:
        if schema is not None and data[:1] == b"\0":
            fields: Any = fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None)
        else:
            fields = strict_json.parse(data, topic)
    except (DbbError, ValueError, LookupError, EOFError, TypeError, StopIteration) as error:
        raise LfaEventUnusable.for_event(topic, f"it cannot be decoded: {error}") from None
    if not isinstance(fields, dict):
        raise LfaEventUnusable.for_event(topic, "it is no record")
    return fields
