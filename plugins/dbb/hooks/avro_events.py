"""Decoding events: Avro in Confluent's form (a zero, the schema's number, the record), or JSON.

CSCs register schemas of their own, and those of indexed ones have fields more: the number in the event
says which one wrote it. Schemas come from files, by number or not, or from a schema registry.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException

from dbb.errors import (
    DbbError,
    LfaEventUnusable,
    PolicyUnreadable,
    SchemaRegistryUnavailable,
)
from dbb.hooks.schema_registry import ask_registry, place_of
from dbb.model import strict_json

HEADER_BYTES = 5
_DECODING = (
    ValueError,
    LookupError,
    EOFError,
    TypeError,
    StopIteration,
    OverflowError,
)


class EventDecoder:
    """Decode events.

    Parameters
    ----------
    schemas
        Avro schemas by number.
    unnumbered
        Avro schemas whose number nobody gave: each is tried, and must read the record to its end.
    registry
        Address of a schema registry, which is asked for a number that is not known; empty for none.
    """

    def __init__(
        self,
        schemas: dict[int, Any] | None = None,
        unnumbered: Sequence[Any] = (),
        registry: str = "",
    ) -> None:
        self._schemas = {number: _parse(each) for number, each in (schemas or {}).items()}
        self._unnumbered = [_parse(each) for each in unnumbered]
        self._registry = registry

    @classmethod
    def of_files(cls, words: Sequence[str], registry: str = "") -> EventDecoder:
        """Read schemas from files, ``FILE`` or ``NUMBER=FILE``.

        Raises
        ------
        PolicyUnreadable
            If a file is no Avro schema.
        """
        numbered: dict[int, Any] = {}
        unnumbered: list[Any] = []
        for word in words:
            match = re.fullmatch(r"(\d{1,10})=(.+)", word)
            path = Path(match[2] if match else word)
            try:
                schema = json.loads(path.read_text(encoding="utf-8"))
                _parse(schema)
            except (OSError, ValueError) as error:
                raise PolicyUnreadable.for_file(str(path), error) from None
            if match:
                numbered[int(match[1])] = schema
            else:
                unnumbered.append(schema)
        return cls(numbered, unnumbered, registry)

    def decode(self, topic: str, data: bytes) -> dict[str, Any]:
        """Read an event.

        Raises
        ------
        LfaEventUnusable
            If it is neither form, or written by a schema that nobody knows.
        SchemaRegistryUnavailable
            If the registry does not answer.
        """
        if data[:1] == b"\0" and len(data) >= HEADER_BYTES:
            fields: Any = self._read_avro(topic, data)
        else:
            try:
                fields = strict_json.parse(data, topic)
            except DbbError as error:
                raise LfaEventUnusable.for_event(topic, error.message) from None
        if not isinstance(fields, dict):
            raise LfaEventUnusable.for_event(topic, "it is no record")
        return fields

    def _read_avro(self, topic: str, data: bytes) -> Any:
        number = int.from_bytes(data[1:HEADER_BYTES], "big")
        if number not in self._schemas and self._registry:
            self._ask_registry(topic, number)
        if number in self._schemas:
            try:
                return _read(data, self._schemas[number])
            except _DECODING as error:
                why = f"schema {number} does not read it: {error}"
                raise LfaEventUnusable.for_event(topic, why) from None
        fitting = []
        for schema in self._unnumbered:
            try:
                fitting.append(_read(data, schema))
            except _DECODING:
                continue
        if not fitting or any(each != fitting[0] for each in fitting):
            why = f"{len(fitting)} of the schemas given read it, and it is written by {number}"
            raise LfaEventUnusable.for_event(topic, why)
        return fitting[0]

    def _ask_registry(self, topic: str, number: int) -> None:
        schema = ask_registry(self._registry, number)
        if schema is None:
            raise LfaEventUnusable.for_event(topic, f"the registry has no schema {number}")
        try:
            self._schemas[number] = _parse(schema)
        except ValueError as error:
            place = place_of(self._registry)
            raise SchemaRegistryUnavailable.for_call(place, f"schema {number}: {error}") from error


def _parse(schema: Any) -> Any:
    try:
        return fastavro.parse_schema(schema)
    except (SchemaParseException, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no Avro schema: {error}") from None


def _read(data: bytes, schema: Any) -> Any:
    """Read a record to its end: one that leaves bytes over was written by another schema."""
    stream = io.BytesIO(data[HEADER_BYTES:])
    fields = fastavro.schemaless_reader(stream, schema, None)
    if stream.read(1):
        raise ValueError("bytes are left over")
    return fields
