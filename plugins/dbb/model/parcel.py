"""The parcel: a batch of files that travels as one unit, and the manifest that says what it is.

The manifest is the sidecar of the whole batch: with it and the files, an empty registry can be filled.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from dbb.errors import BadManifest, UnsafeName
from dbb.model import strict_json
from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.manifest_form import naming_bad_fields, read_fields
from dbb.model.names import Did, SafeName

SCHEMA = "dbb-parcel/1"
MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 20_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", re.ASCII)
_KINDS = {kind.scope: kind for kind in Kind if kind is not Kind.RAW}


@dataclass(frozen=True, slots=True)
class ParcelName:
    """Name a parcel: ``products/20261122/coadds-0001``."""

    kind: Kind
    day_obs: DayObs
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``SCOPE/YYYYMMDD/NAME``.

        Raises
        ------
        UnsafeName
            If it does not have that form.
        BadDayObs
            If the date is none.
        """
        parts = text.split("/")
        if len(parts) != 3 or parts[0] not in _KINDS or not _NAME.fullmatch(parts[2]):
            raise UnsafeName.for_name(text, "a parcel is SCOPE/YYYYMMDD/NAME")
        return cls(_KINDS[parts[0]], DayObs.parse(parts[1]), parts[2])

    @property
    def folder(self) -> SafeName:
        """Give the folder, within the scope, of what belongs to the parcel alone."""
        return SafeName(f"{self.day_obs}/{self.name}")

    @property
    def manifest_name(self) -> SafeName:
        """Give the manifest's name within the scope."""
        return SafeName(f"{self.folder}/{self.name}.parcel.json")

    @property
    def dataset(self) -> Did:
        """Name the Rucio dataset."""
        scope = self.kind.scope
        return Did(scope, SafeName(f"Dataset/{scope}/{self.day_obs}/{self.name}"))

    def __str__(self) -> str:
        return f"{self.kind.scope}/{self.day_obs}/{self.name}"


@dataclass(frozen=True, slots=True)
class ParcelFile:
    """Describe one file.

    Parameters
    ----------
    name
        Its name within the scope, with folders; an object's name is escaped (``model.lfn``).
    digest
        Its identity.
    refs
        The Butler datasets that it holds: ``{"id", "dataset_type", "run", "data_id"}``, and
        ``"member"`` where it is a zip, with a ``"formatter"`` of its own where its members need several.
        None for a file that is no Butler dataset.
    formatter
        Full name of the class by which Butler reads it; empty where there are no refs.
    labels
        Free metadata for Rucio's catalogue.
    """

    name: SafeName
    digest: Digest
    refs: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    formatter: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Give the file as it stands in the document."""
        fields: dict[str, Any] = {"name": str(self.name), **self.digest.to_json()}
        if self.refs:
            fields["refs"] = [dict(ref) for ref in self.refs]
            fields["formatter"] = self.formatter
        if self.labels:
            fields["labels"] = dict(self.labels)
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Read a file of the document."""
        digest = Digest.from_json(fields)
        unknown = set(fields) - {"name", "refs", "formatter", "labels", *digest.to_json()}
        if unknown or ("refs" in fields) != ("formatter" in fields):
            raise BadManifest.for_field("files", f"unknown or missing: {sorted(unknown)}")
        refs = tuple(_ref(ref) for ref in fields.get("refs", ()))
        labels = fields.get("labels", {})
        if not all(isinstance(key, str) and isinstance(labels[key], str) for key in labels):
            raise BadManifest.for_field("files", "a label is no text")
        return cls(
            SafeName.parse(fields["name"]), digest, refs, str(fields.get("formatter", "")), labels
        )


def _ref(ref: Mapping[str, Any]) -> Mapping[str, Any]:
    shape = {"id": str, "dataset_type": str, "run": str, "data_id": dict}
    if set(ref) - {"member", "formatter"} != set(shape) or not all(
        isinstance(ref[key], kind) for key, kind in shape.items()
    ):
        raise BadManifest.for_field("refs", "a ref is {id, dataset_type, run, data_id}")
    return ref


