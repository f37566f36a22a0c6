"""``dbb where``: every place in which an exposure, a parcel or a file is."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit, exit_of
from dbb.flows.finding import find_anything
from dbb.flows.whereabouts import find_copies

HELP = "List every copy: by the ledger, by Rucio, and the files left at the source."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "item", metavar="OBS_ID|UNIT|DID", help="an exposure, a parcel, or scope:name of a file"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write what every place says; a service that is silent is named."""
    backbone, output = context.backbone, context.output
    unit, rows = find_anything(backbone, given.item)
    found = find_copies(backbone, unit, rows)
    output.document(found.to_json())
    if not rows:
        output.say("The ledger does not know this exposure.")
    output.table(
        [
            "unit",
            "endpoint",
            "rse",
            "state",
            "since",
            "verified",
            "rule",
            "stuck since",
            "waits",
            "files",
        ],
        [
            [
                copy.unit.rpartition("/")[2],
                copy.endpoint,
                copy.rse or "-",
                copy.state or "-",
                copy.since_at,
                copy.verified_at,
                "-" if copy.rule is None else str(copy.rule),
                copy.stuck_at,
                copy.waits_for or "-",
                " ".join(copy.replicas) or "-",
            ]
            for copy in found.copies
        ],
    )
    if unit is not None:
        size = sum(file.size_bytes for file in found.source_files)
        output.say()
        source = backbone.policy.source
        output.say(f"{len(found.source_files)} files, {size:,} bytes, lie at {source}.")
    for error in found.silent:
        output.error(error)
    return exit_of(found.silent[0]) if found.silent else Exit.WELL
