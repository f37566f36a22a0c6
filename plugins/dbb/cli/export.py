"""``dbb export``: make an export for somebody outside, verify it, repair it, list what was sent."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.errors import BadDocument
from dbb.flows.export_bag import send_tar, write_tar
from dbb.flows.export_ports import ExportPorts
from dbb.flows.export_repairing import repair_export
from dbb.flows.exporting import make_export, plan_export
from dbb.hooks.exports import SqlExports
from dbb.hooks.posix_store import PosixStore
from dbb.model.export import ExportOrder
from dbb.settings import Settings
from dbb.verify_bag import print_report, verify

HELP = "Export datasets for somebody outside: signed, verified offline, repaired."
ACTIONS = {
    "make": "Select, pin and copy datasets into a signed bag; go on with one that was interrupted.",
    "verify": "Read every byte of a bag again, offline; the same program lies in the bag.",
    "repair": "Fetch exactly what is missing or changed in a bag.",
    "list": "List the exports that were made, and until when they are needed.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    _configure_make(parsers["make"])
    for name in ("verify", "repair"):
        parsers[name].add_argument(
            "bag", metavar="BAG", help="the bag's folder (to verify: or a tar)"
        )
        parsers[name].add_argument(
            "--signers", metavar="FILE", help="keys to believe (allowed_signers)"
        )
    parsers["verify"].add_argument(
        "--without-signature", action="store_true", help="do not ask who made it"
    )
    parsers["repair"].add_argument(
        "--record", type=Path, metavar="FILE", help="NAME.record.tar, if not beside the bag"
    )
    return parsers


def _configure_make(make: argparse.ArgumentParser) -> None:
    make.add_argument("name", metavar="NAME", help="the export's name")
    make.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where exports lie")
    make.add_argument("--endpoint", help="whose datasets (the archive)")
    make.add_argument(
        "--collection", action="append", required=True, metavar="NAME", help="again for more"
    )
    make.add_argument(
        "--dataset-type", action="append", required=True, metavar="NAME", help="again for more"
    )
    make.add_argument("--where", default="", help="an expression of Butler's query language")
    make.add_argument("--bind", default="{}", metavar="JSON", help="values of names in --where")
    make.add_argument("--id", action="append", default=[], metavar="UUID", help="a dataset by name")
    make.add_argument(
        "--data-id", action="append", default=[], metavar="JSON", help="a data id by name"
    )
    make.add_argument(
        "--find-first", action="store_true", help="only the first collection that has it"
    )
    make.add_argument("--owner", default="", help="who answers for it (you)")
    make.add_argument("--title", default="", help="what it is")
    make.add_argument("--licence", default="", help="an SPDX name or URL")
    make.add_argument("--ends-on", default="", metavar="DATE", help="when nobody needs it any more")
    make.add_argument(
        "--since", default="", metavar="TIME", help="only what is served since then (ISO 8601, UTC)"
    )
    make.add_argument(
        "--since-export", default="", metavar="NAME", help="only what this earlier export has not"
    )
    make.add_argument("--leave-out", action="store_true", help="list what is not available, go on")
    make.add_argument("--unsigned", action="store_true", help="make it without a signature")
    make.add_argument("--plan", action="store_true", help="pin and count; copy nothing")
    make.add_argument(
        "--limit-bytes", type=int, default=0, metavar="BYTES", help="refuse larger ones"
    )
    make.add_argument(
        "--tar", metavar="FILE", help="write it as one tar too; s3://… or - for stdout"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    action = {"make": _make, "verify": _verify, "repair": _repair, "list": _list}[given.action]
    return action(context, given)


def _open(settings: Settings, *, is_signed: bool) -> ExportPorts:
    from dbb.wiring.keeping import open_exports  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_exports(settings, f"dbb {user_name()}", is_signed=is_signed)


def _open_rows(settings: Settings) -> SqlExports:
    from dbb.wiring.base import open_ledger  # noqa: PLC0415 - `dbb --help` opens nothing

    return SqlExports(open_ledger(settings, ""))


def _order(context: Context, given: argparse.Namespace) -> ExportOrder:
    endpoint = context.settings.endpoint(given.endpoint or context.settings.raw.archive)
    return ExportOrder.parse(
        {
            "name": given.name,
            "endpoint": endpoint.name,
            "collections": given.collection,
            "dataset_types": given.dataset_type,
            "where": given.where,
            "bind": _json("--bind", given.bind),
            "ids": given.id,
            "data_ids": [_json("--data-id", text) for text in given.data_id],
            "find_first": given.find_first,
            "owner": given.owner or user_name(),
            "title": given.title,
            "licence": given.licence,
            "ends_on": given.ends_on,
            "since": given.since,
            "since_export": given.since_export,
        }
    )


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadDocument.for_document(option, str(error)) from None


def _make(context: Context, given: argparse.Namespace) -> Exit:
    order, folder = _order(context, given), given.to.absolute()
    ports = _open(context.settings, is_signed=not given.unsigned)
    if given.plan:
        totals = plan_export(context.backbone, ports, order, folder, leave_out=given.leave_out)
        document = dict(zip(("datasets", "files", "bytes"), totals, strict=True))
        context.output.document({"schema": "dbb-export-planned/1", "name": order.name, **document})
        context.output.say(
            f"{order.name}: {totals[0]:,} datasets, {totals[1]:,} files, {totals[2]:,} bytes; pinned, nothing copied"
        )
        return Exit.WELL
    made = make_export(
        context.backbone, ports, order, folder,
        leave_out=given.leave_out, limit_bytes=given.limit_bytes, tell=_Progress(context).tell,
    )  # fmt: skip
    if given.tar:
        _write_tar(Path(made.place), given.tar)
    for unit in made.unserved:
        context.output.remark(f"{order.endpoint} does not serve {unit} now: it may belong to it")
    context.output.document(
        {
            "schema": "dbb-export-made/1",
            "name": order.name,
            "place": made.place,
            "datasets": made.datasets,
            "files": made.files,
            "bytes": made.size_bytes,
            "moved_bytes": made.moved_bytes,
            "left_out": made.left_out,
            "unserved": list(made.unserved),
        }
    )
    context.output.say(
        f"{made.place}: {made.datasets:,} datasets, {made.size_bytes:,} bytes, of which {made.moved_bytes:,} moved now; "
        f"{made.left_out} not available, listed by name"
    )
    return Exit.WELL if not made.left_out else Exit.FINDINGS


def _write_tar(bag: Path, target: str) -> None:
    if target == "-":
        write_tar(PosixStore(bag), bag.name, sys.stdout.buffer)
        return
    if target.startswith("s3://"):
        from dbb.hooks.stores import open_store  # noqa: PLC0415 - it imports boto3

        folder, _, name = target.rpartition("/")
        send_tar(PosixStore(bag), bag.name, open_store(folder), name)
        return
    part = Path(f"{target}.part")
    with part.open("wb") as stream:
        write_tar(PosixStore(bag), bag.name, stream)
    part.rename(target)


class _Progress:
    """Say how far it is, at each per cent."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._said = -1

    def tell(self, what: str, done: int, total: int) -> None:
        """Take note of one file."""
        share = 100 * done // max(total, 1)
        if share > self._said:
            self._said = share
            self._context.output.remark(f"{share:3d} % {done:,} of {total:,} bytes: {what}")


