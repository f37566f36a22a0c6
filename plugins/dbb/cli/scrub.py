"""``dbb scrub``: how old the readings of copies are, and reading them again now."""

from __future__ import annotations

import argparse
import datetime as dt
import os

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.scrubbing import Coverage, Readings, find_coverage, reread_copies

HELP = "Show how old the readings of copies are; read the oldest again now."
ACTIONS = {
    "status": "Show for each endpoint how old its oldest reading is, and what is overdue.",
    "run": "Read the copies whose turn it is, as the DAGs scrub_<endpoint> do.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    for each in parsers.values():
        each.add_argument(
            "--endpoint", action="append", metavar="E", help="only there; may be given again"
        )
    parsers["run"].add_argument(
        "--share-s", type=int, default=3000, metavar="S", help="the time that the run stands for"
    )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    settings = context.settings
    names = given.endpoint or [settings.raw.archive, *settings.receivers]
    readings = _open(context)
    damaged = 0
    coverage = []
    for name in names:
        period = dt.timedelta(days=settings.endpoint(name).reread_days)
        if given.action == "run":
            share = dt.timedelta(seconds=given.share_s)
            done = reread_copies(
                context.backbone, readings, name, period, share, len(os.sched_getaffinity(0))
            )
            damaged += done.damaged
            context.output.remark(
                f"{name}: {done.copies} copies, {done.size_bytes:,} bytes read, "
                f"{done.damaged} not right; ended by: {done.stopped}"
            )
        coverage.append(find_coverage(context.backbone, readings, name, period))
    _write(context, coverage)
    if damaged:
        return Exit.DAMAGED
    return Exit.FINDINGS if any(each.overdue for each in coverage) else Exit.WELL


def _open(context: Context) -> Readings:
    from dbb.wiring.keeping import open_keeping  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_keeping(context.settings, f"dbb {user_name()}")


def _write(context: Context, coverage: list[Coverage]) -> None:
    rows = [each.to_json() for each in coverage]
    context.output.document({"schema": "dbb-scrub/1", "endpoints": rows})
    context.output.table(
        ["endpoint", "copies", "bytes", "overdue", "oldest reading", "needed bytes/s", "damaged"],
        [["-" if value is None else value for value in row.values()] for row in rows],
    )
