"""Names of objects that Rucio refuses, written so that it takes them, and back.

Keys of the Large File Annex contain ``:``, which separates scope and name in Rucio, and may contain
anything else. In Rucio's catalogue and in manifests such a byte is ``+`` and two hexadecimal digits;
stores keep the real name.
"""

from __future__ import annotations

import re

from dbb.errors import UnsafeName
from dbb.model.names import SafeName

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/")
_ESCAPED = re.compile(r"\+([0-9A-F]{2})")


def escape_name(name: str) -> SafeName:
    """Write an object's name for Rucio.

    Raises
    ------
    UnsafeName
        If the result is no safe name: an empty or dotted part, or too long.
    """
    data = name.encode("utf-8", "surrogateescape")
    return SafeName.parse("".join(chr(b) if b in _PLAIN else f"+{b:02X}" for b in data))


def unescape_name(name: str) -> str:
    """Give the real name of an object.

    Raises
    ------
    UnsafeName
        If it is not what ``escape_name`` writes.
    """
    data = bytearray()
    for number, part in enumerate(_ESCAPED.split(name)):
        data += bytes.fromhex(part) if number % 2 else part.encode("ascii", "replace")
    found = data.decode("utf-8", "surrogateescape")
    if escape_name(found) != name:
        raise UnsafeName.for_name(name, "it is no escaped name")
    return found
