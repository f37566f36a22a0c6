"""``dbb nights``: the verdict on several nights at once."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.night_sums import NightRows
from dbb.flows.nights import NIGHTS, nights_report
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import DayObs

HELP = "Say how the last nights stand, and whether the summit's buffer may be released."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--last", metavar="DAY_OBS", default="", help="the last of them; the newest if left out"
    )
    parser.add_argument(
        "--number", type=int, default=NIGHTS, metavar="N", help=f"how many ({NIGHTS})"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the verdict first; the exit code tells nights that need a person."""
    output = context.output
    last = DayObs.parse(given.last) if given.last else None
    report = nights_report(context.backbone, _open(context), last, given.number)
    output.document(report.to_json())
    output.say(report.sentence)
    output.say(report.release_sentence)
    output.say()
    output.table(
        [
            "night",
            "verdict",
            "exposures",
            "safe",
            "waiting",
            "act",
            "rejected",
            "held",
            "at source",
        ],
        [
            [
                night.day_obs,
                night.verdict,
                night.exposures,
                night.standings["safe"],
                night.standings["waiting"],
                night.standings["act"],
                night.standings["rejected"],
                night.held_refusals,
                night.at_source,
            ]
            for night in report.nights
            if night.verdict is not Verdict.EMPTY
        ],
    )
    bad = report.verdict in (Verdict.ACT, Verdict.UNKNOWN)
    return Exit.FINDINGS if bad else Exit.WELL


def _open(context: Context) -> NightRows:
    from dbb.wiring.pages import open_nights  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_nights(context.backbone)
