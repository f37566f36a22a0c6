"""``dbb lag``: how long nights took to become public, against their limits."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.lag_report import NIGHTS, lag_report
from dbb.model.day_obs import DayObs

HELP = "Show how long the last nights took to become public, and the calibrations under way."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--last", metavar="DAY_OBS", default="", help="the last night; tonight if left out"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the lags; the exit code tells whether a limit is broken."""
    output = context.output
    last = DayObs.parse(given.last) if given.last else None
    report = lag_report(context.backbone, last, NIGHTS)
    output.document(report.to_json())
    output.say(report.sentence)
    output.say()
    output.table(
        [
            "night",
            "endpoint",
            "published",
            "open",
            "p50_s",
            "p95_s",
            "max_s",
            "longest open_s",
            "late",
        ],
        [
            ["-" if value is None else value for value in each.to_json(report.as_of).values()]
            for each in report.nights
        ],
    )
    output.say()
    output.table(
        ["calibration", "state", "total_s", "left_s"],
        [
            [row["unit"], row["state"], row["total_s"], row["left_s"]]
            for row in report.to_json()["calibrations"]
        ],
        is_main=False,
    )
    return Exit.FINDINGS if report.sentence.startswith("ACT") else Exit.WELL
