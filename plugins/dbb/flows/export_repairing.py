"""Repairing an export: exactly what is missing or changed comes again, by UUID and sha256.

What is wrong the offline verifier says. A dataset is taken from the endpoint that it came from, if that still has
the unit published and the bytes are those that were pinned; one that has left is said by name. What a bag
says of itself comes back from the record that its maker kept. Nothing is deleted: what does not
belong, and what is replaced, is put aside.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dbb.errors import Damaged, ExportRefused
from dbb.flows.backbone import Backbone
from dbb.flows.export_bag import read_order, read_record
from dbb.flows.export_copying import copy_datasets
from dbb.flows.export_ports import ExportPorts
from dbb.model.delivery import State
from dbb.model.export import Pinned, Unavailable
from dbb.ports.store import Store
from dbb.verify_bag import REQUIRED, SIGNATURE, SNAPSHOT, TAG_MANIFEST, Finding, Report, verify

log = logging.getLogger(__name__)

_BAD = ("missing-file", "changed-file", "unreadable", "missing-tag-file", "changed-tag-file")
_FOREIGN = ("extra-file", "extra-tag-file", "not-a-file")
_OWN_WORDS = (*REQUIRED, TAG_MANIFEST, SIGNATURE)


@dataclass(frozen=True, slots=True)
class Repaired:
    """Hold what a repair did.

    Parameters
    ----------
    moved_bytes, moved_files
        What came from the endpoint again.
    restored
        Files that came from the record.
    put_aside
        Files that did not belong, or were replaced.
    gone
        What could not be had any more, by name.
    report
        What the verifier says afterwards.
    """

    moved_bytes: int
    moved_files: int
    restored: tuple[str, ...]
    put_aside: tuple[str, ...]
    gone: tuple[Unavailable, ...]
    report: Report


def repair_export(
    backbone: Backbone,
    ports: ExportPorts,
    bag_place: Path,
    *,
    signers: str | None = None,
    record_place: Path | None = None,
) -> Repaired:
    """Bring a bag back to what it was when it was made.

    Parameters
    ----------
    backbone, ports
        The ports.
    bag_place
        The bag's folder.
    signers
        Whose signatures are believed; None where nobody is asked.
    record_place
        The record that the maker kept; beside the bag where it is None.

    Raises
    ------
    ExportRefused
        If neither the bag nor a record says what should be in it.
    """
    asks = signers is not None
    before = verify(str(bag_place), signers=signers, ask_signature=asks)
    place = record_place or bag_place.with_name(f"{bag_place.name}.record.tar")
    record = read_record(place) if place.exists() else {}
    aside, bag = _Aside(bag_place), ports.open_folder(bag_place)
    restored = _restore_words(bag, aside, record)
    if not restored and _is_unsure(before.findings):
        raise ExportRefused.for_other(
            f"{bag_place}: its own words are damaged, and no record is there"
        )
    # With its own words right, the bag says what is wrong with the rest; not before.
    found = (
        verify(str(bag_place), signers=signers, ask_signature=asks) if restored else before
    ).findings
    for path in sorted({item.path for item in found if item.code in _FOREIGN}):
        aside.put(path)
    wrong = {item.path for item in found if item.code in _BAD}
    wanted = [each for each in _pinned(bag) if each.path in wrong]
    moved, files, gone = _fetch(backbone, ports, bag, aside, wanted)
    report = verify(str(bag_place), signers=signers, ask_signature=asks)
    log.info(
        "action=repair-export bag=%s files=%d bytes=%d gone=%d", bag_place, files, moved, len(gone)
    )
    return Repaired(moved, files, tuple(restored), tuple(aside.names), tuple(gone), report)


def _is_unsure(findings: Iterable[Finding]) -> bool:
    """Say whether what a bag says of itself is damaged, so that nobody knows what should be in it."""
    unsure = ("not-a-bag", "bad-line", "duplicate-entry", "unlisted-tag-file", "bad-signature")
    return any(
        item.code in unsure or (item.code in _BAD and item.path in _OWN_WORDS) for item in findings
    )


def _restore_words(bag: Store, aside: _Aside, record: Mapping[str, bytes]) -> list[str]:
    restored = []
    for name, data in sorted(record.items()):
        if _is_same(bag, name, data):
            continue
        aside.put(name)
        with bag.create(name) as writer:
            writer.write(data)
        restored.append(name)
    return restored


def _is_same(bag: Store, name: str, data: bytes) -> bool:
    if bag.stat(name) is None:
        return False
    with bag.open(name, cold=True) as stream:
        return stream.read(len(data) + 1) == data


def _pinned(bag: Store) -> Iterator[Pinned]:
    with bag.open(SNAPSHOT) as stream:
        for line in stream:
            yield Pinned.from_line(line)


def _fetch(
    backbone: Backbone, ports: ExportPorts, bag: Store, aside: _Aside, wanted: Iterable[Pinned]
) -> tuple[int, int, list[Unavailable]]:
    order = read_order(bag)
    source = backbone.store(order.endpoint)
    by_file: dict[str, list[Pinned]] = defaultdict(list)
    for each in wanted:
        by_file[each.stored_name].append(each)
    units = sorted({each.unit for rows in by_file.values() for each in rows})
    known, deliveries = backbone.ledger.units(units), backbone.ledger.deliveries(units)
    here = set()
    if by_file:
        ids = [each.dataset_id for rows in by_file.values() for each in rows]
        here = set(ports.selection(order.endpoint).find(ids))
    moved, done, gone = 0, 0, []
    for rows in by_file.values():
        good = []
        for each in rows:
            delivery = deliveries.get((each.unit, order.endpoint))
            is_served = delivery is not None and delivery.state is State.PUBLISHED
            is_same = (
                each.unit in known and known[each.unit].manifest_sha256 == each.manifest_sha256
            )
            if is_served and is_same and each.dataset_id in here:
                good.append(each)
            else:
                why = f"{order.endpoint} does not serve unit {each.unit} as it was pinned"
                gone.append(Unavailable(f"{each.dataset_id} {each.path}", why))
        for each in good:
            aside.put(each.path)
        if good:
            try:
                moved += copy_datasets(source, bag, good, lambda _: None)
                done += len({each.path for each in good})
            except Damaged as error:
                gone += [Unavailable(f"{each.dataset_id} {each.path}", str(error)) for each in good]
    return moved, done, gone


class _Aside:
    """Put files aside, beside the bag: ``NAME.aside/NUMBER/…``; nothing is ever deleted.

    Parameters
    ----------
    bag
        The bag's folder.
    """

    def __init__(self, bag: Path) -> None:
        self._bag = bag
        top = bag.with_name(f"{bag.name}.aside")
        numbers = [int(path.name) for path in top.glob("*") if path.name.isdecimal()]
        self._folder = top / f"{max(numbers, default=0) + 1:04d}"
        self.names: list[str] = []

    def put(self, path: str) -> None:
        """Move a file of the bag; one that is not there is nothing."""
        old = self._bag / path
        if not os.path.lexists(old):
            return
        new = self._folder / hashlib.sha256(os.fsencode(path)).hexdigest()[:8] / old.name
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
        self.names.append(path)
