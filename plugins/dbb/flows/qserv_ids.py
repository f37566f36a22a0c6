"""Whether releases share identifiers: no object or source of one may have the number of one of another.

What is compared are the keys of the catalogues that have positions (an overlay's directors), table by table, in the files
that an endpoint serves. Numbers of what is one thing in every release (an exposure, a visit, a body of the solar
system) are the same on purpose and are not looked at. The range of keys stands in each file's footer: only where
those of two releases meet are keys read, a piece of two files at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple, Protocol

from dbb.errors import BrokenContract, Damaged
from dbb.flows.backbone import Backbone
from dbb.flows.qserv_inputs import Delivered, find_inputs
from dbb.model.qserv import Overlay, TableKind

SCHEMA = "dbb-qserv-ids/1"
AT_ONCE = 32
"""Pieces whose keys are kept while others are compared with them."""


class KeyRange(NamedTuple):
    """Say from where to where the keys of a piece of a file are, and how many there are."""

    piece: int
    first: int
    last: int
    rows: int


class KeyFiles(Protocol):
    """Read keys of Parquet files."""

    def ranges(self, stream: BinaryIO, column: str, name: str) -> list[KeyRange]:
        """Tell the ranges of a file's pieces.

        Raises
        ------
        CatalogUnfit
            If it is no Parquet, or has no such column of whole numbers.
        """

    def keys(self, stream: BinaryIO, column: str, name: str, piece: int) -> Any:
        """Read the keys of a piece."""

    def common(self, one: Any, other: Any) -> list[int]:
        """Give the keys that both have, in order."""


@dataclass(frozen=True, slots=True)
class _Piece:
    release: str
    file: Delivered
    column: str
    range: KeyRange


@dataclass(slots=True)
class Shared:
    """Say how many keys two releases share in a table, and the least of them."""

    table: str
    release: str
    other: str
    keys: int = 0
    example: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a document."""
        return {
            "table": self.table,
            "release": self.release,
            "other": self.other,
            "keys": self.keys,
            "example": self.example,
        }


@dataclass(slots=True)
class IdReport:
    """Hold what the comparison of releases found at an endpoint.

    Parameters
    ----------
    endpoint
        Where.
    rows
        Keys that were compared, by release and table.
    pairs
        Pairs of pieces whose keys had to be read.
    shared
        Where releases share keys.
    unread
        Files that could not be read, with the reason.
    """

    endpoint: str
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    pairs: int = 0
    shared: list[Shared] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Say whether everything was read and nothing is shared."""
        return not (self.shared or self.unread)

    @property
    def sentence(self) -> str:
        """Say it in a line."""
        releases = len({release for release, _ in self.rows})
        told = f"{sum(self.rows.values()):,} keys of {releases} releases at {self.endpoint}"
        if self.shared:
            first = self.shared[0]
            number = sum(each.keys for each in self.shared)
            return (
                f"ACT — {told}: {number:,} are in two, as {first.example} of {first.table} in"
                f" {first.release} and {first.other}."
            )
        if self.unread:
            return (
                f"ACT — {told}: none is in two, but {len(self.unread):,} files could not be read."
            )
        return f"SAFE — {told}: none is in two."

    def to_json(self) -> dict[str, Any]:
        """Give everything as a document of schema ``dbb-qserv-ids/1``."""
        return {
            "schema": SCHEMA,
            "endpoint": self.endpoint,
            "sentence": self.sentence,
            "pairs_read": self.pairs,
            "tables": [
                {"release": release, "table": table, "keys": number}
                for (release, table), number in sorted(self.rows.items())
            ],
            "shared": [each.to_json() for each in self.shared],
            "unread": self.unread,
        }


def compare_ids(
    backbone: Backbone, files: KeyFiles, endpoint: str, overlays: Sequence[Overlay]
) -> IdReport:
    """Compare the keys of all releases that an endpoint serves; change nothing."""
    report = IdReport(endpoint)
    store = backbone.store(endpoint)
    pieces: dict[str, list[_Piece]] = {}
    for overlay in overlays:
        for file in find_inputs(backbone, endpoint, overlay):
            rule = overlay.tables[file.table]
            if rule.kind is not TableKind.DIRECTOR:
                continue
            try:
                with store.open(file.stored_name) as stream:
                    ranges = files.ranges(stream, rule.key, str(file.did))
            except (BrokenContract, Damaged) as error:
                report.unread.append(f"{file.did}: {error.code}: {error.message}")
                continue
            key = (overlay.release, file.table)
            report.rows[key] = report.rows.get(key, 0) + sum(each.rows for each in ranges)
            pieces.setdefault(file.table, []).extend(
                _Piece(overlay.release, file, rule.key, each) for each in ranges
            )

    @lru_cache(AT_ONCE)
    def keys_of(piece: _Piece) -> Any:
        with store.open(piece.file.stored_name) as stream:
            return files.keys(stream, piece.column, str(piece.file.did), piece.range.piece)

    found: dict[tuple[str, str, str], Shared] = {}
    for table, of_table in sorted(pieces.items()):
        for one, other in _meeting(of_table):
            report.pairs += 1
            if common := files.common(keys_of(one), keys_of(other)):
                low, high = sorted((one.release, other.release))
                row = found.setdefault(
                    (table, low, high), Shared(table, low, high, example=common[0])
                )
                row.keys += len(common)
                row.example = min(row.example, common[0])
    report.shared = list(found.values())
    return report


def _meeting(pieces: Sequence[_Piece]) -> Iterator[tuple[_Piece, _Piece]]:
    """Pair the pieces of different releases whose ranges have a number in common."""
    open_pieces: list[_Piece] = []
    for piece in sorted(pieces, key=lambda each: each.range.first):
        open_pieces = [each for each in open_pieces if each.range.last >= piece.range.first]
        for other in open_pieces:
            if other.release != piece.release:
                yield other, piece
        open_pieces.append(piece)
