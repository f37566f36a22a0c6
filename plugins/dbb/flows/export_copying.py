"""Copying pinned datasets out of an endpoint: each is exactly what was pinned, or is not written."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from dbb.digests import digest_stream
from dbb.errors import DigestMismatch, MissingCopy
from dbb.model.export import Pinned
from dbb.ports.store import READ_BYTES, Store


def is_there(target: Store, pinned: Pinned) -> bool:
    """Say whether a file lies in the bag already, by reading it to its end."""
    known = target.stat(pinned.path)
    if known is None or known.size_bytes != pinned.size_bytes:
        return False
    with target.open(pinned.path, cold=True) as stream:
        return digest_stream(stream).sha256 == pinned.sha256


def copy_datasets(
    source: Store, target: Store, rows: Sequence[Pinned], tell: Callable[[Pinned], None]
) -> int:
    """Copy the datasets of one stored file; give the bytes that moved.

    Parameters
    ----------
    source, target
        The endpoint's store, and the bag.
    rows
        What to copy: all of the same stored file.
    tell
        Called after each file.

    Raises
    ------
    MissingCopy
        If the stored file, or a member of it, is not there.
    DigestMismatch
        If its bytes are not those that were pinned; nothing is written then.
    """
    moved = 0
    with contextlib.ExitStack() as stack:
        open_one = _opener(stack, source, rows)
        for pinned in {each.path: each for each in rows}.values():
            with open_one(pinned) as stream:
                _copy(stream, target, pinned, source.url_of(pinned.stored_name))
            moved += pinned.size_bytes
            tell(pinned)
    return moved


def _opener(
    stack: contextlib.ExitStack, source: Store, rows: Sequence[Pinned]
) -> Callable[[Pinned], contextlib.AbstractContextManager[IO[bytes]]]:
    """Open the stored file once, where its members are wanted."""
    name = rows[0].stored_name
    if not any(each.member for each in rows):
        return lambda each: source.open(each.stored_name)
    stream = stack.enter_context(source.open(name))
    try:
        archive = stack.enter_context(zipfile.ZipFile(stream))
    except zipfile.BadZipFile as error:
        raise DigestMismatch.for_copy(source.url_of(name), "a zip", str(error)) from None

    @contextlib.contextmanager
    def open_member(each: Pinned) -> Iterator[IO[bytes]]:
        try:
            with archive.open(each.member) as member:
                yield member
        except KeyError:
            raise MissingCopy.for_file(f"{source.url_of(name)}#{each.member}") from None
        except zipfile.BadZipFile as error:  # its own checksum, before ours
            raise DigestMismatch.for_copy(source.url_of(name), each.sha256, str(error)) from None

    return open_member


def _copy(stream: IO[bytes], target: Store, pinned: Pinned, url: str) -> None:
    digest, size = hashlib.sha256(), 0
    with target.create(pinned.path) as writer:
        while piece := stream.read(READ_BYTES):
            digest.update(piece)
            size += len(piece)
            writer.write(piece)
        if (size, digest.hexdigest()) != (pinned.size_bytes, pinned.sha256):
            raise DigestMismatch.for_copy(url, pinned.sha256, digest.hexdigest())
