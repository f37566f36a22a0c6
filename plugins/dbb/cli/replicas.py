"""``dbb replicas``: how many copies there are, how old their readings are, how far reading again is."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.sums import note_sum, replicas_sum

HELP = "Show how many good copies there are, and how old their readings are, at each endpoint."


def configure(parser: argparse.ArgumentParser) -> None:
    """Take no options."""


def run(context: Context, given: argparse.Namespace) -> Exit:  # noqa: ARG001
    """Sum up, note and write the map of copies; the exit code tells whether readings are overdue."""
    from dbb.wiring.pages import open_views  # noqa: PLC0415 - `dbb --help` opens nothing

    output, views = context.output, open_views(context.backbone)
    document = replicas_sum(
        context.backbone, views.keeping, views.page, context.settings.reread_days
    )
    note_sum(context.backbone, "replicas", document)
    output.document(document)
    ages = list(document["endpoints"][0]["ages"]) if document["endpoints"] else []
    output.table(
        ["endpoint", "copies", "overdue", *ages],
        [[row["endpoint"], row["copies"], row["overdue"], *row["ages"].values()]
         for row in document["endpoints"]],
    )  # fmt: skip
    output.say()
    output.table(
        ["good copies", "raw units"], list(document["units_by_copies"].items()), is_main=False
    )
    return Exit.FINDINGS if any(row["overdue"] for row in document["endpoints"]) else Exit.WELL
