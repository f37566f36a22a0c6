"""``dbb drill``: lose something on purpose, bring it back, and say what did not come."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.drilling import drill_endpoint
from dbb.flows.drilling_ledger import drill_ledger
from dbb.model.drill import Drill

if TYPE_CHECKING:
    from dbb.hooks.drills import SqlDrills

HELP = "Practise recovery: rebuild a scratch endpoint, the ledger, the database; compare all of it."
ACTIONS = {
    "endpoint": "Wipe a scratch endpoint and rebuild it from its peers and manifests alone.",
    "ledger": "Rebuild the ledger elsewhere from stores and manifests, and compare it row by row.",
    "database": "Restore the database to a moment beside the real one, and compare its rows.",
    "list": "List the newest drills.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["endpoint"].add_argument(
        "name", metavar="ENDPOINT", help="a place with `role: scratch`"
    )
    for name in ("endpoint", "ledger"):
        parsers[name].add_argument(
            "--from", dest="first", type=int, default=0, metavar="D", help="from this night on"
        )
        parsers[name].add_argument(
            "--to", dest="last", type=int, default=99991231, metavar="D", help="up to this night"
        )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions; a drill in which something did not come back is exit code 4."""
    drills = _open(context)
    if given.action == "list":
        found = drills.newest()
        _write(context, found)
        return Exit.WELL if found else Exit.FINDINGS
    done = dataclasses.replace(_drill(context, given), actor=f"dbb {user_name()}")
    drills.note(done)
    _write(context, [done])
    context.output.say(
        f"{done.units:,} units, {done.size_bytes:,} bytes: "
        f"{'all came back and are right' if done.is_passed else 'NOT all came back'}, in {done.seconds:.1f} s."
    )
    return Exit.WELL if done.is_passed else Exit.DAMAGED


def _drill(context: Context, given: argparse.Namespace) -> Drill:
    settings = context.settings
    if given.action == "database":
        from dbb.hooks.database_drill import drill_database  # noqa: PLC0415 - a client
        from dbb.hooks.pgbackrest import BackupSettings  # noqa: PLC0415 - a client

        return drill_database(BackupSettings.load(settings))
    places = (settings.raw.archive, *settings.receivers)
    if given.action == "endpoint":
        from dbb.wiring.drills import open_scratch  # noqa: PLC0415 - `dbb --help` opens nothing

        scratch = open_scratch(settings, given.name)
        return drill_endpoint(context.backbone, scratch, places, given.first, given.last)
    from dbb.wiring.drills import open_spare_ledger  # noqa: PLC0415 - `dbb --help` opens nothing

    with tempfile.TemporaryDirectory(prefix="dbb-drill-") as folder:
        spare = open_spare_ledger(Path(folder))
        return drill_ledger(context.backbone, spare, places, given.first, given.last)


def _open(context: Context) -> SqlDrills:
    from dbb.wiring.drills import open_drills  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_drills(context.settings, f"dbb {user_name()}")


def _write(context: Context, drills: list[Drill]) -> None:
    rows = [each.to_json() for each in drills]
    context.output.document({"schema": "dbb-drill/1", "drills": rows})
    context.output.table(
        ["drill", "of", "ended at", "units", "files", "bytes", "seconds", "result", "wrong"],
        [
            [row["kind"], row["subject"], row["ended_at"], row["units"], row["files"], row["bytes"],
             row["seconds"], row["result"], "; ".join(row["wrong"][:3])]
            for row in rows
        ],
    )  # fmt: skip
