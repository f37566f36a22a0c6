"""``dbb budget``: how much loss is allowed, spent and suspected."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.sums import (
    READING_COUNTS_DAYS,
    budget_sentences,
    budget_sum,
    note_sum,
)

HELP = "Show how many raw images may be lost, how many are, and what can be claimed."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--days",
        type=int,
        default=READING_COUNTS_DAYS,
        metavar="D",
        help="a reading counts for so long (90)",
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the account; the exit code tells whether the budget is kept."""
    from dbb.wiring.pages import open_views  # noqa: PLC0415 - `dbb --help` opens nothing

    views = open_views(context.backbone)
    document = budget_sum(context.backbone, views.keeping, views.drills, given.days)
    if given.days == READING_COUNTS_DAYS:  # what the page shows
        note_sum(context.backbone, "budget", document)
    row, campaign = document["loss"], document["campaign"]
    context.output.document(document)
    context.output.table(["raw images", "number"], [list(item) for item in row.items()])
    for sentence in budget_sentences(document):
        context.output.say(sentence)
    if campaign is None:
        context.output.say("No campaign of planted damage is on record: benchmarks/corruptions.py.")
    return Exit.WELL if row["kept"] else Exit.FINDINGS
