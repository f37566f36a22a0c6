"""``dbb sweep``: delete what killed writers left in a store."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.sweeping import LEAVE_ALONE_S, sweep_store

HELP = "Delete the hidden files and unended uploads that killed writers left in a store."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("endpoint", metavar="E", help="the endpoint whose store it is")
    parser.add_argument(
        "--older-than-s",
        type=int,
        default=LEAVE_ALONE_S,
        metavar="S",
        help="only what was begun before so long (two days)",
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Sweep, and list what went."""
    endpoint = context.settings.endpoint(given.endpoint).name
    swept = sweep_store(context.backbone, endpoint, older_than_s=given.older_than_s)
    context.output.document({"schema": "dbb-sweep/1", "endpoint": endpoint, "swept": swept})
    context.output.table(["swept"], [[name] for name in swept])
    context.output.say(f"{len(swept)} unfinished files went from {endpoint}.")
    return Exit.WELL
