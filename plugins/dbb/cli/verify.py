"""``dbb verify``: read copies again from the disk."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.finding import find_night_or_units
from dbb.flows.verifying import find_copies, verify_units

HELP = "Re-read the copies of a night or an exposure, past the page cache, against the manifests."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("item", metavar="DAY_OBS|OBS_ID", help="a night, or one exposure")
    parser.add_argument(
        "--endpoint", action="append", metavar="E", help="only there; may be given again"
    )
    parser.add_argument(
        "--record", action="store_true", help="take bad copies out of use and have them replaced"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write what every reading found; the exit code tells damage."""
    backbone, output = context.backbone, context.output
    publishers = backbone.policy.publishers
    endpoints = [context.settings.endpoint(name).name for name in given.endpoint or publishers]
    rows = find_night_or_units(backbone, given.item)
    output.progress.expect("verify", sum(1 for _ in find_copies(backbone, rows, endpoints)))
    readings = list(verify_units(backbone, rows, endpoints, record=given.record))
    bad = [reading for reading in readings if reading.error is not None]
    output.document(
        {
            "schema": "dbb-verify/1",
            "read": len(readings),
            "damaged": len(bad),
            "readings": [reading.to_json() for reading in readings],
        }
    )
    output.table(
        ["unit", "endpoint", "state", "bytes", "result", "reason"],
        [list(reading.to_json().values()) for reading in readings],
    )
    size = sum(reading.size_bytes for reading in readings)
    output.say()
    output.say(f"{len(readings)} copies, {size:,} bytes read; {len(bad)} are not right.")
    return Exit.DAMAGED if bad else Exit.WELL
