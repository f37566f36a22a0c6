"""The releases that ``dbb qserv`` waits for, and the list that tells when one is whole."""

from __future__ import annotations

import argparse
import json

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.qserv_ids import compare_ids
from dbb.flows.qserv_releases import list_release, look_for_releases


def show_releases(context: Context, given: argparse.Namespace) -> Exit:
    """Show which lists are delivered, and what each waits for."""
    from dbb.hooks.qserv.planning import load_overlay  # noqa: PLC0415 - a slow import
    from dbb.wiring.qserv import open_qserv_records  # noqa: PLC0415 - `dbb --help` opens nothing

    settings = context.settings
    found = look_for_releases(
        context.backbone,
        open_qserv_records(settings),
        [name for name in settings.qservs if given.endpoint in ("", name)],
        lambda release: load_overlay(settings.include / "qserv", release),
    )
    rows = [
        {
            "endpoint": each.endpoint,
            "release": each.release,
            "waits": each.reason or "no: it is due",
        }
        for each in found
        if given.release in ("", each.release)
    ]
    context.output.document({"schema": "dbb-qserv-releases/1", "releases": rows})
    if rows:
        context.output.table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        context.output.remark("No list of a release is delivered where there is a Qserv.")
    return Exit.WELL


def print_list(context: Context, given: argparse.Namespace) -> Exit:
    """Print the list of what an endpoint serves of a release."""
    from dbb.hooks.qserv.planning import load_overlay  # noqa: PLC0415 - a slow import

    overlay = load_overlay(context.settings.include / "qserv", given.release)
    told = list_release(context.backbone, given.endpoint, overlay)
    context.output.document(json.loads(told.data))
    context.output.table(["parcel", "manifest"], [list(each) for each in told.parcels.items()])
    return Exit.WELL


def compare_releases(context: Context, given: argparse.Namespace) -> Exit:
    """Compare the keys of all releases that an endpoint serves; the exit code tells whether two share any."""
    from dbb.hooks.qserv.key_files import ParquetKeys  # noqa: PLC0415 - a slow import
    from dbb.hooks.qserv.planning import load_overlay  # noqa: PLC0415 - a slow import

    folder = context.settings.include / "qserv"
    overlays = [load_overlay(folder, path.stem) for path in sorted(folder.glob("*.yaml"))]
    report = compare_ids(context.backbone, ParquetKeys(), given.endpoint, overlays)
    document = report.to_json()
    context.output.document(document)
    context.output.say(report.sentence)
    context.output.table(
        ["release", "table", "keys"], [list(row.values()) for row in document["tables"]]
    )
    context.output.table(
        ["table", "release", "other", "keys", "example"],
        [list(row.values()) for row in document["shared"]],
        is_main=False,
    )
    for line in report.unread:
        context.output.remark(line)
    return Exit.WELL if report.is_well else Exit.FINDINGS
