"""The second half of ``dbb efd``: the values that are made of telemetry, here and at the endpoints."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit, exit_of
from dbb.errors import DbbError, DecisionImpossible, UnknownItem
from dbb.flows.efd_intervals import look_at, make_intervals, plan_intervals
from dbb.flows.efd_replicating import compare_values
from dbb.model.efd import HOUR, hour_of
from dbb.model.efd_interval import Interval, IntervalState

if TYPE_CHECKING:
    from dbb.flows.efd import Efd
    from dbb.flows.efd_intervals import IntervalPorts, Intervals
    from dbb.flows.efd_replicating import Hashes

COLUMNS = ("interval", "state", "code", "exposures", "attempts", "publication", "reason")
SHOWN = 20


def configure(parsers: dict[str, argparse.ArgumentParser]) -> None:
    """Add the options of ``transform`` and ``compare``."""
    transform = parsers["transform"]
    transform.add_argument("--instrument", default="", help="only of this one")
    transform.add_argument(
        "--accept", default="", metavar="REASON",
        help="publish the one interval of the span, of one instrument, although it was refused",
    )  # fmt: skip
    parsers["compare"].add_argument("--endpoint", default="", help="only this one")


def find_unsettled(
    context: Context, efd: Efd, begin: dt.datetime | None, end: dt.datetime | None
) -> list[Interval]:
    """List the intervals that wait, failed or were refused, and those that nobody has looked at."""
    known, due = _open_intervals(context), efd.due_until
    first = efd.cells.first()
    lower, upper = begin or first, min(end or due, due)
    found: list[Interval] = []
    if lower is None:
        return found
    for instrument in context.settings.raw.instruments:
        there = {
            each.begin: each for each in known.unsettled(instrument) if lower <= each.begin < upper
        }
        for hour in known.hours_without_values(instrument, lower, upper) - there.keys():
            reason = "nobody has looked at it yet, or an exposure came late"
            there[hour] = Interval(instrument, hour, IntervalState.OPEN, reason=reason)
        found += [there[hour] for hour in sorted(there)]
    return found


def transform(context: Context, given: argparse.Namespace) -> Exit:
    """Make the intervals of a span, and whatever else is open."""
    opened = _open_transform(context)
    if given.instrument and given.instrument not in opened:
        raise UnknownItem.for_name("instrument with a transformation", given.instrument)
    chosen = [given.instrument] if given.instrument else sorted(opened)
    accept = _accepted(opened, given) if given.accept else {}
    error: DbbError | None = None
    for name in chosen:
        hours = [each.begin for each in plan_intervals(opened[name], given.begin, given.end)]
        try:
            done = make_intervals(opened[name], hours, accept)
            told = ", ".join(f"{number} {what}" for what, number in done.items())
            context.output.remark(f"{name}: {told}")
        except DbbError as wrong:
            context.output.error(wrong)
            error = wrong
    rows = as_rows(
        each
        for name in chosen
        for each in look_at(opened[name], given.begin, given.end, is_all=False)
    )
    context.output.document({"schema": "dbb-efd-intervals/1", "intervals": rows})
    write_table(context, rows)
    is_well = error is None and all(row["state"] == IntervalState.PUBLISHED for row in rows)
    return Exit.WELL if is_well else Exit.FINDINGS


def _accepted(
    opened: dict[str, IntervalPorts], given: argparse.Namespace
) -> dict[dt.datetime, str]:
    """Name the interval that is accepted: it must be one, and refused."""
    begin = hour_of(given.begin)
    if not given.instrument or given.end > begin + HOUR:
        why = "one interval is accepted at a time: --instrument, and one hour from --from to --to"
        raise DecisionImpossible.for_refusal(given.begin.isoformat(), why)
    ports = opened[given.instrument]
    known = ports.intervals.intervals(given.instrument, begin, begin + HOUR)
    if not known or known[0].state is not IntervalState.REFUSED:
        state = known[0].state if known else "not known"
        raise DecisionImpossible.for_refusal(
            f"{given.instrument}/{begin:%Y-%m-%dT%H}", f"it is {state}"
        )
    return {begin: given.accept}


def compare(context: Context, given: argparse.Namespace) -> Exit:
    """Compare the endpoints that have a database of values with the archive; one that is away costs only itself."""
    archive, there = _open_values(context, given.endpoint)
    clock = context.backbone.clock
    rows: list[dict[str, Any]] = []
    silent: dict[str, DbbError] = {}
    for name, open_there in there.items():
        try:
            found = compare_values(archive, name, open_there(), clock)
        except DbbError as error:
            silent[name] = error
            continue
        late = found.late_since
        rows.append(
            {
                "endpoint": name,
                "publication": found.publication_id,
                "behind": found.behind,
                "late_since": None if late is None else late.isoformat(timespec="minutes"),
                "days": found.compared,
                "differ": list(found.differ),
            }
        )
    context.output.document(
        {
            "schema": "dbb-efd-compare/1",
            "endpoints": rows,
            "silent": {name: str(error) for name, error in silent.items()},
        }
    )
    context.output.table(
        ["endpoint", "publication", "behind", "late since", "days", "rows that differ"],
        [
            [
                row["endpoint"], row["publication"], row["behind"], row["late_since"] or "-",
                row["days"], len(row["differ"]),
            ]
            for row in rows
        ],
    )  # fmt: skip
    context.output.table(
        ["endpoint", "row that differs"],
        [[row["endpoint"], key] for row in rows for key in row["differ"][:SHOWN]],
        is_main=False,
    )
    if not there:
        context.output.say("No endpoint has a database of values (DBB_EFD_VALUES_<ENDPOINT>).")
    for name, fault in silent.items():
        context.output.remark(f"{name} was not compared.")
        context.output.error(fault)
    if any(row["differ"] or row["late_since"] for row in rows):
        return Exit.FINDINGS
    return exit_of(next(iter(silent.values()))) if silent else Exit.WELL


def as_rows(intervals: Iterable[Interval]) -> list[dict[str, Any]]:
    """Write intervals as a program reads them."""
    return [
        {
            "interval": each.name,
            "state": str(each.state),
            "code": each.code,
            "exposures": each.exposures,
            "attempts": each.attempts,
            "publication": each.publication_id,
            "reason": each.reason,
        }
        for each in intervals
    ]


def write_table(context: Context, rows: list[dict[str, Any]], *, is_main: bool = True) -> None:
    """Write them as a person reads them."""
    cells = [[row[name] or "-" for name in COLUMNS] for row in rows]
    context.output.table(COLUMNS, cells, is_main=is_main)


def _open_intervals(context: Context) -> Intervals:
    from dbb.wiring.efd import open_efd_intervals  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_efd_intervals(context.settings, f"dbb {user_name()}")


def _open_transform(context: Context) -> dict[str, IntervalPorts]:
    from dbb.wiring.efd import open_efd_transform  # noqa: PLC0415 - a slow import

    context.backbone  # noqa: B018 - the ledger's schema is checked
    return open_efd_transform(context.settings, f"dbb {user_name()}")


def _open_values(context: Context, endpoint: str) -> tuple[Hashes, dict[str, Callable[[], Hashes]]]:
    from dbb.wiring.efd import open_efd_values, open_hashes  # noqa: PLC0415 - a slow import

    settings, who = context.settings, f"dbb {user_name()}"
    if endpoint:
        settings.endpoint(endpoint)
        settings.value(f"DBB_EFD_VALUES_{endpoint.upper()}")
    context.backbone  # noqa: B018 - the ledger's schema is checked
    chosen = [endpoint] if endpoint else settings.values_at

    def opening(name: str) -> Callable[[], Hashes]:
        return lambda: open_efd_values(settings, name, who)[1]

    return open_hashes(settings, who), {name: opening(name) for name in chosen}