def _verify(context: Context, given: argparse.Namespace) -> Exit:  # noqa: ARG001 - offline
    for place in (given.bag, given.signers or "-"):
        if place != "-" and not Path(place).exists():
            print(f"dbb: {place!a} is not there", file=sys.stderr)  # noqa: T201 - as the tool in the bag
            return Exit.USAGE
    report = verify(given.bag, signers=given.signers, ask_signature=not given.without_signature)
    print_report(report, as_json=given.json)
    return Exit.FINDINGS if report.findings else Exit.WELL


def _repair(context: Context, given: argparse.Namespace) -> Exit:
    ports = _open(context.settings, is_signed=False)
    done = repair_export(
        context.backbone, ports, Path(given.bag).absolute(),
        signers=given.signers, record_place=given.record,
    )  # fmt: skip
    context.output.document(
        {
            "schema": "dbb-export-repaired/1",
            "bag": given.bag,
            "moved_bytes": done.moved_bytes,
            "moved_files": done.moved_files,
            "restored": list(done.restored),
            "put_aside": list(done.put_aside),
            "gone": [each.to_json() for each in done.gone],
            "verdict": done.report.verdict,
            "findings": [each.to_json() for each in done.report.findings],
        }
    )
    context.output.table(["gone", "why"], [[each.what, each.why] for each in done.gone])
    context.output.say(
        f"{given.bag}: {done.moved_files} files, {done.moved_bytes:,} bytes fetched, {len(done.restored)} restored, "
        f"{len(done.put_aside)} put aside, {len(done.gone)} gone; it is {done.report.verdict}"
    )
    return Exit.FINDINGS if done.report.findings or done.gone else Exit.WELL


def _list(context: Context, given: argparse.Namespace) -> Exit:  # noqa: ARG001 - no options
    now = context.backbone.clock.now()
    rows = _open_rows(context.settings).list_exports()
    context.output.document(
        {
            "schema": "dbb-exports/1",
            "exports": [
                {
                    "name": row.name,
                    "endpoint": row.endpoint,
                    "place": row.place,
                    "owner": row.owner,
                    "ends_on": row.ends_on,
                    "is_over": row.is_over(now),
                    "datasets": row.datasets,
                    "bytes": row.size_bytes,
                    "begun_at": row.begun_at.isoformat(timespec="seconds"),
                    "made_at": row.made_at and row.made_at.isoformat(timespec="seconds"),
                    "tag_manifest_sha256": row.tag_manifest_sha256,
                }
                for row in rows
            ],
        }
    )
    context.output.table(
        ["export", "state", "owner", "ends", "datasets", "bytes", "place"],
        [
            [
                row.name,
                "being made" if row.made_at is None else "over" if row.is_over(now) else "made",
                row.owner,
                row.ends_on or "-",
                f"{row.datasets:,}",
                f"{row.size_bytes:,}",
                row.place,
            ]
            for row in rows
        ],
    )
    return Exit.WELL
