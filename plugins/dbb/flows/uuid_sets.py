"""Comparing two long lists of dataset identifiers in bounded memory.

Both are sorted in pieces that are written to disk, merged, and walked side by side: a million on each
side takes as much memory as one piece.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

Labelled = tuple[bytes, int]
"""An identifier of 16 bytes, and the exposure that it belongs to (below 2^63)."""

HELD = 65_536
"""Identifiers sorted in memory at a time."""

_RECORD_BYTES = 24
_READ_RECORDS = 2048


@dataclass
class Difference:
    """Say how two lists differ.

    Parameters
    ----------
    left, right
        How many identifiers each has.
    only_left, only_right
        What the other one lacks, with labels; no more than ``most`` of each are kept.
    moved
        What both have with different labels, with the left one's.
    differing
        How many there are of all three, kept or not.
    """

    left: int = 0
    right: int = 0
    only_left: list[Labelled] = field(default_factory=list)
    only_right: list[Labelled] = field(default_factory=list)
    moved: list[Labelled] = field(default_factory=list)
    differing: int = 0


def diff_uuids(
    left: Iterable[Labelled], right: Iterable[Labelled], *, held: int = HELD, most: int = 10_000
) -> Difference:
    """Compare two lists, in any order, each read once.

    Parameters
    ----------
    left, right
        The lists. An identifier that comes twice in one of them is there twice.
    held
        Identifiers sorted in memory at a time.
    most
        Differences of each kind that are kept.
    """
    found = Difference()
    with ExitStack() as files:
        one, other = (_sorted(side, held, files) for side in (left, right))
        a, b = next(one, None), next(other, None)
        while a is not None or b is not None:
            if b is None or (a is not None and a[:16] < b[:16]):
                found.left += 1
                _keep(found, found.only_left, a, most)
                a = next(one, None)
            elif a is None or b[:16] < a[:16]:
                found.right += 1
                _keep(found, found.only_right, b, most)
                b = next(other, None)
            else:
                found.left += 1
                found.right += 1
                if a != b:
                    _keep(found, found.moved, a, most)
                a, b = next(one, None), next(other, None)
    return found


def _keep(found: Difference, where: list[Labelled], record: bytes | None, most: int) -> None:
    found.differing += 1
    if record is not None and len(where) < most:
        where.append((record[:16], int.from_bytes(record[16:], "big")))


def _sorted(side: Iterable[Labelled], held: int, files: ExitStack) -> Iterator[bytes]:
    """Sort records of 24 bytes; all but the last piece go through files."""
    pieces: list[Iterator[bytes]] = []
    piece: list[bytes] = []
    for key, label in side:
        piece.append(key + label.to_bytes(8, "big"))
        if len(piece) == held:
            pieces.append(_spilled(sorted(piece), files))
            piece = []
    last = iter(sorted(piece))
    return heapq.merge(*pieces, last) if pieces else last


def _spilled(piece: list[bytes], files: ExitStack) -> Iterator[bytes]:
    file = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    file.write(b"".join(piece))
    file.seek(0)
    return _read(file)


def _read(file: BinaryIO) -> Iterator[bytes]:
    while data := file.read(_RECORD_BYTES * _READ_RECORDS):
        for start in range(0, len(data), _RECORD_BYTES):
            yield data[start : start + _RECORD_BYTES]
