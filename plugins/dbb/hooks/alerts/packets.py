"""Understanding packets: Confluent's header (a zero and the schema's number), and an Avro record."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from dbb.errors import AlertSchemaUnknown, AlertUnreadable, BadDayObs
from dbb.hooks.alerts.schemas import SchemaSource
from dbb.model.alerts import Packet
from dbb.model.day_obs import TAI_MINUS_UTC, DayObs

HEADER_BYTES = 5
MJD_EPOCH = dt.datetime(1858, 11, 17, tzinfo=dt.UTC)

_WANTED = {"diaSourceId", "visit", "detector", "diaObjectId", "midpointMjdTai"}
_DECODING = (ValueError, LookupError, EOFError, TypeError, StopIteration, OverflowError)
_NO_SCHEMA = (SchemaParseException, UnknownType, ValueError, LookupError, TypeError, AttributeError)
"""What fastavro, or cutting the schema down, says of JSON that is no schema."""


class AvroPackets:
    """Read packets.

    Parameters
    ----------
    source
        Where schemas are from; each is asked for once.
    keep
        Is told of each schema, once a packet was read by it.
    """

    def __init__(
        self, source: SchemaSource, keep: Callable[[int, Any], None] = lambda *_: None
    ) -> None:
        self._source = source
        self._keep = keep
        self._proven: set[int] = set()
        self._raw: dict[int, Any] = {}
        self._parsed: dict[int, tuple[Any, Any]] = {}

    def schema(self, number: int) -> str:
        """Give a schema that was used, as JSON."""
        return json.dumps(self._raw[number], separators=(",", ":"))

    def read(self, data: bytes, place: str) -> Packet:
        """Say what a packet is about; the whole record is walked through.

        Raises
        ------
        AlertUnreadable, AlertSchemaUnknown
            If it cannot be read to its end, or nobody knows the schema.
        SchemaRegistryUnavailable
            If the schema registry does not answer.
        """
        number = _number(data)
        if number is None:
            raise AlertUnreadable.for_packet(place, "it does not begin with Confluent's header")
        writer, reader = self._schemas(number, place)
        stream = io.BytesIO(data)
        stream.seek(HEADER_BYTES)
        try:
            record = fastavro.schemaless_reader(stream, writer, reader)
            if stream.tell() != len(data):
                raise ValueError("bytes are left over")
            packet = _packet(record, number)
        except (*_DECODING, BadDayObs) as error:
            why = f"schema {number} does not read it: {error or type(error).__name__}"
            raise AlertUnreadable.for_packet(place, why) from None
        if number not in self._proven:
            self._keep(number, self._raw[number])
            self._proven.add(number)
        return packet

    def doubted(self, data: bytes) -> int | None:
        """Give the number of the schema that a packet names, if none was read by it so far."""
        number = _number(data)
        return None if number in self._proven else number

    def _schemas(self, number: int, place: str) -> tuple[Any, Any]:
        if number not in self._parsed:
            raw = self._source(number)
            if raw is None:
                raise AlertSchemaUnknown.for_packet(place, number)
            try:
                parsed = fastavro.parse_schema(raw), fastavro.parse_schema(_projection(raw))
            except _NO_SCHEMA as error:
                raise AlertUnreadable.for_packet(place, f"schema {number}: {error}") from error
            self._raw[number], self._parsed[number] = raw, parsed
        return self._parsed[number]


def _number(data: bytes) -> int | None:
    """Give the number of the schema that a message names; None where it is no packet."""
    if len(data) < HEADER_BYTES or data[0] != 0:
        return None
    return int.from_bytes(data[1:HEADER_BYTES], "big")


def _projection(schema: Any) -> Any:
    """Keep of a schema what the index needs: the rest is skipped, and nothing made of it."""
    fields = []
    for each in schema["fields"]:
        if each["name"] == "diaSourceId":
            fields.append(each)
        elif each["name"] == "diaSource":
            kept = [inner for inner in each["type"]["fields"] if inner["name"] in _WANTED]
            fields.append({**each, "type": {**each["type"], "fields": kept}})
    return {**schema, "fields": fields}


def _packet(record: Any, number: int) -> Packet:
    source = record["diaSource"]
    alert_id = record.get("diaSourceId", source["diaSourceId"])
    midpoint = MJD_EPOCH + dt.timedelta(days=source["midpointMjdTai"]) - TAI_MINUS_UTC
    return Packet(
        alert_id=alert_id,
        night=DayObs.at(midpoint),
        schema_id=number,
        visit=source.get("visit"),
        detector=source.get("detector"),
        dia_object_id=source.get("diaObjectId"),
    )
