"""``dbb outages``: when nothing was published although exposures waited, over a year."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.outage_history import YEAR_DAYS
from dbb.flows.outages import account_outages

HELP = "Show when the archive published nothing although exposures waited, over a year."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--days", type=int, default=YEAR_DAYS, metavar="D", help="of the last so many days (365)"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the account; the exit code tells whether an outage lasts, or was too long."""
    from dbb.wiring.pages import open_outages  # noqa: PLC0415 - `dbb --help` opens nothing

    report = account_outages(context.backbone, open_outages(context.backbone), given.days)
    context.output.document(report.to_json())
    context.output.say(report.sentence)
    context.output.table(
        ["begun", "ended", "hours", "planned", "unplanned", "too long"],
        [
            [
                f"{each.begun_at:%Y-%m-%d %H:%M:%S}",
                "lasts" if each.lasts else f"{each.until:%Y-%m-%d %H:%M:%S}",
                row["hours"],
                row["planned_hours"],
                row["unplanned_hours"],
                "yes" if each.is_too_long else "no",
            ]
            for each, row in zip(report.outages, report.to_json()["outages"], strict=True)
        ],
    )
    return Exit.WELL if report.is_well else Exit.FINDINGS
