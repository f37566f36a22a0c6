"""``dbb now``: signs of life, the canary, the links, what waits and why."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.now import now_report

HELP = "Show what goes on now: signs of life, the canary, the links, what waits and why."


def configure(parser: argparse.ArgumentParser) -> None:
    """Take no options."""


def run(context: Context, given: argparse.Namespace) -> Exit:  # noqa: ARG001
    """Write what goes on; the exit code tells whether a part is silent."""
    from dbb.wiring.pages import open_views  # noqa: PLC0415 - `dbb --help` opens nothing

    views, output = open_views(context.backbone), context.output
    report = now_report(context.backbone, views.page, views.canaries)
    output.document(report.to_json())
    output.say(report.sentence)
    output.say()
    output.table(
        ["part", "last sign", "pulse", "trouble"],
        [
            [each.part, each.at, each.pulse(report.as_of), each.trouble or "-"]
            for each in report.heartbeats
        ],
    )
    output.say()
    output.table(
        ["endpoint", "units in an hour", "bytes/s", "last"],
        [
            [link.endpoint, link.units, round(link.bytes_per_s), link.last_at]
            for link in report.links
        ],
        is_main=False,
    )
    output.say()
    output.table(
        ["at", "waits for", "deliveries", "since"],
        [
            [each.endpoint, each.waits_for, each.deliveries, each.since_at]
            for each in report.waiting
        ],
        is_main=False,
    )
    return Exit.FINDINGS if report.silent else Exit.WELL
