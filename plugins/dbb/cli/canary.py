"""``dbb canary``: how the last canaries fared, and how long each stage took."""

from __future__ import annotations

import argparse
import datetime as dt

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.canary import overdue
from dbb.hooks.canary_rows import SqlCanaries
from dbb.settings import Settings

HELP = "Show how the canaries fare: synthetic exposures that go all the way every 15 minutes."
ACTIONS = {"status": "Show the last canaries, and the seconds of each stage."}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the action and its options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["status"].add_argument(
        "--last", type=int, default=4, metavar="NUMBER", help="how many canaries (4)"
    )
    return parsers


def _open(settings: Settings) -> SqlCanaries:
    from dbb.wiring.watching import open_canaries  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_canaries(settings, "")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Show the last ones; say what is wrong with them."""
    canaries = _open(context.settings)
    newest = canaries.newest(given.last)
    stages = {each.number: canaries.stages(each) for each in newest}
    error = overdue(canaries, _now())
    context.output.document(
        {
            "schema": "dbb-canaries/1",
            "is_well": error is None,
            "canaries": [
                {
                    "number": each.number,
                    "begun_at": each.begun_at.isoformat(timespec="seconds"),
                    "outcome": each.outcome,
                    "stuck_at": each.stuck_at,
                    "reason": each.reason,
                    "is_removed": each.removed_at is not None,
                    "stages_s": {
                        name: round(took, 1) for name, took in stages[each.number].items()
                    },
                }
                for each in newest
            ],
        }
    )
    context.output.table(
        ["canary", "begun", "outcome", "removed", "stages"],
        [
            [
                each.number,
                each.begun_at.isoformat(timespec="seconds"),
                f"{each.outcome} at {each.stuck_at}" if each.stuck_at else each.outcome,
                "yes" if each.removed_at else "not yet",
                ", ".join(f"{name} {took:.0f} s" for name, took in stages[each.number].items()),
            ]
            for each in newest
        ],
    )
    if not newest:
        context.output.say("No canary has flown: the DAG `canary` is off.")
    if error is None:
        return Exit.WELL
    context.output.error(error)
    return Exit.FINDINGS
