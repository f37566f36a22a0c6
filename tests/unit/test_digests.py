"""All digests of a file in one reading."""

from __future__ import annotations

import hashlib
import io
import zlib

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbb.digests import PIECE_BYTES, DigestWriter, digest_bytes, digest_stream
from dbb.ports.store import READ_BYTES


def test_the_digests_are_those_of_the_standard_tools() -> None:
    data = bytes(range(256)) * 5000
    digest = digest_bytes(data)
    assert digest.size_bytes == len(data)
    assert digest.sha256 == hashlib.sha256(data).hexdigest()
    assert digest.adler32 == f"{zlib.adler32(data):08x}"
    assert digest.crc32c == f"{crc32c.crc32c(data):08x}"


def test_nothing_has_the_known_digest_of_nothing() -> None:
    digest = digest_bytes(b"")
    assert digest.sha256.startswith("e3b0c44298fc1c14")
    assert (digest.size_bytes, digest.adler32, digest.crc32c) == (0, "00000001", "00000000")


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_pieces_have_the_digest_of_the_whole(pieces: list[bytes]) -> None:
    writer = DigestWriter()
    for piece in pieces:
        writer.update(piece)
    assert writer.digest() == digest_bytes(b"".join(pieces))


@pytest.mark.parametrize(
    "size", [1, PIECE_BYTES - 1, PIECE_BYTES + 1, READ_BYTES, READ_BYTES + 1, 3 * READ_BYTES - 7]
)
def test_a_stream_has_the_digest_of_its_bytes(size: int) -> None:
    data = hashlib.shake_128(b"dbb").digest(size)
    assert digest_stream(io.BytesIO(data)) == digest_bytes(data)


def test_a_stream_that_only_reads_will_do() -> None:
    class Body:
        def __init__(self, data: bytes) -> None:
            self._stream = io.BytesIO(data)

        def read(self, size: int = -1) -> bytes:
            return self._stream.read(min(size, 1000))

    data = b"abc" * 4000
    assert digest_stream(Body(data)) == digest_bytes(data)  # type: ignore[arg-type]


def test_an_edit_that_adler32_does_not_see_has_another_sha256() -> None:
    data = bytearray(b"\x40" * 4096)
    before = digest_bytes(data)
    for place, change in ((1000, 1), (1001, -2), (1002, 1)):
        data[place] += change
    after = digest_bytes(data)
    assert after.adler32 == before.adler32
    assert not after.same_bytes(before)
    assert after.crc32c != before.crc32c
