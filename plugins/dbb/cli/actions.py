"""Commands that have actions of their own: ``dbb policy plan``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping


def add_actions(
    parser: argparse.ArgumentParser, actions: Mapping[str, str]
) -> dict[str, argparse.ArgumentParser]:
    """Add actions, each with its description, to a command; give their parsers by name."""
    group = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    return {
        name: group.add_parser(name, help=text, description=text) for name, text in actions.items()
    }
