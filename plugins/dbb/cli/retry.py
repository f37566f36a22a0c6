"""``dbb retry``: let what stands aside re-enter at the right step."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.deciding import Signature
from dbb.flows.finding import find_units
from dbb.flows.retrying import retry_units

HELP = "Try an exposure again: quarantined, suspect, missing or lost deliveries re-enter."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("obs_ids", metavar="OBS_ID", nargs="+", help="exposures")
    parser.add_argument("--by", default=user_name(), help="who asks; you, if left out")
    parser.add_argument("--why", default="asked for", help="the reason, for the history")


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write what was done to each delivery."""
    backbone, output = context.backbone, context.output
    rows = [row for obs_id in given.obs_ids for row in find_units(backbone, obs_id)]
    done = retry_units(backbone, rows, Signature(given.by, given.why))
    columns = ["unit", "endpoint", "done"]
    output.document(
        {
            "schema": "dbb-retry/1",
            "done": [dict(zip(columns, line, strict=True)) for line in done],
        }
    )
    output.table(columns, done)
    output.say()
    output.say(
        f"{len(done)} deliveries re-entered; the next run takes them on."
        if done
        else "Nothing stands aside; nothing was changed."
    )
    return Exit.WELL
