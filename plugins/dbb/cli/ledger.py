"""``dbb ledger``: the ledger's schema."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit

HELP = "Bring the ledger's schema up to date."
ACTIONS = {
    "migrate": "Apply the migrations that are missing; safe to repeat.",
    "check": "Say whether the schema is the one that this program knows.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    return {
        name: actions.add_parser(name, help=text, description=text)
        for name, text in ACTIONS.items()
    }


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Migrate or check."""
    from dbb.wiring import open_ledger  # noqa: PLC0415 - opened before the schema is right

    ledger = open_ledger(context.settings, "dbb ledger")
    applied = ledger.migrate() if given.action == "migrate" else 0
    ledger.check()
    context.output.document({"schema": "dbb-ledger/1", "applied": applied, "is_current": True})
    context.output.table(["applied", "schema"], [[applied, "up to date"]])
    return Exit.WELL
