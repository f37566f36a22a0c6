"""``dbb maintenance``: hold everything, and let it go on."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.errors import DrainUnfinished
from dbb.flows.maintenance import (
    Maintenance,
    MaintenanceRows,
    Scheduling,
    Working,
    drain,
    lasting,
    maintenance_document,
    others,
    resume,
)

HELP = "Hold everything for a maintenance, with nothing lost, and let it go on."
ACTIONS = {
    "drain": "Have Airflow start nothing more, and wait until what runs has ended.",
    "status": "Say whether a maintenance lasts, and what still runs.",
    "resume": "Start again what ran before, and nothing else.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["drain"].add_argument(
        "--reason", required=True, metavar="REASON", help="why, for the record"
    )
    parsers["drain"].add_argument(
        "--within-s", type=float, default=300, metavar="S", help="how long to wait (300)"
    )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    scheduling, rows = _open(context)
    if given.action == "drain":
        try:
            drain(scheduling, rows, given.reason, given.within_s, time.sleep, _teller(context))
        except DrainUnfinished as error:
            _write(context, lasting(rows), others(scheduling))
            context.output.error(error)
            return Exit.FINDINGS
    elif given.action == "resume" and resume(scheduling, rows) is None:
        context.output.say("No maintenance lasts: there is nothing to resume.")
    maintenance = lasting(rows)
    _write(context, maintenance, others(scheduling) if maintenance else [])
    return Exit.WELL


def _open(context: Context) -> tuple[Scheduling, MaintenanceRows]:
    from dbb.hooks.airflow_rest import AirflowRest  # noqa: PLC0415 - `dbb --help` opens nothing
    from dbb.wiring.watching import open_maintenance  # noqa: PLC0415

    rows = open_maintenance(context.settings, f"dbb {user_name()}")
    return AirflowRest.of(context.settings), rows


def _teller(context: Context) -> Callable[[Sequence[Working]], None]:
    def tell(working: Sequence[Working]) -> None:
        context.output.remark(f"{len(working)} still run, the first is {working[0]}")

    return tell


def _write(context: Context, lasts: Maintenance | None, working: Sequence[Working]) -> None:
    context.output.document(maintenance_document(lasts, working))
    if lasts is None:
        context.output.say("No maintenance lasts: Airflow starts what is due.")
        return
    context.output.say(
        f"Maintenance {lasts.number} since {lasts.begun_at:%Y-%m-%d %H:%M:%S} UTC by {lasts.begun_by}: "
        f"{lasts.reason}. {len(lasts.dags)} DAGs are held, {len(working)} tasks still run."
    )
    context.output.table(
        ["dag", "still runs"],
        [
            [dag_id, " ".join(each.task_id for each in working if each.dag_id == dag_id) or "-"]
            for dag_id in lasts.dags
        ],
    )
    context.output.say("Next: `dbb maintenance resume` when the work is done.")
