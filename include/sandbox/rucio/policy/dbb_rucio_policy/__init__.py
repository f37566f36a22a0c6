"""Teach Rucio the Data Backbone's names and rights: its extension point, not a patch.

A policy package must be importable by the server, the daemons and whatever creates the database,
because the schema's lengths become column widths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

SUPPORTED_VERSION = ["<42", ">=41"]


def pfn2lfn(parsed_pfn: Mapping[str, str]) -> tuple[str, str]:
    """Recover the name and scope of a file from its path below an RSE's prefix.

    Rucio's own rule takes only the last path element as the name, so a name with slashes, as every
    Butler path is, would be "unknown" when an operator declares its URL bad.
    """
    scope, _, folders = parsed_pfn["path"].strip("/").partition("/")
    name = f"{folders}/{parsed_pfn['name']}" if folders else parsed_pfn["name"]
    return name, scope


def get_algorithms() -> dict[str, dict[str, Callable[..., object]]]:
    """Register what ``[policy]`` in ``rucio.cfg`` names; the layout itself is Rucio's `identity`."""
    return {"pfn2lfn": {"dbb": pfn2lfn}}
