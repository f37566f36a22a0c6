"""Values of telemetry at every endpoint: publications travel as files, are loaded in order, and are compared."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Protocol

from dbb.digests import digest_bytes, digest_stream
from dbb.errors import DigestMismatch, EfdValuesDiffer, EfdValuesLate
from dbb.flows.efd_sealing import Files
from dbb.model.digest import Digest
from dbb.model.efd_values import Compared, Publication, ValuesFile
from dbb.model.kind import Kind
from dbb.ports import Clock, Store

log = logging.getLogger(__name__)

LEVEL1_PUBLIC = dt.timedelta(hours=24)
"""L1PublicT, DMS-DBB-REQ-0007: within this both archive endpoints have what the archive published."""


class ValuesFiles(Files, Protocol):
    """Remember the files of publications."""

    def unwritten(self) -> list[ValuesFile]:
        """Name the files that are to be written, in the order of their publications."""

    def write(self, publication_id: int) -> bytes:
        """Give a publication as the bytes of a file."""

    def note(self, file: ValuesFile, digest: Digest) -> None:
        """Note a file that was written and read back."""

    def at_endpoint(self, endpoint: str, after: int) -> list[tuple[int, str, str]]:
        """List number, name and sha256 of the files after a publication that are published there."""


class EndpointValues(Protocol):
    """Load publications into an endpoint's database."""

    def last(self) -> int:
        """Give the number of the last publication that is there."""

    def load(self, data: bytes, where: str) -> Publication:
        """Add a publication, which is checked before."""


class Hashes(Protocol):
    """Sum up what a database has."""

    def last(self) -> int:
        """Give the number of the last publication."""

    def publications_after(self, publication_id: int) -> list[tuple[int, dt.datetime]]:
        """List number and time of the publications after one."""

    def days(self, instrument: str, publication_id: int) -> dict[int, tuple[int, int, int]]:
        """Sum up each day's hashes, as of a publication."""

    def hashes(self, instrument: str, day_obs: int, publication_id: int) -> dict[str, str]:
        """Read the hashes of a day's rows, by ``exposure property``."""


def write_publications(files: ValuesFiles, store: Store) -> int:
    """Write the publications of which there is no good file into the archive; give their number.

    Raises
    ------
    DigestMismatch
        If what is read back is not what was written; nothing is noted of it.
    """
    todo = files.unwritten()
    for file in todo:
        data = files.write(file.publication_id)
        stored = f"{Kind.FILE.scope}/{file.name}"
        with store.create(stored) as writer:
            writer.write(data)
        with store.open(stored, cold=True) as stream:
            found, wanted = digest_stream(stream), digest_bytes(data)
        if not found.same_bytes(wanted):
            raise DigestMismatch.for_copy(store.url_of(stored), wanted.sha256, found.sha256)
        files.note(file, wanted)
    log.info("action=efd-write-publications files=%d", len(todo))
    return len(todo)


def load_publications(
    files: ValuesFiles, endpoint: str, store: Store, target: EndpointValues
) -> dict[str, int]:
    """Load what has come to an endpoint into its database, in the order of publications.

    Returns
    -------
    dict
        How many were ``loaded``, with how many ``versions``; how many ``wait`` for one before them.

    Raises
    ------
    DigestMismatch
        If a file is not what was sent; those before it are loaded.
    """
    counts = {"loaded": 0, "versions": 0, "wait": 0}
    there = files.at_endpoint(endpoint, target.last())
    for publication_id, name, sha256 in there:
        if publication_id != target.last() + 1:
            break  # its predecessor is on its way
        stored = f"{Kind.FILE.scope}/{name}"
        with store.open(stored) as stream:
            data = stream.read()
        found = digest_bytes(data)
        if found.sha256 != sha256:
            raise DigestMismatch.for_copy(store.url_of(stored), sha256, found.sha256)
        done = target.load(data, store.url_of(stored))
        counts["loaded"] += 1
        counts["versions"] += done.rows
    counts["wait"] = len(there) - counts["loaded"]
    log.info("action=efd-load endpoint=%s %s", endpoint, counts)
    return counts


def compare_values(
    archive: Hashes, endpoint: str, there: Hashes, instruments: Sequence[str], clock: Clock
) -> Compared:
    """Compare all values of an endpoint with the archive's by their hashes; look, and change nothing."""
    number = min(archive.last(), there.last())
    behind = archive.publications_after(number)
    late = [at for _, at in behind if at < clock.now() - LEVEL1_PUBLIC]
    differ: list[str] = []
    compared = 0
    if there.last() > archive.last():
        differ.append(f"publication {there.last()} is not the archive's")
    for instrument in instruments:
        ours, theirs = (each.days(instrument, number) for each in (archive, there))
        compared += len(ours.keys() | theirs.keys())
        for day in sorted(ours.keys() | theirs.keys()):
            if ours.get(day) == theirs.get(day):
                continue
            left, right = (each.hashes(instrument, day, number) for each in (archive, there))
            differ += [
                f"{instrument} {day} {key}"
                for key in sorted(left.keys() | right.keys())
                if left.get(key) != right.get(key)
            ]
    found = Compared(
        endpoint, number, len(behind), min(late, default=None), compared, tuple(differ)
    )
    log.info(
        "action=efd-compare-values endpoint=%s publication=%d behind=%d differ=%d",
        endpoint,
        number,
        found.behind,
        len(found.differ),
    )
    return found


def check_compared(found: Compared) -> None:
    """Raise what is wrong with an endpoint's values.

    Raises
    ------
    EfdValuesDiffer
        If it has other values than the archive.
    EfdValuesLate
        If it does not have in time what was published.
    """
    if found.differ:
        raise EfdValuesDiffer.for_endpoint(found.endpoint, found.publication_id, found.differ)
    if found.late_since is not None:
        raise EfdValuesLate.for_endpoint(found.endpoint, found.behind, found.late_since.isoformat())
