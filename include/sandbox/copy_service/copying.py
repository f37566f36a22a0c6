"""Copy one file so that what arrives is proven to be what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.copy_service.digest import Digest, parse_checksum
from sandbox.copy_service.errors import CopyFailed, Refused
from sandbox.copy_service.guard import FOLDER_SCHEMES, Guard
from sandbox.copy_service.posix import PosixStorage
from sandbox.copy_service.s3 import S3Storage
from sandbox.copy_service.storage import Storage

# FTS3's own words, which Rucio looks for before it calls a file already there a success.
DESTINATION_EXISTS = "Destination file exists and overwrite is not enabled"


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """Hold one file's copy as the worker sees it."""

    file_id: int
    job_id: str
    source: str
    destination: str
    filesize: int | None
    checksum: str | None
    verify: str
    overwrite: bool
    link: str


class Copier:
    """Choose the storage of each address, and verify on the way."""

    def __init__(self, guard: Guard) -> None:
        self._posix = PosixStorage(guard)
        self._s3 = S3Storage(guard)

    def storage(self, url: str) -> Storage:
        """Give the storage that an address belongs to."""
        return self._posix if urlsplit(url).scheme in FOLDER_SCHEMES else self._s3

    def copy(self, order: CopyOrder, keep_on: Callable[[], None]) -> None:
        """Copy a file, or raise `CopyFailed` with the destination as it was.

        Parameters
        ----------
        order
            What to copy where, and what it must be.
        keep_on
            Called between pieces; raises to interrupt the copy.
        """
        try:
            self._copy(order, keep_on)
        except Refused as error:
            raise CopyFailed(f"REFUSED: {error}") from error
        except OSError as error:
            raise CopyFailed(f"{type(error).__name__}: {error}") from error

    def _copy(self, order: CopyOrder, keep_on: Callable[[], None]) -> None:
        source, destination = self.storage(order.source), self.storage(order.destination)
        size_bytes = _size_of_source(source, order)
        if not order.overwrite and destination.size_bytes(order.destination) is not None:
            raise CopyFailed(f"{DESTINATION_EXISTS}: {order.destination}")
        kind, expected = parse_checksum(order.checksum)
        read = Digest(kind)

        def passing() -> Iterator[bytes]:
            for piece in source.read(order.source):
                keep_on()
                read.update(piece)
                yield piece
            if read.size_bytes != size_bytes:
                raise CopyFailed(f"SOURCE CHANGED while it was read: {order.source}")
            if expected and order.verify in ("both", "source") and read.hex != expected:
                raise CopyFailed(
                    f"SOURCE CHECKSUM MISMATCH: {order.source} has {kind} {read.hex}, not {expected}"
                )

        def check(stored: Iterator[bytes]) -> None:
            if order.verify not in ("both", "target"):
                return
            arrived = Digest.of(stored, kind)
            wanted = expected or read.hex
            if (arrived.size_bytes, arrived.hex) != (size_bytes, wanted):
                raise CopyFailed(
                    f"DESTINATION CHECKSUM MISMATCH: {order.destination} has {kind} {arrived.hex}, "
                    f"not {wanted}"
                )

        ticket = f"dbb-{order.file_id}-{order.job_id}"
        destination.write(order.destination, passing(), ticket=ticket, check=check)

    def describe(self, url: str) -> dict[str, object]:
        """Describe a file as FTS3's ``dst_file`` does, so that Rucio can judge one that exists."""
        storage = self.storage(url)
        digest = Digest.of(storage.read(url), "ADLER32")
        return {
            "file_size": digest.size_bytes,
            "checksum_type": "ADLER32",
            "checksum_value": digest.hex,
            "file_on_tape": False,
        }


def _size_of_source(source: Storage, order: CopyOrder) -> int:
    size_bytes = source.size_bytes(order.source)
    if size_bytes is None:
        raise CopyFailed(f"SOURCE MISSING: no such file: {order.source}")
    if order.filesize is not None and size_bytes != order.filesize:
        raise CopyFailed(
            f"SOURCE SIZE MISMATCH: {order.source} has {size_bytes} bytes, not {order.filesize}"
        )
    return size_bytes
