"""``dbb where``: every place in which an exposure is."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit, exit_of
from dbb.errors import UnknownItem
from dbb.flows.finding import find_units, parse_unit
from dbb.flows.whereabouts import find_copies

HELP = "List an exposure's copies: by the ledger, by Rucio, and the files left at the source."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("item", metavar="OBS_ID|DID", help="an exposure, or scope:name of a file")


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write what every place says; a service that is silent is named."""
    backbone, output = context.backbone, context.output
    unit, _ = parse_unit(backbone, given.item)
    try:
        rows = find_units(backbone, given.item)
    except UnknownItem:
        rows = []  # its files may lie at the source all the same
    found = find_copies(backbone, unit, rows)
    output.document(found.to_json())
    if not rows:
        output.say("The ledger does not know this exposure.")
    output.table(
        ["unit", "endpoint", "rse", "state", "since", "verified", "rule", "replicas"],
        [
            [
                copy.unit.rpartition("/")[2],
                copy.endpoint,
                copy.rse or "-",
                copy.state or "-",
                copy.since_at,
                copy.verified_at,
                "-" if copy.rule is None else f"{copy.rule.state} {copy.rule.reason}".strip(),
                " ".join(copy.replicas) or "-",
            ]
            for copy in found.copies
        ],
    )
    source = backbone.policy.source
    size = sum(file.size_bytes for file in found.source_files)
    output.say()
    output.say(f"{len(found.source_files)} files, {size:,} bytes, lie at {source}.")
    for error in found.silent:
        output.error(error)
    return exit_of(found.silent[0]) if found.silent else Exit.WELL
