"""``dbb alarms``: what somebody must know now, and what was."""

from __future__ import annotations

import argparse

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.alarm_log import NEWEST, AlarmLog, alarm_report
from dbb.flows.alarming import Watch, look
from dbb.ports.clock import Clock

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
        "--last", type=int, default=NEWEST, metavar="NUMBER", help="of --all, how many (50)"
    )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the alarms; the exit code tells whether one is open."""
    if given.action == "watch":
        look(_open_watch(context))
    log, clock = _open_log(context)
    report = alarm_report(log, clock, given.last if given.action == "list" and given.all else 0)
    context.output.document(report.to_json())
    context.output.say(report.sentence)
    context.output.table(
        ["number", "code", "where", "since", "over", "told", "what", "next"],
        [
            [
                alarm.number,
                alarm.code,
                alarm.where,
                f"{alarm.since_at:%Y-%m-%d %H:%M:%S}",
                f"{alarm.ended_at:%Y-%m-%d %H:%M:%S}" if alarm.ended_at else "-",
                " ".join(sorted({each.channel for each in report.told.get(alarm.number, ())}))
                or "-",
                alarm.what,
                alarm.next_action,
            ]
            for alarm in report.alarms
        ],
    )
    return Exit.FINDINGS if report.open else Exit.WELL


def _open_watch(context: Context) -> Watch:
    from dbb.wiring.watching import open_watch  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_watch(context.settings, f"dbb {user_name()}")


def _open_log(context: Context) -> tuple[AlarmLog, Clock]:
    from dbb.wiring.pages import open_views  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_views(context.backbone).alarms, context.backbone.clock
