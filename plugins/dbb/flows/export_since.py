"""What is new since a moment, or since an earlier export: only this goes into an increment.

Since a *moment*: the units that the endpoint served for the first time then or later, as the ledger's history tells.
Since an *export*: the datasets that it did not pin, by UUID; and where that one is an increment itself, those that
the export before it did not pin either, down to a whole one. What an earlier one left out comes with the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from dbb.errors import ExportRefused
from dbb.flows.export_ports import ExportRows, Work
from dbb.model import strict_json
from dbb.model.export import ExportOrder, Wanted
from dbb.verify_bag import SNAPSHOT, TAG_MANIFEST

INFO = "export.json"
ROWS_AT_ONCE = 1000


def note_earlier(rows: ExportRows, work: Work, folder: Path, order: ExportOrder) -> None:
    """Note every dataset of the exports that an order builds on; again is nothing.

    Their records, ``NAME.record.tar``, lie in the folder where exports are made; the bags may have gone.

    Raises
    ------
    ExportRefused
        If one is not there, is not the one that the ledger knows, or is of another endpoint.
    """
    name, done = order.since_export, {order.name}
    while name:
        if name in done:
            raise ExportRefused.for_earlier(name, "it builds on itself")
        done.add(name)
        earlier = _read(rows, work, folder / f"{name}.record.tar", name)
        if earlier.endpoint != order.endpoint:
            raise ExportRefused.for_earlier(name, f"it is of {earlier.endpoint}")
        name = earlier.since_export


def is_new(
    rows: ExportRows, work: Work, order: ExportOrder, wanted: Sequence[tuple[str, Wanted]]
) -> list[tuple[str, Wanted]]:
    """Choose what is new of datasets that are wanted, each with its unit."""
    if order.since_export:
        known = work.knows_earlier([each.dataset_id for _, each in wanted])
        wanted = [(unit, each) for unit, each in wanted if each.dataset_id not in known]
    if order.since and wanted:
        units = sorted({unit for unit, _ in wanted})
        before = rows.served_before(units, order.endpoint, order.since_time)
        wanted = [(unit, each) for unit, each in wanted if unit not in before]
    return list(wanted)


def _read(rows: ExportRows, work: Work, record: Path, name: str) -> ExportOrder:
    """Note the datasets of one export by its record; give its order."""
    sha256 = rows.made(name)
    if not sha256:
        raise ExportRefused.for_earlier(name, "the ledger knows no such export that was made")
    if not record.exists():
        raise ExportRefused.for_earlier(name, f"its record {record.name} is not there")
    with _open(record, name, TAG_MANIFEST) as stream:
        tags = stream.read()
    if hashlib.sha256(tags).hexdigest() != sha256:
        raise ExportRefused.for_earlier(name, "its record is not what the ledger knows")
    lines = [line.partition("  ") for line in tags.decode().splitlines()]
    listed = {path: digest for digest, _, path in lines}
    with _open(record, name, INFO) as stream:
        data = stream.read()
    if hashlib.sha256(data).hexdigest() != listed.get(INFO):
        raise ExportRefused.for_earlier(name, f"its record's {INFO} is damaged")
    with _open(record, name, SNAPSHOT) as stream:
        summed = hashlib.sha256()
        rest = _summed(stream, summed)
        while piece := list(itertools.islice(rest, ROWS_AT_ONCE)):
            work.note_earlier(_ids(piece, name))
    if summed.hexdigest() != listed.get(SNAPSHOT):
        raise ExportRefused.for_earlier(name, f"its record's {SNAPSHOT} is damaged")
    return ExportOrder.parse(strict_json.parse(data, INFO)["order"])


def _ids(lines: Sequence[bytes], name: str) -> list[str]:
    try:
        return [str(json.loads(line)["id"]) for line in lines]
    except (ValueError, LookupError, TypeError):
        raise ExportRefused.for_earlier(name, f"its record's {SNAPSHOT} is damaged") from None


def _summed(stream: IO[bytes], summed: hashlib._Hash) -> Iterator[bytes]:
    for line in stream:
        summed.update(line)
        yield line


@contextlib.contextmanager
def _open(record: Path, name: str, member: str) -> Iterator[IO[bytes]]:
    """Open one file of a record."""
    try:
        with (
            tarfile.open(record) as archive,
            archive.extractfile(f"record/{member}") or io.BytesIO() as stream,
        ):
            yield stream
    except (tarfile.TarError, EOFError, KeyError) as error:
        raise ExportRefused.for_earlier(name, f"its record cannot be read: {error}") from None
