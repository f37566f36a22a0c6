"""What is remarkable about a topic's points, found as they pass by; nothing is left out because of it."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from dbb.errors import EfdClockJump, EfdPointsLost
from dbb.hooks.efd.source import SEQUENCE

INDEX, SENT, RECEIVED, ORIGIN = "salIndex", "private_sndStamp", "private_rcvStamp", "private_origin"
CLOCK_JUMP_S = 60.0
"""How far the times of sending and receiving may be apart."""

REPEATED = "repeated-points"


class Remarks:
    """Sum up row groups, in order."""

    def __init__(self) -> None:
        self.rows = 0
        self.first_ns = 0
        self.last_ns = 0
        self.present: Counter[str] = Counter()
        self._seq_sum = 0
        self._apart_s = 0.0
        self._repeated = 0
        self._sequences: dict[tuple[int, int], tuple[int, int, int]] = {}

    def see(self, group: pa.Table) -> None:
        """Take the next group, sorted by time."""
        times = group.column("time").cast(pa.int64())
        if not self.rows:
            self.first_ns = times[0].as_py()
        self.last_ns = times[-1].as_py()
        self.rows += group.num_rows
        for name in group.column_names:
            self.present[name] += group.num_rows - group.column(name).null_count
        self._see_clocks(group)
        self._see_repeated(group)
        if SEQUENCE in group.column_names and pa.types.is_integer(
            group.schema.field(SEQUENCE).type
        ):
            self._seq_sum += pc.sum(group.column(SEQUENCE)).as_py() or 0
            self._see_sequences(group)

    def count(self, has_sequence: bool) -> tuple[int, int | None]:  # noqa: FBT001 - of the source's shape
        """Count points as the source does, and sum their sequence numbers."""
        if has_sequence:
            return self.present[SEQUENCE], self._seq_sum
        return max((n for name, n in self.present.items() if name != "time"), default=0), None

    def remarks(self) -> dict[str, str]:
        """Say what is remarkable, by code."""
        found = {}
        if self._apart_s > CLOCK_JUMP_S:
            found[EfdClockJump.code] = f"sent and received {self._apart_s:.0f} s apart"
        if lost := self.lost:
            found[EfdPointsLost.code] = f"{lost} sequence numbers are missing"
        if self._repeated:
            found[REPEATED] = f"{self._repeated} points have the time and salIndex of another"
        return found

    @property
    def lost(self) -> int:
        """Count the sequence numbers that are missing between the first and the last of each sender.

        A sender that began anew counts from 1 again: more missing numbers than points say so, and are
        not counted.
        """
        gaps = [high - low + 1 - many for low, high, many in self._sequences.values()]
        many = [many for _, _, many in self._sequences.values()]
        return sum(gap for gap, points in zip(gaps, many, strict=True) if 0 < gap <= points)

    def _see_clocks(self, group: pa.Table) -> None:
        if {SENT, RECEIVED} <= set(group.column_names):
            try:
                apart = pc.subtract(group.column(RECEIVED), group.column(SENT))
            except pa.ArrowNotImplementedError:  # one of them was retyped to text
                return
            self._apart_s = max(self._apart_s, float(pc.max(pc.abs(apart)).as_py() or 0.0))

    def _see_repeated(self, group: pa.Table) -> None:
        keys = ["time", *([INDEX] if INDEX in group.column_names else [])]
        distinct = group.select(keys).group_by(keys).aggregate([]).num_rows
        self._repeated += group.num_rows - distinct

    def _see_sequences(self, group: pa.Table) -> None:
        names = [name for name in (INDEX, ORIGIN) if name in group.column_names]
        numbers = [name for name in names if pa.types.is_integer(group.schema.field(name).type)]
        told = group.select([*numbers, SEQUENCE]).drop_null()
        summed = [(SEQUENCE, "min"), (SEQUENCE, "max"), (SEQUENCE, "count_distinct")]
        found = told.group_by(numbers).aggregate(summed)
        for row in found.to_pylist():
            key = (row.get(INDEX, 0), row.get(ORIGIN, 0))
            low, high = row[f"{SEQUENCE}_min"], row[f"{SEQUENCE}_max"]
            many = row[f"{SEQUENCE}_count_distinct"]
            if low is None:
                continue
            known = self._sequences.get(key, (low, high, 0))
            self._sequences[key] = (min(low, known[0]), max(high, known[1]), many + known[2])
