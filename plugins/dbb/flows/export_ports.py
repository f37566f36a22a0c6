"""What exports need of the world beside the backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from dbb.model.export import ExportOrder, Pinned, Unavailable, Wanted
from dbb.ports.store import Store


class Selection(Protocol):
    """Select datasets of one repository, and write what Butler's own import reads."""

    def select(self, order: ExportOrder) -> Iterator[Wanted | Unavailable]:
        """List what an order wants, and what of it the repository has not."""

    def universe(self) -> dict[str, Any]:
        """Name the dimension universe."""

    def describe_datasets(self, paths: Mapping[str, str], collections: Sequence[str]) -> bytes:
        """Write an import file of some datasets, with all that they need."""

    def describe_collections(self, collections: Sequence[str]) -> bytes:
        """Write an import file of collections, to any depth."""

    def find(self, dataset_ids: Sequence[str]) -> dict[str, Wanted]:
        """Look datasets up by UUID; those that left are left out."""


class Work(Protocol):
    """Keep the notes of one export in the making."""

    def note(self, name: str, value: Any) -> None:
        """Write a note down."""

    def read(self, name: str) -> Any:
        """Read a note; None where there is no such one."""

    def restart(self) -> None:
        """Forget a selection that was not finished."""

    def want(self, rows: Iterable[tuple[str, Wanted]]) -> None:
        """Keep what is wanted, each with its unit."""

    def units(self) -> Iterator[str]:
        """Name the units of what is wanted."""

    def wanted_of(self, unit: str) -> list[Wanted]:
        """List what is wanted of a unit."""

    def note_earlier(self, dataset_ids: Iterable[str]) -> None:
        """Note datasets that an earlier export has; again is nothing."""

    def knows_earlier(self, dataset_ids: Sequence[str]) -> set[str]:
        """Name those of some datasets that an earlier export has."""

    def pin(self, rows: Iterable[Pinned]) -> None:
        """Pin datasets."""

    def refuse(self, rows: Iterable[Unavailable]) -> None:
        """Note what cannot go out."""

    def unavailable(self) -> list[Unavailable]:
        """List what cannot go out."""

    def takes(self, path: str, dataset_id: str) -> bool:
        """Say whether another file has a path that differs in case alone."""

    def totals(self) -> tuple[int, int, int]:
        """Count datasets, files and bytes."""

    def stored_names(self) -> list[str]:
        """Name the stored files that datasets come from."""

    def pinned_in(self, stored_name: str) -> list[Pinned]:
        """List the pinned datasets of a stored file."""

    def pinned(self) -> Iterator[Pinned]:
        """List all pinned datasets by path."""

    def pinned_paths(self, at_once: int) -> Iterator[dict[str, str]]:
        """List where each dataset lies, by UUID, in pieces."""

    def remove(self) -> None:
        """Delete the notes: the export is whole."""

    def close(self) -> None:
        """Let others have the notes; again is nothing."""


class Signer(Protocol):
    """Sign bytes."""

    def check(self) -> None:
        """Find out whether signing will work."""

    def sign(self, data: bytes) -> bytes:
        """Give the signature."""


class ExportRows(Protocol):
    """Remember exports in the ledger."""

    def begin(self, order: ExportOrder, place: str, totals: tuple[int, int, int]) -> None:
        """Record that an export is being made."""

    def finish(self, name: str, tag_manifest_sha256: str) -> None:
        """Record that it is whole."""

    def made(self, name: str) -> str:
        """Give the digest of the tag manifest of an export that is whole; empty where there is none."""

    def served_before(self, units: Sequence[str], endpoint: str, before: datetime) -> set[str]:
        """Name those of some units that an endpoint had served before a moment."""


@dataclass(frozen=True)
class ExportPorts:
    """Hold what exports need beside the backbone.

    Parameters
    ----------
    selection
        Opens what is asked of the Butler of an endpoint.
    open_folder
        Opens a folder as a store; it must be there.
    open_work
        Opens the notes of an export in the making, by the name of their file.
    rows
        The ledger's record.
    signer
        Signs; None where an export is left unsigned on purpose.
    units_of_objects
        Names the units that objects of the Large File Annex belong to, by key.
    """

    selection: Callable[[str], Selection]
    open_folder: Callable[[Path], Store]
    open_work: Callable[[Path], Work]
    rows: ExportRows
    signer: Signer | None
    units_of_objects: Callable[[Sequence[str]], Mapping[str, str]]
