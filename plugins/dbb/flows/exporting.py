"""Making an export: pin, describe, copy, vouch, read back, and only then give it its name.

It is built in ``NAME.making`` beside its place, with its notes in ``NAME.work.sqlite``. Killed anywhere, the same
order goes on: what is pinned stays pinned, a file that is there and right is not copied again. The folder gets
its name in one step, after the offline verifier has read every byte and found nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dbb.digests import digest_stream
from dbb.errors import ExportDamaged, ExportRefused
from dbb.flows.backbone import Backbone
from dbb.flows.export_bag import read_order, write_record, write_tags
from dbb.flows.export_copying import copy_datasets, is_there
from dbb.flows.export_pinning import pin
from dbb.flows.export_ports import ExportPorts, Selection, Work
from dbb.flows.export_since import note_earlier
from dbb.model import strict_json
from dbb.model.export import ExportOrder, Pinned
from dbb.ports.store import Store
from dbb.verify_bag import TAG_MANIFEST, verify

log = logging.getLogger(__name__)

DATASETS_A_FILE = 1000
"""Datasets in one import file: Butler reads each of them whole."""

BUTLER = "data/butler"


@dataclass(frozen=True, slots=True)
class Made:
    """Hold what became of an export: its size, what moved in this call, what it does not have."""

    place: str
    datasets: int
    files: int
    size_bytes: int
    moved_bytes: int
    left_out: int
    unserved: tuple[str, ...]


@dataclass(frozen=True)
class Making:
    """Hold the places of one export.

    Parameters
    ----------
    folder
        Where exports lie; the bag is ``folder/NAME``.
    name
        The export's name.
    """

    folder: Path
    name: str

    @property
    def place(self) -> Path:
        """Give the bag's place."""
        return self.folder / self.name

    @property
    def building(self) -> Path:
        """Give the folder in which it is built."""
        return self.folder / f"{self.name}.making"

    @property
    def notes(self) -> Path:
        """Give the file of its notes."""
        return self.folder / f"{self.name}.work.sqlite"

    @property
    def record(self) -> Path:
        """Give the file that its maker keeps, by which it is repaired."""
        return self.folder / f"{self.name}.record.tar"


def plan_export(
    backbone: Backbone, ports: ExportPorts, order: ExportOrder, folder: Path, *, leave_out: bool
) -> tuple[int, int, int]:
    """Pin an export and count its datasets, files and bytes; nothing is copied.

    Raises
    ------
    ExportRefused
        If something wanted is not available and may not be left out, if nothing is wanted at all, or if
        another export has the name.
    """
    making = Making(folder, order.name)
    if making.place.exists():
        _check_same(ports.open_folder(making.place), order)
    with contextlib.closing(_open_work(ports, making, order)) as work:
        _pin(backbone, ports, making, work, order)
        _check(work, order, leave_out=leave_out)
        return work.totals()


def make_export(
    backbone: Backbone,
    ports: ExportPorts,
    order: ExportOrder,
    folder: Path,
    *,
    leave_out: bool = False,
    limit_bytes: int = 0,
    tell: Callable[[str, int, int], None] = lambda *_: None,
) -> Made:
    """Make an export, or go on with it; one that is there already is left as it is.

    Parameters
    ----------
    backbone, ports
        The ports.
    order
        What is wanted.
    folder
        Where exports lie.
    leave_out
        Whether what is not available may be left out: it is listed in the bag by name.
    limit_bytes
        Larger ones are refused; 0 for none.
    tell
        Called with what is done, the bytes so far and the bytes in all.

    Raises
    ------
    ExportRefused
        If it is not made as it was ordered.
    ExportDamaged
        If what was written does not read back right.
    """
    making = Making(folder, order.name)
    folder.mkdir(parents=True, exist_ok=True)
    if ports.signer is not None:
        ports.signer.check()
    if making.place.exists():
        return _again(ports, making, order)
    with contextlib.closing(_open_work(ports, making, order)) as work:
        selection = _pin(backbone, ports, making, work, order)
        left_out = _check(work, order, leave_out=leave_out)
        totals = work.totals()
        if limit_bytes and totals[2] > limit_bytes:
            raise ExportRefused.for_too_much(order.name, totals[2], limit_bytes)
        ports.rows.begin(order, str(making.place), totals)
        making.building.mkdir(exist_ok=True)
        bag = ports.open_folder(making.building)
        _describe(selection, work, bag, order)
        moved = _copy_all(backbone, work, bag, order, tell)
        tag_sha256 = write_tags(bag, work, order, ports.signer)
        tell("read back", totals[2], totals[2])
        _check_bag(making.building)
        write_record(bag, making.record)
        making.building.rename(making.place)
        _sync(folder)
        ports.rows.finish(order.name, tag_sha256)
        unserved = tuple(work.read("unserved"))
        work.remove()
    log.info("action=make-export name=%s datasets=%d files=%d bytes=%d", order.name, *totals)
    return Made(str(making.place), *totals, moved, left_out, unserved)


