"""``dbb parcel``: lay a batch down, list those that came, take one away as files."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.digests import digest_stream
from dbb.errors import MissingCopy, UnknownItem, UnsafeName
from dbb.flows.cargo import Cargo, read_document, stored_name, verify_file
from dbb.flows.parcels import INCOMING, READY
from dbb.model.day_obs import DayObs
from dbb.model.kind import Kind
from dbb.model.parcel import Parcel, ParcelName
from dbb.ports.ledger import UnitRow
from dbb.ports.store import READ_BYTES, Store

HELP = "Send a batch of products or permanent files; list batches; export one."
KINDS = [str(kind) for kind in (Kind.PRODUCT, Kind.FILE, Kind.LEVEL1)]
ACTIONS = {
    "send": "Lay a folder down at the archive, complete or not at all.",
    "list": "List the parcels of a kind.",
    "show": "Show a parcel's files, and the datasets that they hold.",
    "export": "Copy a parcel's files out of an endpoint, verified, with their manifest.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    send = parsers["send"]
    send.add_argument("folder", metavar="FOLDER", type=Path, help="the batch, with its sidecars")
    send.add_argument("--kind", choices=KINDS, required=True, help="products, or files as they are")
    send.add_argument("--name", required=True, help="the batch's name, unique for the day")
    send.add_argument("--day-obs", required=True, metavar="DAY_OBS", help="the day it belongs to")
    parsers["list"].add_argument(
        "--kind", choices=[*KINDS, str(Kind.LFA)], default=str(Kind.PRODUCT), help="which kind"
    )
    parsers["list"].add_argument("--day-obs", metavar="DAY_OBS", help="only of this day")
    for name in ("show", "export"):
        parsers[name].add_argument("unit", metavar="UNIT", help="products/20261122/coadds-0001")
    parsers["export"].add_argument("--to", required=True, type=Path, help="the folder to fill")
    parsers["export"].add_argument("--endpoint", help="take the copies from here (the archive)")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    action = {"send": _send, "list": _list, "show": _show, "export": _export}[given.action]
    return action(context, given)


def _send(context: Context, given: argparse.Namespace) -> Exit:
    name = ParcelName(Kind(given.kind), DayObs.parse(given.day_obs), given.name)
    ParcelName.parse(str(name))
    store = context.backbone.archive
    files = sorted(path for path in given.folder.rglob("*") if path.is_file())
    if not files:
        raise UnsafeName.for_name(str(given.folder), "there is no file in it")
    for path in files:
        target = f"{INCOMING}/{name}/{path.relative_to(given.folder).as_posix()}"
        if _is_laid_down(store, target, path):
            continue  # by a call that was interrupted
        with path.open("rb") as reader, store.create(target) as writer:
            shutil.copyfileobj(reader, writer, READ_BYTES)
        context.output.remark(f"laid down {target}")
    with store.create(f"{INCOMING}/{name}/{READY}"):
        pass
    context.output.document({"schema": "dbb-parcel-sent/1", "unit": str(name), "files": len(files)})
    context.output.say(f"{name}: {len(files)} files are ready; `parcel_transfer` takes them.")
    return Exit.WELL


def _is_laid_down(store: Store, target: str, path: Path) -> bool:
    known = store.stat(target)
    if known is None or known.size_bytes != path.stat().st_size:
        return False
    with store.open(target) as stream:
        return digest_stream(stream).sha256 == _sha256(path)


def _list(context: Context, given: argparse.Namespace) -> Exit:
    ledger, kind = context.backbone.ledger, Kind(given.kind)
    days = [DayObs.parse(given.day_obs).value] if given.day_obs else ledger.days_of_kind(kind)
    rows = [row for day in days for row in ledger.units_of_kind(kind, day)]
    deliveries = ledger.deliveries([row.unit for row in rows])
    states: dict[str, dict[str, str]] = {row.unit: {} for row in rows}
    for (unit, place), delivery in deliveries.items():
        states[unit][place] = str(delivery.state)
    context.output.document(
        {
            "schema": "dbb-parcels/1",
            "parcels": [
                {
                    "unit": row.unit,
                    "files": row.files,
                    "bytes": row.size_bytes,
                    "states": states[row.unit],
                }
                for row in rows
            ],
        }
    )
    context.output.table(
        ["parcel", "files", "bytes", "states"],
        [
            [
                row.unit,
                f"{row.files:,}",
                f"{row.size_bytes:,}",
                " ".join(f"{place}:{state}" for place, state in sorted(states[row.unit].items())),
            ]
            for row in rows
        ],
    )
    return Exit.WELL


def _row(context: Context, unit: str) -> UnitRow:
    found = context.backbone.ledger.units([str(ParcelName.parse(unit))])
    if unit not in found:
        raise UnknownItem.for_name("parcel", unit)
    return found[unit]


def _show(context: Context, given: argparse.Namespace) -> Exit:
    row = _row(context, given.unit)
    parcel = read_document(context.backbone, row, context.backbone.policy.archive)
    assert isinstance(parcel, Parcel)  # noqa: S101 - the name is a parcel's
    context.output.document({"schema": "dbb-parcel-shown/1", "parcel": parcel.to_json()})
    context.output.table(
        ["file", "bytes", "sha256", "datasets"],
        [
            [
                file.name,
                f"{file.digest.size_bytes:,}",
                file.digest.sha256,
                ", ".join(sorted({ref["dataset_type"] for ref in file.refs})) or "-",
            ]
            for file in parcel.files
        ],
    )
    return Exit.WELL


def _export(context: Context, given: argparse.Namespace) -> Exit:
    backbone, row = context.backbone, _row(context, given.unit)
    endpoint = context.settings.endpoint(given.endpoint or backbone.policy.archive).name
    cargo = Cargo(row, read_document(backbone, row, endpoint))
    store = backbone.store(endpoint)
    sums = []
    for file in cargo.files:
        target = given.to / file.did.name
        sums.append(f"{file.digest.sha256}  {file.did.name}\n")
        if target.is_file() and _sha256(target) == file.digest.sha256:
            continue
        verify_file(backbone, file.did, file.digest, endpoint)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        with store.open(stored_name(file.did)) as reader, part.open("wb") as writer:
            shutil.copyfileobj(reader, writer, READ_BYTES)
        if _sha256(part) != file.digest.sha256:
            raise MissingCopy.for_file(str(target))
        part.rename(target)
    (given.to / "SHA256SUMS").write_text("".join(sums))
    context.output.document(
        {"schema": "dbb-parcel-exported/1", "unit": row.unit, "files": len(sums)}
    )
    context.output.say(
        f"{len(sums)} files are in {given.to}; check with `sha256sum -c SHA256SUMS`."
    )
    return Exit.WELL


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
