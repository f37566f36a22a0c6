"""``dbb buffers``: how full the buffers in Chile are, and how long they last."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.buffers import BufferRows, Level, measure_buffers

HELP = "Show how full the buffers in Chile are, and how long they last with their link down."


def configure(parser: argparse.ArgumentParser) -> None:
    """Take no options."""


def run(context: Context, given: argparse.Namespace) -> Exit:  # noqa: ARG001
    """Write what was measured; the exit code tells whether somebody must act."""
    buffers = measure_buffers(context.backbone, _open(context), context.settings.endpoints.values())
    rows = [buffer.to_json() for buffer in buffers]
    context.output.document({"schema": "dbb-buffers/1", "buffers": rows})
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
    well = all(buffer.level in (Level.WELL, Level.UNKNOWN) for buffer in buffers)
    return Exit.WELL if well else Exit.FINDINGS


def _open(context: Context) -> BufferRows:
    from dbb.wiring import open_keeping  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_keeping(context.settings, f"dbb {user_name()}")
