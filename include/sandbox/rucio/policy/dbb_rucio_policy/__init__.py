"""Teach Rucio the Data Backbone's names and rights: its extension point, not a patch.

A policy package must be importable by the server, the daemons and whatever creates the database,
because the schema's lengths become column widths.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping

ANNEX = "lfa"
"""The scope of the Large File Annex."""

PLAIN = string.ascii_letters + string.digits + "_.-/"
"""What stands for itself in a name of the annex."""

SUPPORTED_VERSION = ["<42", ">=41"]


def pfn2lfn(parsed_pfn: Mapping[str, str]) -> tuple[str, str]:
    """Recover the name and scope of a file from its path below an RSE's prefix.

    Rucio's own rule takes only the last path element as the name, so a name with slashes, as every
    Butler path is, would be "unknown" when an operator declares its URL bad.
    """
    scope, _, folders = parsed_pfn["path"].strip("/").partition("/")
    name = f"{folders}/{parsed_pfn['name']}" if folders else parsed_pfn["name"]
    if scope == ANNEX:
        name = "".join(
            chr(byte) if chr(byte) in PLAIN else f"+{byte:02X}"
            for byte in name.encode("utf-8", "surrogateescape")
        )
    return name, scope


def lfn2pfn(
    scope: str, name: str, _rse: str, _rse_attributes: object, _protocol_attributes: object
) -> str:
    """Give the path of a file below an RSE's prefix: scope and name.

    An object of the Large File Annex keeps its own name there: in the catalogue, where a colon
    separates scope and name, such a byte is written as ``+`` and two hexadecimal digits.
    """
    if scope == ANNEX:
        name = re.sub(
            r"(?:\+[0-9A-F]{2})+",
            lambda found: bytes.fromhex(found[0].replace("+", "")).decode(
                "utf-8", "surrogateescape"
            ),
            name,
        )
    return f"{scope}/{name}"


def get_algorithms() -> dict[str, dict[str, Callable[..., object]]]:
    """Register what ``[policy]`` in ``rucio.cfg`` and the RSEs' ``lfn2pfn_algorithm`` name."""
    return {"lfn2pfn": {"dbb": lfn2pfn}, "pfn2lfn": {"dbb": pfn2lfn}}
