"""``dbb efd``: the gaps of the archive of telemetry and of the values made of it, and filling them now."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from dbb.cli import efd_values
from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.efd_archiving import expect_hours, extract_open_cells, find_late_points
from dbb.flows.efd_gaps import Gap, find_gaps
from dbb.flows.efd_sealing import seal_hours

if TYPE_CHECKING:
    from dbb.flows.efd import Efd
    from dbb.model.efd import EfdFile
    from dbb.model.efd_interval import Interval

HELP = "Show the gaps of the EFD and of the values made of it; extract, transform, compare now."
ACTIONS = {
    "status": "List hours of topics, and intervals of values, that are not as they ought to be, and why.",
    "extract": "Extract hours, as the DAG efd_etl does, and put them into parcels.",
    "transform": "Make and publish the values of intervals, as the DAG efd_etl does.",
    "compare": "Compare the values at all endpoints by their hashes.",
}
REMARKS = dt.timedelta(days=10)
"""How far back remarks are listed where no time is given."""


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    for name, each in parsers.items():
        if name == "compare":
            continue
        is_needed = name in {"extract", "transform"}
        for option, target in (("--from", "begin"), ("--to", "end")):
            each.add_argument(
                option, dest=target, metavar="TIME", type=_time, required=is_needed,
                help="UTC, as 2026-11-22T03:00; whole hours count",
            )  # fmt: skip
    parsers["extract"].add_argument(
        "--limit-s", type=int, default=3600, metavar="S", help="how long to go on"
    )
    efd_values.configure(parsers)
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    if given.action == "transform":
        return efd_values.transform(context, given)
    if given.action == "compare":
        return efd_values.compare(context, given)
    efd = _open(context)
    if given.action == "extract":
        _extract(context, efd, given)
    gaps = find_gaps(efd, given.begin, given.end)
    end = given.end or efd.due_until
    remarkable = efd.cells.remarks(given.begin or end - REMARKS, end)
    intervals = efd_values.find_unsettled(context, efd, given.begin, given.end)
    _write(context, gaps, remarkable, intervals)
    return Exit.FINDINGS if gaps or intervals else Exit.WELL


def _extract(context: Context, efd: Efd, given: argparse.Namespace) -> None:
    opened = expect_hours(efd, given.begin, given.end)
    compared = find_late_points(efd, given.begin, given.end)
    try:
        limit = dt.timedelta(seconds=given.limit_s)
        done = extract_open_cells(efd, given.begin, given.end, limit=limit)
        told = ", ".join(f"{number} {name}" for name, number in done.items())
        context.output.remark(f"{opened} opened, {compared['reopened']} opened again; {told}")
    finally:
        for unit in seal_hours(context.backbone, efd):
            context.output.remark(f"{unit} is archived; `parcel_transfer` publishes it")


def _time(text: str) -> dt.datetime:
    time = dt.datetime.fromisoformat(text)
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def _open(context: Context) -> Efd:
    from dbb.wiring.efd import open_efd_extraction  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_efd_extraction(context.settings, context.backbone, f"dbb {user_name()}")


def _write(
    context: Context, gaps: list[Gap], remarkable: list[EfdFile], intervals: list[Interval]
) -> None:
    rows = [
        {
            **dataclasses.asdict(gap),
            "begin": gap.begin.isoformat(timespec="minutes"),
            "end": gap.end.isoformat(timespec="minutes"),
        }
        for gap in gaps
    ]
    remarks = [
        {
            "topic": file.topic,
            "begin": file.begin.isoformat(timespec="minutes"),
            "code": code,
            "reason": why,
        }
        for file in remarkable
        for code, why in file.notes.items()
    ]
    unsettled = efd_values.as_rows(intervals)
    context.output.document(
        {
            "schema": "dbb-efd-status/1",
            "gaps": rows,
            "remarks": remarks,
            "intervals": unsettled,
        }
    )
    context.output.table(
        ["topic", "from", "to", "hours", "state", "code", "reason"],
        [
            [row[name] for name in ("topic", "begin", "end", "hours", "state", "code", "reason")]
            for row in rows
        ],
    )
    context.output.table(
        ["topic", "hour", "code", "remark"], [list(row.values()) for row in remarks], is_main=False
    )
    efd_values.write_table(context, unsettled, is_main=False)
    if not rows and not unsettled:
        context.output.say("There is no gap.")
