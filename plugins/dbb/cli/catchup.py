"""``dbb catchup``: bring back a range of nights, beside tonight and never before it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.errors import UnknownItem
from dbb.flows.catching_up import (
    DAG_ID,
    Backfill,
    Backfills,
    Progress,
    plan_catch_up,
    progress_of,
    start_catch_up,
)
from dbb.flows.work import catch_up_document
from dbb.model.day_obs import DayObs
from dbb.printable import count

if TYPE_CHECKING:
    from dbb.hooks.maintenance import SqlMaintenance

HELP = "Bring back a range of nights: plan first, then Airflow's backfill, and how far it is."
ACTIONS = {
    "plan": "Say what the nights still have to bring, and when that would have ended; change nothing.",
    "start": "Have Airflow close the nights again, one at a time, in the pool for catching up.",
    "status": "Say how far the newest backfill is: nights done and left.",
    "pause": "Start no further night.",
    "resume": "Go on with a paused backfill.",
    "cancel": "Drop the nights that have not begun; those that have end by themselves.",
}
_CHANGES = {"pause": "pause", "resume": "unpause", "cancel": "cancel"}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    for name in ("plan", "start"):
        leaf = parsers[name]
        leaf.add_argument("--from", required=True, dest="first", metavar="D", help="first night")
        leaf.add_argument("--to", required=True, dest="last", metavar="D", help="last night")
    parsers["start"].add_argument(
        "--nights-at-once", type=int, default=1, metavar="N", help="nights at a time (1)"
    )
    for name in ("status", *_CHANGES):
        parsers[name].add_argument(
            "--number", type=int, metavar="N", help="which backfill; the newest if left out"
        )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    if given.action == "plan":
        return _plan(context, DayObs.parse(given.first), DayObs.parse(given.last))
    backfills = _open_airflow(context)
    if given.action == "start":
        first, last = DayObs.parse(given.first), DayObs.parse(given.last)
        number = start_catch_up(backfills, first, last, given.nights_at_once).number
        context.output.remark(
            f"backfill {number} has begun; `dbb catchup status --watch` follows it"
        )
    else:
        number = _choose(backfills, given.number).number
    if given.action in _CHANGES:
        backfills.change_backfill(number, _CHANGES[given.action])
    progress = progress_of(context.backbone, _choose(backfills, number))
    return _write(context, progress)


def _open_airflow(context: Context) -> Backfills:
    from dbb.hooks.airflow_rest import AirflowRest  # noqa: PLC0415 - `dbb --help` opens nothing

    return AirflowRest.of(context.settings)


def _open_rows(context: Context) -> SqlMaintenance:
    from dbb.wiring.watching import open_maintenance  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_maintenance(context.settings, f"dbb {user_name()}")


def _choose(backfills: Backfills, number: int | None) -> Backfill:
    """Find a backfill; the newest where no number is given."""
    for each in backfills.backfills(DAG_ID):
        if number in (None, each.number):
            return each
    raise UnknownItem.for_name("backfill", str(number or "at all"))


def _plan(context: Context, first: DayObs, last: DayObs) -> Exit:
    plan = plan_catch_up(context.backbone, _open_rows(context), list(DayObs.range(first, last)))
    output = context.output
    output.document(plan.to_json())
    output.table(
        ["night", "exposures left", "bytes"],
        [[night.day_obs, night.exposures, night.size_bytes] for night in plan.nights],
    )
    if not plan.exposures:
        output.say("Nothing is left in these nights.")
        return Exit.WELL
    end = plan.expected_end
    when = (
        f"at the speed of the best hour lately it ends about {end:%Y-%m-%d %H:%M} UTC"
        if end
        else "how long it takes is unknown: nothing was published in the last 30 days"
    )
    output.say(f"{count(plan.exposures, 'exposure')}, {plan.size_bytes:,} bytes; {when}.")
    output.say(f"Next: `dbb catchup start --from {first} --to {last}`.")
    return Exit.FINDINGS


def _write(context: Context, progress: Progress) -> Exit:
    output = context.output
    output.document(catch_up_document(progress))
    left = len(progress.verdicts) - progress.done
    output.say(
        f"Backfill {progress.backfill.number} is {progress.backfill.state}: "
        f"{count(progress.done, 'night')} done, {left} left."
    )
    output.table(["night", "verdict"], [[str(day), verdict] for day, verdict in progress.verdicts])
    is_over = progress.backfill.state == "ended" and left
    return Exit.FINDINGS if is_over else Exit.WELL
