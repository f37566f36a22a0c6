"""An EFD in memory that answers as the real one, for what needs no server."""

from __future__ import annotations

import pyarrow as pa

from dbb.errors import EfdUnavailable
from dbb.hooks.efd.source import SEQUENCE, TIME, Column, Shape
from dbb.model.efd import Count, from_ns, hour_of, to_ns

_KINDS = {float: "float", int: "integer", str: "string", bool: "boolean"}


class MemorySource:
    """Hold points by topic; a point of the same time replaces the fields that it has."""

    name = "memory://efd"

    def __init__(self):
        self.points = {}
        self.is_down = False

    def write(self, topic, time_ns, **fields):
        self.points.setdefault(topic, {}).setdefault(time_ns, {}).update(fields)

    def shape(self, topic):
        self._check()
        kinds = {}
        for fields in self.points.get(topic, {}).values():
            kinds |= {name: _KINDS[type(value)] for name, value in fields.items()}
        return Shape(tuple(Column(name, kinds[name]) for name in sorted(kinds)))

    def counts(self, topic, shape, begin, end):
        self._check()
        found = {}
        for _, time, fields in self._of(topic, begin, end):
            hour = hour_of(from_ns(time))
            known = found.get(hour, Count(0, 0))
            if SEQUENCE in fields:
                found[hour] = Count(known.points + 1, known.seq_sum + fields[SEQUENCE])
        return found if shape.columns else {}

    def read(self, topic, shape, points, begin, end):
        self._check()
        del points
        rows = list(self._of(topic, begin, end))
        schema = pa.schema([TIME, *(pa.field(each.name, each.arrow) for each in shape.columns)])
        arrays = [pa.array([time for _, time, _ in rows], TIME.type)]
        for each in shape.columns:
            values = [fields.get(each.name) for _, _, fields in rows]
            arrays.append(pa.array(values, each.arrow))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _of(self, topic, begin, end):
        for time, fields in sorted(self.points.get(topic, {}).items()):
            if to_ns(begin) <= time < to_ns(end):
                yield topic, time, fields

    def _check(self):
        if self.is_down:
            raise EfdUnavailable.for_query(self.name, "it is down")
