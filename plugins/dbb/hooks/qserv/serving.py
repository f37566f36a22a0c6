"""How Qserv's workers get at chunk files: one way an endpoint, named by one address.

====================  ============================================================================
the address           the way
====================  ============================================================================
``file:///folder``    workers see the staging folder, mounted there
``https://host/…``    a web server of the site's own serves the staging folder
``s3://…/prefix``     files are put into a bucket; workers get addresses that are signed for a time
``push``              files are sent to the workers; for those that can reach nothing
====================  ============================================================================

Whichever it is, a contribution is known again by its *mark*: what of an address stays the same when
it is signed anew, and changes with the file's bytes.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from dbb.errors import QservUnfit
from dbb.flows.qserv_views import Serving
from dbb.hooks.qserv.pushing import read_checked
from dbb.hooks.stores import open_store
from dbb.model.qserv import ChunkFile
from dbb.ports.store import Store

PUSH = "push"
SIGNED_S = 24 * 3600
WINDOW_S = 8 * 3600
"""Longest time from the moment that a worker is told an address until it reads it for the last time."""
MOST_SIGNED_S = 7 * 86_400
"""Signatures of S3 last a week at most."""

_SIGNED = re.compile(r"\?[^\s'\"<>]*X-Amz-[^\s'\"<>]*", re.IGNORECASE)


def open_serving(folder: Path, url: str, signed_s: int = SIGNED_S) -> Serving:
    """Open the way that an address names.

    Raises
    ------
    QservUnfit
        If it names none, or addresses would lapse before workers are done with them.
    """
    scheme = urlsplit(url).scheme
    if url == PUSH:
        return Pushed()
    if scheme in ("file", "http", "https"):
        return ServedFolder(url)
    if scheme == "s3":
        if not WINDOW_S < signed_s <= MOST_SIGNED_S:
            raise QservUnfit.for_reason(
                url,
                f"Addresses signed for {signed_s} s lapse while workers wait; it takes more than"
                f" {WINDOW_S} s, and S3 signs for {MOST_SIGNED_S} s at most",
            )
        return SignedBucket(open_store(url), folder, signed_s)
    raise QservUnfit.for_reason(url, "Chunk files are served by file, http, https, s3 or push")


def hide_signatures(text: str) -> str:
    """Take the signatures out of a text: who reads a log must not be able to read the files."""
    return _SIGNED.sub("?(signed)", text)


def leaf_of(file: ChunkFile) -> str:
    """Name a file by what it is and by its bytes."""
    kind = "overlap" if file.is_overlap else "chunk"
    return f"{file.table}-{kind}-{file.chunk}-{file.part}-{file.digest}.txt"


class ServedFolder:
    """Have workers read the staging folder where it is.

    Parameters
    ----------
    url
        The folder as workers see it.
    """

    is_pushed = False

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def url_of(self, file: ChunkFile) -> str:
        """Give the address of a file; by the web its digest is part of it."""
        mark = "" if self._url.startswith("file://") else f"?blake2b={file.digest}"
        return f"{self._url}/{file.path}{mark}"

    def mark(self, file: ChunkFile) -> str:
        """Give the address."""
        return self.url_of(file)

    def mark_in(self, url: str) -> str:
        """Give the address."""
        return url

    def is_lapsed(self, url: str) -> bool:  # noqa: ARG002 - of the other ways
        """Tell that it never lapses."""
        return False

    def clear(self) -> None:
        """Do nothing: the folder is the staging folder."""


class SignedBucket:
    """Put files into a bucket, and sign their addresses.

    Parameters
    ----------
    store
        Where they are put: nothing else is there.
    folder
        The staging folder.
    signed_s
        How long an address holds; each one that is asked for is signed anew.
    """

    is_pushed = False

    def __init__(self, store: Store, folder: Path, signed_s: int) -> None:
        self._store, self._folder, self._signed_s = store, folder, signed_s

    def url_of(self, file: ChunkFile) -> str:
        """Put a file there, unless it is, and sign its address.

        Raises
        ------
        DigestMismatch
            If the file is not what its record says: then nothing is put there.
        """
        name = leaf_of(file)
        there = self._store.stat(name)
        if there is None or there.size_bytes != file.size_bytes:
            path = self._folder / file.path
            with path.open("rb") as source, self._store.create(name) as target:
                for data in read_checked(source, file, str(path)):
                    target.write(data)
        return self._store.read_url(name, self._signed_s)

    def mark(self, file: ChunkFile) -> str:
        """Give the object's name."""
        return leaf_of(file)

    def mark_in(self, url: str) -> str:
        """Give the object's name."""
        return unquote(urlsplit(url).path).rpartition("/")[2]

    def is_lapsed(self, url: str) -> bool:
        """Tell whether the signature of an address holds no longer."""
        words = parse_qs(urlsplit(url).query)
        try:
            since = dt.datetime.strptime(words["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
            end = since + dt.timedelta(seconds=int(words["X-Amz-Expires"][0]))
        except (KeyError, ValueError):
            return False  # it is none of ours, and judged as such
        return dt.datetime.now(dt.UTC) >= end

    def clear(self) -> None:
        """Delete everything that was put there."""
        self._store.delete([file.name for file in self._store.list_files("")])


class Pushed:
    """Have files sent to the workers."""

    is_pushed = True

    def url_of(self, file: ChunkFile) -> str:
        """Give the name under which a file is sent."""
        return leaf_of(file)

    def mark(self, file: ChunkFile) -> str:
        """Give the name under which a file is sent."""
        return leaf_of(file)

    def mark_in(self, url: str) -> str:
        """Give the name: Qserv puts it after the sender's address, ``data-csv://1.2.3.4/NAME``."""
        return url.rpartition("/")[2]

    def is_lapsed(self, url: str) -> bool:  # noqa: ARG002 - of the other ways
        """Tell that it never lapses."""
        return False

    def clear(self) -> None:
        """Do nothing: nothing was put anywhere."""
