"""Names that are safe in every store, catalogue and shell: ``SafeName`` and ``Did``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from dbb.errors import UnsafeName

MAX_NAME_BYTES = 250
"""The length that Rucio's generic schema allows."""

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", re.ASCII)
_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,24}", re.ASCII)


class SafeName(str):
    """Hold a relative path of plain segments: no ``..``, no empty segment, ASCII, 250 bytes."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Accept a name or refuse it.

        Raises
        ------
        UnsafeName
            If a segment is empty, starts with a dot or a dash, or has a character outside
            ``A-Z a-z 0-9 . _ + -``, or the whole is longer than 250 bytes.
        """
        if not isinstance(text, str) or not text:
            raise UnsafeName.for_name(str(text), "it is empty")
        if len(text) > MAX_NAME_BYTES:
            raise UnsafeName.for_name(text, f"it is longer than {MAX_NAME_BYTES} bytes")
        for segment in text.split("/"):
            if not _SEGMENT.fullmatch(segment):
                raise UnsafeName.for_name(text, f"the part {segment[:40]!a} is not plain")
        return cls(text)

    @property
    def leaf(self) -> str:
        """Give the last segment."""
        return self.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, order=True)
class Did:
    """Name a file, Rucio dataset or container: ``scope:name``."""

    scope: str
    name: SafeName

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``scope:name``.

        Raises
        ------
        UnsafeName
            If either half is not legal.
        """
        scope, colon, name = text.partition(":")
        if not colon or not _SCOPE.fullmatch(scope):
            raise UnsafeName.for_name(text, "a data identifier is scope:name")
        return cls(scope, SafeName.parse(name))

    def __str__(self) -> str:
        return f"{self.scope}:{self.name}"
