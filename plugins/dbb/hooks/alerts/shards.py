"""Shards in the archive's store: packets, each a zstd frame of its own; a Parquet index; the schemas.

The file of the packets is what `zstd -d` reads as one stream. The index is sorted by the alert's number; with
it any packet is one range of bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from dbb.digests import DigestWriter, digest_stream
from dbb.errors import DigestMismatch
from dbb.model.alerts import Entry, Message, Packet, Shard
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.ports.store import Store

LEVEL = 3
INDEXES_KEPT = 8
"""Of how many shards the index stays in memory."""

INDEX = pa.schema(
    [
        ("alert_id", pa.int64()),
        ("day_obs", pa.int32()),
        ("visit", pa.int64()),
        ("detector", pa.int32()),
        ("dia_object_id", pa.int64()),
        ("schema_id", pa.int64()),
        ("shard", pa.dictionary(pa.int32(), pa.string())),
        ("offset", pa.int64()),
        ("length", pa.int32()),
        ("packet_bytes", pa.int32()),
        ("sha256", pa.binary(32)),
        ("partition", pa.int32()),
        ("stream_offset", pa.int64()),
    ]
)


class _AbandonedError(Exception):
    """End the writing of a file that is not to appear."""


class StoreShards:
    """Write and read shards.

    Parameters
    ----------
    store
        The archive's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._indexes: OrderedDict[str, pa.Table] = OrderedDict()

    @contextmanager
    def create(self, shard: Shard) -> Iterator[ZstdShardWriter]:
        """Write a shard whole or not at all."""
        writer = ZstdShardWriter(self._store, shard)
        try:
            yield writer
        finally:
            writer.abandon()

    def ids(self, shard: Shard) -> Sequence[int]:
        """Give the alerts' numbers of a shard, in order."""
        index = self._read_index(shard)
        return cast(Sequence[int], index.column("alert_id").to_numpy())

    def find(self, shard: Shard, alert_id: int) -> Entry | None:
        """Look an alert up."""
        index = self._indexes.get(shard.index)
        if index is None:
            index = self._indexes[shard.index] = self._read_index(shard)
            while len(self._indexes) > INDEXES_KEPT:
                self._indexes.popitem(last=False)
        ids = index.column("alert_id").to_numpy()
        place = int(ids.searchsorted(alert_id))
        if place == len(ids) or ids[place] != alert_id:
            return None
        (row,) = index.slice(place, 1).to_pylist()
        return Entry(
            alert_id=alert_id,
            offset=row["offset"],
            length=row["length"],
            packet_bytes=row["packet_bytes"],
            sha256=row["sha256"].hex(),
            schema_id=row["schema_id"],
        )

    def packet(self, shard: Shard, entry: Entry) -> bytes:
        """Read one packet, and nothing else of the shard."""
        stored = _stored(shard.packets)
        with self._store.open(stored) as stream:
            stream.seek(entry.offset)
            frame = stream.read(entry.length)
        try:
            data = zstandard.ZstdDecompressor().decompress(frame)
        except zstandard.ZstdError as error:
            raise self._mismatch(stored, entry.sha256, str(error)) from error
        found = hashlib.sha256(data).hexdigest()
        if found != entry.sha256:
            raise self._mismatch(stored, entry.sha256, found)
        return data

    def _read_index(self, shard: Shard) -> pa.Table:
        columns = ["alert_id", "offset", "length", "packet_bytes", "sha256", "schema_id"]
        try:
            with self._store.open(_stored(shard.index)) as stream:
                # In this thread: one of Arrow's that holds a stream of Python's at the end aborts the process.
                index = pq.ParquetFile(stream, pre_buffer=False)
                return index.read(columns, use_threads=False).combine_chunks()
        except pa.ArrowInvalid as error:
            digest = shard.files[shard.index].sha256
            raise self._mismatch(_stored(shard.index), digest, str(error)) from error

    def _mismatch(self, stored: str, expected: str, found: str) -> DigestMismatch:
        return DigestMismatch.for_copy(self._store.url_of(stored), expected, found)


class ZstdShardWriter:
    """Write one shard; its file appears when it is finished.

    Parameters
    ----------
    store
        Where.
    shard
        Its names.
    """

    def __init__(self, store: Store, shard: Shard) -> None:
        self._store = store
        self._shard = shard
        self._stack = ExitStack()
        self._file = self._stack.enter_context(store.create(_stored(shard.packets)))
        self._is_open = True
        self._digest = DigestWriter()
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._rows: list[tuple[Any, ...]] = []
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Give the size so far."""
        return self._size_bytes

    def append(self, packet: Packet, message: Message, sha256: str) -> None:
        """Add a packet."""
        frame = self._compressor.compress(message.data)
        self._file.write(frame)
        self._digest.update(frame)
        self._rows.append(
            (
                packet.alert_id, packet.night.value, packet.visit, packet.detector, packet.dia_object_id,
                packet.schema_id, self._shard.packets.rpartition("/")[2], self._size_bytes, len(frame),
                len(message.data), bytes.fromhex(sha256), message.partition, message.offset,
            )
        )  # fmt: skip
        self._size_bytes += len(frame)

    def finish(self, schemas: Mapping[int, str]) -> Shard:
        """Add the index and the schemas; read all back from the disk."""
        self._is_open = False
        self._stack.close()
        shard = self._shard
        told = {str(number): json.loads(text) for number, text in sorted(schemas.items())}
        files = {
            shard.packets: self._digest.digest(),
            shard.index: self._write_index(),
            shard.schemas: self._write(shard.schemas, json.dumps(told, indent=1).encode()),
        }
        for name, digest in files.items():
            with self._store.open(_stored(name), cold=True) as stream:
                found = digest_stream(stream)
            if not found.same_bytes(digest):
                url = self._store.url_of(_stored(name))
                raise DigestMismatch.for_copy(url, digest.sha256, found.sha256)
        ids = [row[0] for row in self._rows]
        return replace(shard, alerts=len(ids), min_id=min(ids), max_id=max(ids), files=files)

    def abandon(self) -> None:
        """Leave no file behind, unless it is finished."""
        if self._is_open:
            self._is_open = False
            with suppress(_AbandonedError), self._stack:
                raise _AbandonedError

    def _write_index(self) -> Digest:
        columns = list(zip(*sorted(self._rows), strict=True))
        arrays = [pa.array(each, kind.type) for each, kind in zip(columns, INDEX, strict=True)]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_arrays(arrays, schema=INDEX), sink, compression="zstd")
        return self._write(self._shard.index, sink.getvalue().to_pybytes())

    def _write(self, name: str, data: bytes) -> Digest:
        digest = DigestWriter()
        digest.update(data)
        with self._store.create(_stored(name)) as writer:
            writer.write(data)
        return digest.digest()


def _stored(name: str) -> str:
    return f"{Kind.FILE.scope}/{name}"
