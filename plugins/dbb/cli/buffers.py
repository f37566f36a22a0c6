"""``dbb buffers``: how full the buffers in Chile are, and how long they last."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.buffers import Level, buffers_document, measure_buffers

HELP = "Show how full the buffers in Chile are, and how long they last with their link down."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument("--noted", action="store_true", help="what was measured last, and when")


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write what was measured; the exit code tells whether somebody must act."""
    from dbb.wiring.pages import open_views  # noqa: PLC0415 - `dbb --help` opens nothing

    views = open_views(context.backbone)
    if not given.noted:
        measure_buffers(context.backbone, views.keeping, context.settings.endpoints.values())
    document = buffers_document(context.backbone, views.page, context.settings.endpoints)
    rows = document["buffers"]
    context.output.document(document)
    context.output.table(
        [
            "buffer",
            "level",
            "used %",
            "used",
            "capacity",
            "files",
            "busiest day",
            "hours left",
            "needed",
        ],
        [["-" if value is None else value for value in row.values()] for row in rows],
    )
    context.output.table(
        ["cache", "rule", "items", "bytes", "oldest", "next goes", "noted"],
        [
            [
                row["endpoint"],
                row["rule"],
                row["items"],
                row["bytes"],
                row["oldest_at"] or "-",
                row["next_at"] or "-",
                row["noted_at"],
            ]
            for row in document["caches"]
        ],
        is_main=False,
    )
    context.output.say(f"Measured at {document['measured_at'] or 'no time yet'}.")
    well = all(row["level"] in (Level.WELL, Level.UNKNOWN) for row in rows)
    return Exit.WELL if well else Exit.FINDINGS
