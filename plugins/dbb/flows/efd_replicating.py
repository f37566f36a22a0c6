"""Values of telemetry, and exposures, at every endpoint.

Publications of both have one row of numbers. They travel as files, are loaded in the order of their numbers,
and are compared: as of a number, a question that joins both has one answer everywhere.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Protocol

from dbb.digests import digest_bytes, digest_stream
from dbb.errors import DigestMismatch, EfdValuesDiffer, EfdValuesLate
from dbb.flows.backbone import Backbone
from dbb.flows.efd_sealing import Files, seal_files
from dbb.model.digest import Digest
from dbb.model.efd_values import Compared, DayKey, FileThere, Loaded, PublicationFile
from dbb.model.kind import Kind
from dbb.ports.clock import Clock
from dbb.ports.store import Store

log = logging.getLogger(__name__)

LEVEL1_PUBLIC = dt.timedelta(hours=24)
"""L1PublicT, DMS-DBB-REQ-0007: within this both archive endpoints have what the archive published."""


class PublicationFiles(Files, Protocol):
    """Remember the files of publications."""

    def unwritten(self) -> list[PublicationFile]:
        """Name the files that are to be written, in the order of their publications."""

    def write(self, file: PublicationFile) -> bytes:
        """Give the bytes of a file."""

    def note(self, file: PublicationFile, digest: Digest) -> None:
        """Note a file that was written and read back."""

    def at_endpoint(self, endpoint: str, after: int) -> list[FileThere]:
        """List the files with publications after one that are published there, in their order."""


class EndpointDatabase(Protocol):
    """Load publications into an endpoint's database."""

    def last(self) -> int:
        """Give the number of the last publication that is there."""

    def load(self, data: bytes, where: str) -> Loaded:
        """Add a file's publications, which are checked before."""


class Hashes(Protocol):
    """Sum up what a database has."""

    def last(self) -> int:
        """Give the number of the last publication."""

    def publications_after(self, publication_id: int) -> list[tuple[int, dt.datetime]]:
        """List number and time of the publications after one."""

    def days(self, publication_id: int) -> dict[DayKey, tuple[int, int, int]]:
        """Sum up the hashes of every day and table that there is, as of a publication."""

    def hashes(self, key: DayKey, publication_id: int) -> dict[str, str]:
        """Read the hashes of a day's rows of a table, by their subjects."""


def send_publications(backbone: Backbone, files: PublicationFiles) -> dict[str, int]:
    """Write the new publications into files, and put these into parcels for every endpoint.

    Those before one that cannot be written travel all the same.

    Raises
    ------
    DigestMismatch, EfdValuesDiffer
        If one cannot be written; it waits, and those after it.
    """
    written = 0
    try:
        written = write_publications(files, backbone.archive)
    finally:
        parcels = len(seal_files(backbone, files))
    return {"files": written, "parcels": parcels}


def write_publications(files: PublicationFiles, store: Store) -> int:
    """Write the publications of which there is no good file into the archive; give the number of files.

    Raises
    ------
    DigestMismatch
        If what is read back is not what was written; nothing is noted of it.
    EfdValuesDiffer
        If what is in the database is not what was published.
    """
    todo = files.unwritten()
    for file in todo:
        data = files.write(file)
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
    files: PublicationFiles,
    endpoint: str,
    store: Store,
    target: EndpointDatabase,
    *,
    is_time_up: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Load what has come to an endpoint into its database, in the order of publications.

    Parameters
    ----------
    files, endpoint, store, target
        The files that travel, where to, and what is there.
    is_time_up
        Asked before each file but the first: an endpoint that is new has the files of years to load.

    Returns
    -------
    dict
        How many publications were ``loaded``, with how many ``versions``; how many files ``wait``
        for a publication before them, and how many are ``left`` to the next run.

    Raises
    ------
    DigestMismatch
        If a file is not what was sent; those before it are loaded.
    """
    counts = {"loaded": 0, "versions": 0, "wait": 0, "left": 0}
    there = files.at_endpoint(endpoint, target.last())
    for number, file in enumerate(there):
        if number and is_time_up():
            counts["left"] = len(there) - number
            break
        if file.first != target.last() + 1:
            counts["wait"] = len(there) - number  # its predecessor is on its way
            break
        stored = f"{Kind.FILE.scope}/{file.name}"
        with store.open(stored) as stream:
            data = stream.read()
        found = digest_bytes(data)
        if found.sha256 != file.sha256:
            raise DigestMismatch.for_copy(store.url_of(stored), file.sha256, found.sha256)
        done = target.load(data, store.url_of(stored))
        counts["loaded"] += done.publications
        counts["versions"] += done.versions
    log.info("action=efd-load endpoint=%s %s", endpoint, counts)
    return counts


def compare_values(archive: Hashes, endpoint: str, there: Hashes, clock: Clock) -> Compared:
    """Compare all that an endpoint has with the archive's by hashes; look, and change nothing."""
    number = min(archive.last(), there.last())
    behind = archive.publications_after(number)
    late = [at for _, at in behind if at < clock.now() - LEVEL1_PUBLIC]
    differ: list[str] = []
    if there.last() > archive.last():
        differ.append(f"publication {there.last()} is not the archive's")
    ours, theirs = archive.days(number), there.days(number)
    compared = sorted(ours.keys() | theirs.keys())
    for key in compared:
        if ours.get(key) == theirs.get(key):
            continue
        left, right = archive.hashes(key, number), there.hashes(key, number)
        differ += [
            f"{key.instrument} {key.day_obs} {key.table} {subject}"
            for subject in sorted(left.keys() | right.keys())
            if left.get(subject) != right.get(subject)
        ]
    found = Compared(
        endpoint, number, len(behind), min(late, default=None), len(compared), tuple(differ)
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
