"""``dbb retry``: let what stands aside re-enter at the right step."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.errors import UnknownItem
from dbb.flows.backbone import Backbone
from dbb.flows.deciding import Signature
from dbb.flows.finding import find_anything
from dbb.flows.retrying import retry_units
from dbb.ports.ledger import UnitRow

HELP = (
    "Try an exposure or a parcel again: quarantined, suspect, missing or lost deliveries re-enter."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("obs_ids", metavar="OBS_ID", nargs="+", help="exposures or parcels")
    parser.add_argument("--by", default=user_name(), help="who asks; you, if left out")
    parser.add_argument("--why", default="asked for", help="the reason, for the history")


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write what was done to each delivery."""
    backbone, output = context.backbone, context.output
    rows = [row for item in given.obs_ids for row in _find(backbone, item)]
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


def _find(backbone: Backbone, item: str) -> list[UnitRow]:
    _, rows = find_anything(backbone, item)
    if not rows:
        raise UnknownItem.for_name("exposure", item)
    return rows
