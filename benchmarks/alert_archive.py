"""Archive a night of alert packets, and get single ones: what it costs, and whether memory stays flat.

::

    python benchmarks/alert_archive.py --alerts 100000

Packets are of the newest schema; each differs from the others in its number and in random bytes. They come
out of memory, so that the figures are the archive's: reading each record to its end, sha256, zstd, files that are
synced and read back, the ledger (SQLite).
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests"), str(ROOT / "include")]

from dbb.flows.alert_archiving import take_stream
from dbb.flows.alert_counting import check_night
from dbb.flows.alert_sealing import find_alert, seal_shards
from dbb.hooks.posix_store import PosixStore
from dbb.model.alerts import Message, Span
from support.alerts import FIRST, NIGHT, TOPIC, make_alerts, packet
from support.world import World

BATCH = 500
GETS = 300
TAIL = 4096
"""Random bytes in each packet: stamps are what compresses least."""


class Packets:
    """Make packets of one, each under its own number."""

    topic = TOPIC

    def __init__(self, alerts: int, history: int) -> None:
        self.alerts = alerts
        whole = packet(0, history=history, stamp=b"\xaa" * TAIL)
        self._head, self._rest = whole[:5], whole[5 + len(_varint(FIRST)) :]
        self._stamp = self._rest.rindex(b"\xaa" * TAIL)
        self.packet_bytes = len(whole)

    def make(self, number: int) -> bytes:
        """Give the packet of an alert."""
        noise = random.Random(number).randbytes(TAIL)  # noqa: S311 - no secret
        rest = self._rest[: self._stamp] + noise + self._rest[self._stamp + TAIL :]
        return b"".join((self._head, _varint(FIRST + number), rest))

    def spans(self) -> dict[int, Span]:
        """Give one partition with all of them."""
        return {0: Span(0, self.alerts)}

    def read(
        self, begin: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[tuple[list[Message], dict[int, int]]]:
        """Give messages in batches."""
        time_ = NIGHT.end
        for first in range(begin[0], end[0], BATCH):
            until = min(first + BATCH, end[0])
            found = [
                Message(f"{TOPIC}.0.{each}.avro", time_, self.make(each), 0, each)
                for each in range(first, until)
            ]
            yield found, {0: until}

    def reports(self) -> list[Message]:
        """Give none."""
        return []


def _varint(number: int) -> bytes:
    value, out = number << 1, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def peak_mb() -> float:
    """Give the most memory that the process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--history", type=int, default=20, help="earlier sources in each packet")
    parser.add_argument("--shard-mb", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = World(f"sqlite:///{folder}/ledger.db")
        (Path(folder) / "usdf").mkdir()
        world.stores["usdf"] = PosixStore(Path(folder) / "usdf")
        stream = Packets(given.alerts, given.history)
        made = time.process_time()
        for number in range(1000):
            stream.make(number)
        making_s = (time.process_time() - made) * given.alerts / 1000
        stream.alerts = given.alerts // 10
        alerts = make_alerts(world, stream)
        take_stream(alerts, shard_bytes=given.shard_mb * 1_000_000)
        tenth_mb, cpu, wall = peak_mb(), time.process_time(), time.monotonic()
        stream.alerts = given.alerts
        counts = take_stream(alerts, shard_bytes=given.shard_mb * 1_000_000)
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        cpu -= making_s * 0.9
        taken = counts["archived"]
        size_mb = taken * stream.packet_bytes / 1e6
        print(f"{taken} packets of {stream.packet_bytes} bytes, {size_mb:.0f} MB")
        print(
            f"take: {cpu:.1f} CPU-s, {taken / cpu:.0f} packets and {size_mb / cpu:.1f} MB a CPU-s"
        )
        print(f"      {wall:.0f} s of wall time, load {os.getloadavg()[0]:.1f}")
        print(f"peak memory: {tenth_mb:.0f} MB after a tenth, {peak_mb():.0f} MB after all")
        cpu = time.process_time()
        units = seal_shards(alerts)
        alerts.rows.issue(NIGHT, given.alerts)
        check_night(alerts, NIGHT)
        print(f"seal and count: {len(units)} shards, {time.process_time() - cpu:.1f} CPU-s")
        taken_s = []
        for number in random.Random(1).sample(range(given.alerts), GETS):  # noqa: S311 - no secret
            fresh = make_alerts(world, stream)  # nothing is remembered of earlier ones
            began = time.monotonic()
            _, _, data = find_alert(fresh, FIRST + number)
            taken_s.append(time.monotonic() - began)
            if data != stream.make(number):
                sys.exit(f"alert {number} came back with other bytes")
        p95 = statistics.quantiles(taken_s, n=20)[-1]
        print(f"get: p95 {p95 * 1000:.0f} ms, longest {max(taken_s) * 1000:.0f} ms of {GETS}")


if __name__ == "__main__":
    main()
