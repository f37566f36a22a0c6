"""``dbb alarms``: what somebody must know now, and what was."""

from __future__ import annotations

import argparse

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.alarming import Watch, look

HELP = "Show the alarms; look for causes and tell the channels, as the DAG alarm_watch does."
ACTIONS = {
    "list": "List the open alarms, the oldest first; the log with --all.",
    "watch": "Run every check once, and tell the channels what is new.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["list"].add_argument("--all", action="store_true", help="also what is over")
    parsers["list"].add_argument(
        "--last", type=int, default=50, metavar="NUMBER", help="of --all, how many (50)"
    )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the alarms; the exit code tells whether one is open."""
    watch = _open(context)
    if given.action == "watch":
        shown = look(watch)
    else:
        shown = watch.rows.newest(given.last) if given.all else watch.rows.open_alarms()
    is_well = not any(alarm.ended_at is None for alarm in shown)
    context.output.document(
        {"schema": "dbb-alarms/1", "alarms": [alarm.to_json() for alarm in shown]}
    )
    if is_well:
        context.output.say("No alarm is open.")
    context.output.table(
        ["number", "code", "where", "since", "over", "what", "next"],
        [
            [
                alarm.number,
                alarm.code,
                alarm.where,
                f"{alarm.since_at:%Y-%m-%d %H:%M:%S}",
                f"{alarm.ended_at:%Y-%m-%d %H:%M:%S}" if alarm.ended_at else "-",
                alarm.what,
                alarm.next_action,
            ]
            for alarm in shown
        ],
    )
    return Exit.WELL if is_well else Exit.FINDINGS


def _open(context: Context) -> Watch:
    from dbb.wiring import open_watch  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_watch(context.settings, f"dbb {user_name()}")
