"""``dbb ledger``: the ledger's schema."""

from __future__ import annotations

import argparse

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.rebuilding import rebuild_ledger

HELP = "Bring the ledger's schema up to date; bring a burnt ledger back from the stores."
ACTIONS = {
    "migrate": "Apply the migrations that are missing; safe to repeat.",
    "check": "Say whether the schema is the one that this program knows.",
    "rebuild": "Bring what the ledger does not know back from stores and manifests; safe to repeat.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions."""
    parsers = add_actions(parser, ACTIONS)
    parsers["rebuild"].add_argument(
        "--endpoint", action="append", metavar="E", help="look only there; may be given again"
    )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Migrate, check or rebuild."""
    if given.action == "rebuild":
        return _rebuild(context, given.endpoint)
    from dbb.wiring.base import open_ledger  # noqa: PLC0415 - opened before the schema is right

    ledger = open_ledger(context.settings, "dbb ledger")
    applied = ledger.migrate() if given.action == "migrate" else 0
    ledger.check()
    context.output.document({"schema": "dbb-ledger/1", "applied": applied, "is_current": True})
    context.output.table(["applied", "schema"], [[applied, "up to date"]])
    return Exit.WELL


def _rebuild(context: Context, names: list[str] | None) -> Exit:
    settings, output = context.settings, context.output
    everywhere = [settings.raw.archive, *settings.receivers]
    places = [settings.endpoint(name).name for name in names or everywhere]
    rebuilt = rebuild_ledger(context.backbone, places)
    wrong = [["bad copy", *item] for item in rebuilt.bad.items()]
    wrong += [["unreadable", *item] for item in rebuilt.unreadable.items()]
    output.document(
        {
            "schema": "dbb-rebuild/1",
            "units": rebuilt.units,
            "copies": rebuilt.copies,
            "bad": rebuilt.bad,
            "unreadable": rebuilt.unreadable,
        }
    )
    output.table(["what", "where", "why"], wrong)
    output.say(
        f"{len(rebuilt.units):,} units came back, {rebuilt.copies:,} copies were read and are right. "
        "Next: backfill `raw_transfer` over their nights; `repair` sees to what is missing at the archive."
    )
    return Exit.DAMAGED if wrong else Exit.WELL
