"""``dbb where``: every place in which an exposure, a parcel or a file is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dbb.cli.context import Context
from dbb.cli.exits import Exit, exit_of
from dbb.errors import UnknownItem
from dbb.flows.finding import find_anything
from dbb.flows.reading_urls import sign_urls
from dbb.flows.whereabouts import find_copies
from dbb.ports.ledger import UnitRow

HELP = "List every copy: by the ledger, by Rucio, and the files left at the source."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "item", metavar="OBS_ID|UNIT|DID", help="an exposure, a parcel, or scope:name of a file"
    )
    parser.add_argument(
        "--url", action="store_true", help="sign an address for each file, which anybody can read"
    )
    parser.add_argument(
        "--valid-s", type=int, default=3600, metavar="S", help="how long it is good (an hour)"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write what every place says; a service that is silent is named."""
    backbone, output = context.backbone, context.output
    unit, rows = find_anything(backbone, given.item)
    if given.url:
        if not rows:
            raise UnknownItem.for_name("verified copy", given.item)
        return _sign(context, rows, given.valid_s)
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


def _sign(context: Context, rows: Sequence[UnitRow], valid_s: int) -> Exit:
    """Write the addresses only: they are made to be handed on."""
    signed = sign_urls(context.backbone, rows, valid_s)
    context.output.document(
        {
            "schema": "dbb-urls/1",
            "valid_s": valid_s,
            "urls": [
                {"did": str(item.did), "endpoint": item.endpoint, "url": item.url}
                for item in signed
            ],
        }
    )
    context.output.table(
        ["file", "endpoint", "url"], [[str(item.did), item.endpoint, item.url] for item in signed]
    )
    return Exit.WELL