@dataclass(frozen=True)
class Parcel:
    """Hold what one parcel is made of.

    Parameters
    ----------
    unit
        Its name, ``products/20261122/coadds-0001``.
    kind
        ``product``, ``file``, ``lfa`` or ``level1``.
    instrument, program, day_obs
        What policies ask for; empty where it is of none.
    files
        Every file, sorted by name.
    dataset_types
        By name, ``{"dimensions", "storage_class", "is_calibration"}`` of the refs' dataset types.
    universe
        ``{"namespace", "version"}`` of the Butler dimension universe that the records follow.
    records
        Butler dimension records by element, in the order in which they must be inserted.
    """

    unit: str
    kind: Kind
    instrument: str
    program: str
    day_obs: int
    files: tuple[ParcelFile, ...]
    dataset_types: dict[str, dict[str, Any]] = field(default_factory=dict, hash=False)
    universe: dict[str, Any] = field(default_factory=dict, hash=False)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> ParcelName:
        """Give the unit's name in its parts."""
        return ParcelName.parse(self.unit)

    @property
    def scope(self) -> str:
        """Give the Rucio scope of its files."""
        return self.kind.scope

    @property
    def tracts(self) -> frozenset[int]:
        """List the tracts of its datasets."""
        return frozenset(
            ref["data_id"]["tract"]
            for file in self.files
            for ref in file.refs
            if isinstance(ref["data_id"].get("tract"), int)
        )

    @cached_property
    def data(self) -> bytes:
        """Give the document's bytes, in canonical JSON."""
        return strict_json.canonical(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Give the document."""
        return {
            "schema": SCHEMA,
            "unit": self.unit,
            "kind": str(self.kind),
            "instrument": self.instrument,
            "program": self.program,
            "day_obs": self.day_obs,
            "files": [file.to_json() for file in self.files],
            "dataset_types": self.dataset_types,
            "universe": self.universe,
            "records": [[element, rows] for element, rows in self.records.items()],
        }

    @cached_property
    def sha256(self) -> str:
        """Give the manifest's identity."""
        return hashlib.sha256(self.data).hexdigest()

    @classmethod
    def parse(cls, data: bytes, name: str = "parcel") -> Self:
        """Read a parcel's manifest strictly.

        Raises
        ------
        BadManifest
            If it is no strict JSON of this schema, has unknown or missing fields, unsafe or
            duplicate names, too many files, or is not in canonical form.
        """
        document = read_fields(data, name, SCHEMA, _FIELDS, MAX_BYTES)
        with naming_bad_fields(name):
            parcel = cls(
                unit=document["unit"],
                kind=Kind(document["kind"]),
                instrument=document["instrument"],
                program=document["program"],
                day_obs=document["day_obs"],
                files=tuple(ParcelFile.from_json(file) for file in document["files"]),
                dataset_types=document["dataset_types"],
                universe=document["universe"],
                records=dict(document["records"]),
            )
            parcel._check(name)
        if parcel.data != data:
            raise BadManifest.for_field(name, "it is not in canonical form")
        return parcel

    def _check(self, name: str) -> None:
        where = ParcelName.parse(self.unit)
        if where.kind is not self.kind or where.day_obs.value != self.day_obs:
            raise BadManifest.for_field(f"{name}: unit", "kind or day_obs is not the name's")
        names = [file.name for file in self.files]
        if not 0 < len(names) <= MAX_FILES or names != sorted(set(names)):
            raise BadManifest.for_field(
                f"{name}: files", f"the names are none, over {MAX_FILES}, unsorted or not unique"
            )
        shapes = (self.dataset_types, self.universe, *self.dataset_types.values())
        rows = [row for element in self.records.values() for row in element]
        if not all(isinstance(each, dict) for each in (*shapes, *rows)):
            raise BadManifest.for_field(f"{name}: records", "it has the wrong shape")
        if not all(
            isinstance(each, str) for each in (*self.records, self.instrument, self.program)
        ):
            raise BadManifest.for_field(f"{name}: records", "a name is no text")
        used = {ref["dataset_type"] for file in self.files for ref in file.refs}
        if used != set(self.dataset_types):
            raise BadManifest.for_field(f"{name}: dataset_types", "they are not those of the refs")


_FIELDS = {
    "schema", "unit", "kind", "instrument", "program", "day_obs", "files", "dataset_types",
    "universe", "records",
}  # fmt: skip