def _open_work(ports: ExportPorts, making: Making, order: ExportOrder) -> Work:
    making.folder.mkdir(parents=True, exist_ok=True)
    work = ports.open_work(making.notes)
    known = work.read("order")
    if known is not None and known != order.sha256:
        work.close()
        raise ExportRefused.for_other(making.notes)
    work.note("order", order.sha256)
    return work


def _pin(
    backbone: Backbone, ports: ExportPorts, making: Making, work: Work, order: ExportOrder
) -> Selection:
    selection = ports.selection(order.endpoint)
    if order.since_export and work.read("pinned_at") is None:
        note_earlier(ports.rows, work, making.folder, order)
    pin(backbone, ports, selection, work, order)
    return selection


def _check(work: Work, order: ExportOrder, *, leave_out: bool) -> int:
    unavailable = work.unavailable()
    if unavailable and not leave_out:
        first = unavailable[0]
        raise ExportRefused.for_unavailable(
            order.name, len(unavailable), f"{first.what} ({first.why})"
        )
    if work.totals()[0] == 0:
        raise ExportRefused.for_nothing(
            order.name, is_increment=bool(order.since or order.since_export)
        )
    return len(unavailable)


def _check_same(bag: Store, order: ExportOrder) -> None:
    if read_order(bag).sha256 != order.sha256:
        raise ExportRefused.for_other(bag.url)


def _again(ports: ExportPorts, making: Making, order: ExportOrder) -> Made:
    """Finish what a killed call left after the bag had its name; say what is there."""
    bag = ports.open_folder(making.place)
    _check_same(bag, order)
    work = ports.open_work(making.notes)
    if work.read("order") is not None:  # it was killed before the ledger knew
        with bag.open(TAG_MANIFEST) as stream:
            ports.rows.finish(order.name, digest_stream(stream).sha256)
    work.remove()
    with bag.open("export.json") as stream:
        told = strict_json.parse(stream.read(), "export.json")
    counts = told["datasets"], told["files"], told["bytes"]
    return Made(str(making.place), *counts, 0, told["left_out"], tuple(told["unserved"]))


def _describe(selection: Selection, work: Work, bag: Store, order: ExportOrder) -> None:
    """Write the registry's part, once: what Butler's own import reads, file by file."""
    if work.read("described"):
        return
    number = 0
    for number, paths in enumerate(work.pinned_paths(DATASETS_A_FILE), 1):
        inside = {name: path.removeprefix("data/") for name, path in paths.items()}
        with bag.create(f"{BUTLER}/{number:06d}.yaml") as writer:
            writer.write(selection.describe_datasets(inside, order.collections))
    with bag.create(f"{BUTLER}/{number + 1:06d}.yaml") as writer:
        writer.write(selection.describe_collections(order.collections))
    work.note("described", True)


def _copy_all(
    backbone: Backbone,
    work: Work,
    bag: Store,
    order: ExportOrder,
    tell: Callable[[str, int, int], None],
) -> int:
    source, total = backbone.store(order.endpoint), work.totals()[2]
    done = moved = 0
    for name in work.stored_names():
        rows = work.pinned_in(name)
        missing = [each for each in rows if not is_there(bag, each)]
        done += sum({each.path: each.size_bytes for each in rows if each not in missing}.values())

        def count(pinned: Pinned) -> None:
            nonlocal done
            done += pinned.size_bytes
            tell(pinned.path, done, total)

        if missing:
            moved += copy_datasets(source, bag, missing, count)
    return moved


def _check_bag(place: Path) -> None:
    """Have the offline verifier read everything back, as whoever receives it will."""
    report = verify(str(place), ask_signature=False)
    if report.findings:
        first = report.findings[0]
        raise ExportDamaged.for_bag(place, len(report.findings), f"{first.code} {first.path}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
