"""Read the inputs of an order: plain files or members of bundles, their digests verified."""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from dbb.errors import DigestMismatch, MissingCopy, StoreUnavailable, UnreadableFits
from dbb.model.payload import PayloadInput


class InputReader:
    """Read inputs whole, one at a time; the bytes given out are those whose digest was taken.

    A bundle's table of contents is read once, and of its members only those that are asked for.
    Use it in a ``with`` statement: bundles stay open meanwhile.
    """

    def __init__(self) -> None:
        self._bundles: dict[Path, zipfile.ZipFile] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bundles.clear()
        self._open.close()

    def read(self, given: PayloadInput) -> bytes:
        """Read one input.

        Raises
        ------
        MissingCopy
            If the file or the member is not there.
        UnreadableFits
            If the bundle is no zip, or the member does not come out of it whole.
        DigestMismatch
            If the bytes are not those that the order pins.
        StoreUnavailable
            If the file cannot be read for the moment.
        """
        place = place_of(given)
        try:
            data = self._member(given) if given.member else given.path.read_bytes()
        except (FileNotFoundError, KeyError):
            raise MissingCopy.for_file(place) from None
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise UnreadableFits.for_file(place, error) from None
        except OSError as error:
            raise StoreUnavailable.for_store(place, error.strerror or error) from None
        found = hashlib.sha256(data).hexdigest()
        if found != given.sha256:
            raise DigestMismatch.for_copy(place, f"sha256 {given.sha256}", f"sha256 {found}")
        return data

    def _member(self, given: PayloadInput) -> bytes:
        bundle = self._bundles.get(given.path)
        if bundle is None:
            bundle = self._open.enter_context(zipfile.ZipFile(given.path))
            self._bundles[given.path] = bundle
        return bundle.read(given.member)


def place_of(given: PayloadInput) -> str:
    """Name an input's place as Butler's addresses do."""
    return f"{given.path}#zip-path={given.member}" if given.member else str(given.path)
