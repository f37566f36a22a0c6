"""The manifest: the immutable document of one bundle, from which a site can be rebuilt."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from dbb.errors import BadManifest
from dbb.model import strict_json
from dbb.model.digest import Digest
from dbb.model.exposure import Unit
from dbb.model.manifest_form import naming_bad_fields, read_fields
from dbb.model.names import SafeName

SCHEMA = "dbb-manifest/1"
MAX_BYTES = 4 * 1024 * 1024
MAX_FILES = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe one file inside a bundle.

    Parameters
    ----------
    name
        The member's name in the bundle (a single segment).
    digest
        Its identity.
    ref
        For an image, the Butler ``DatasetRef`` that it becomes: ``{"id", "dataset_type", "run",
        "data_id"}``; None for a document that rides along.
    """

    name: SafeName
    digest: Digest
    ref: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the entry as it stands in the document."""
        fields: dict[str, Any] = {"name": str(self.name), **self.digest.to_json()}
        if self.ref is not None:
            fields["ref"] = self.ref
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Read an entry of the document."""
        return cls(SafeName.parse(fields["name"]), Digest.from_json(fields), fields.get("ref"))


@dataclass(frozen=True)
class Manifest:
    """Hold what one bundle is made of.

    Parameters
    ----------
    unit
        The exposure and part.
    scope
        The Rucio scope of the bundle.
    bundle
        Identity of the bundle file itself.
    entries
        Every file in it, sorted by name.
    missing
        Full names of the expected detectors that it does not hold, sorted; none when complete.
    universe
        ``{"namespace", "version"}`` of the Butler dimension universe that the records follow.
    records
        Butler dimension records by element, in the order in which they must be inserted.
    """

    unit: Unit
    scope: str
    bundle: Digest
    entries: tuple[Entry, ...]
    missing: tuple[str, ...]
    universe: dict[str, Any]
    records: dict[str, list[dict[str, Any]]] = field(hash=False)

    @cached_property
    def data(self) -> bytes:
        """Give the document's bytes, in canonical JSON."""
        return strict_json.canonical(
            {
                "schema": SCHEMA,
                "unit": str(self.unit),
                "scope": self.scope,
                "bundle": self.bundle.to_json(),
                "files": [entry.to_json() for entry in self.entries],
                "missing": list(self.missing),
                "universe": self.universe,
                "records": [[element, rows] for element, rows in self.records.items()],
            }
        )

    @cached_property
    def sha256(self) -> str:
        """Give the manifest's identity."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def images(self) -> tuple[Entry, ...]:
        """List the entries that become Butler datasets."""
        return tuple(entry for entry in self.entries if entry.ref is not None)

    @classmethod
    def parse(cls, data: bytes, name: str = "manifest") -> Self:
        """Read a manifest strictly.

        Raises
        ------
        BadManifest
            If it is no strict JSON of this schema, has unknown or missing fields, unsafe or
            duplicate names, too many files, or is not in canonical form.
        """
        document = read_fields(data, name, SCHEMA, _FIELDS, MAX_BYTES)
        for field_name, is_right in _FIELDS.items():
            if not is_right(document[field_name]):
                raise BadManifest.for_field(f"{name}: {field_name}", "it has the wrong shape")
        with naming_bad_fields(name):
            manifest = cls(
                unit=Unit.parse(document["unit"]),
                scope=SafeName.parse(document["scope"]),
                bundle=Digest.from_json(document["bundle"]),
                entries=tuple(Entry.from_json(entry) for entry in document["files"]),
                missing=tuple(SafeName.parse(detector) for detector in document["missing"]),
                universe=document["universe"],
                records=dict(document["records"]),
            )
        manifest._check_entries(name)
        if manifest.data != data:
            raise BadManifest.for_field(name, "it is not in canonical form")
        return manifest

    def _check_entries(self, name: str) -> None:
        names = [entry.name for entry in self.entries]
        if names != sorted(set(names)):
            raise BadManifest.for_field(f"{name}: files", "the names are not sorted and unique")
        if any("/" in entry_name for entry_name in names):
            raise BadManifest.for_field(f"{name}: files", "a name has a folder")
        if not all(_has_id(entry.ref) for entry in self.images):
            raise BadManifest.for_field(f"{name}: files", "a dataset's id is no UUID")


def _has_id(ref: dict[str, Any] | None) -> bool:
    try:
        uuid.UUID((ref or {})["id"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "schema": lambda value: isinstance(value, str),
    "unit": lambda value: isinstance(value, str),
    "scope": lambda value: isinstance(value, str),
    "bundle": lambda value: isinstance(value, dict),
    "files": lambda value: isinstance(value, list) and 0 < len(value) <= MAX_FILES,
    "missing": lambda value: isinstance(value, list) and len(value) <= MAX_FILES,
    "universe": lambda value: isinstance(value, dict),
    "records": lambda value: isinstance(value, list) and len(value) <= MAX_FILES,
}
