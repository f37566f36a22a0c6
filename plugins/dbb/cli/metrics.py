"""``dbb metrics``: what dashboards show, in the text form of Prometheus."""

from __future__ import annotations

import argparse
import sys

from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.cli.output import Form
from dbb.flows.metrics import Meters, exposition, measure

HELP = "Measure once, in the text form of Prometheus: for its collector of text files."


def configure(parser: argparse.ArgumentParser) -> None:
    """Take no options."""


def run(context: Context, given: argparse.Namespace) -> Exit:  # noqa: ARG001
    """Write the values."""
    metrics = measure(_open(context))
    rows = [{"name": m.name, "value": m.value, "tags": dict(m.tags)} for m in metrics]
    context.output.document({"schema": "dbb-metrics/1", "metrics": rows})
    if context.output.form is not Form.JSON:
        sys.stdout.write(exposition(metrics))
    return Exit.WELL


def _open(context: Context) -> Meters:
    from dbb.wiring.watching import open_meters  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_meters(context.settings, f"dbb {user_name()}")
