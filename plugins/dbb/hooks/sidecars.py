"""Read what travels beside the files of a batch, or in them: strictly, whatever its form.

==========================  ====================================================================
``manifest.json``           one document for the whole batch, in the words of a parcel's manifest
``<file>.json``, ``.yaml``  Rubin's own sidecar: a ``DatasetRef`` with its dimension records
``<file>.zip``              a zip of datasets that describes itself by Butler's index
``_dimensions.yaml``        dimension records, as ``Butler.export`` writes them
==========================  ====================================================================

Of a batch of permanent files nothing needs to be told.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, BinaryIO

from lsst.daf.butler import DatasetRef, DimensionRecord, DimensionUniverse
from lsst.daf.butler.datastores.file_datastore.retrieve_artifacts import ZipIndex
from lsst.daf.butler.transfers import YamlRepoImportBackend

from dbb.errors import BadDocument
from dbb.hooks.strict_yaml import parse_yaml
from dbb.model import strict_json
from dbb.model.kind import Kind
from dbb.model.sidecar import Sidecars, Told
from dbb.ports.store import READ_BYTES, Store

MANIFEST = "manifest.json"
DIMENSIONS = "_dimensions.yaml"
MAX_SIDECAR_BYTES = 16 * 1024 * 1024

_FORMATTERS = {
    ".parq": "lsst.daf.butler.formatters.parquet.ParquetFormatter",
    ".parquet": "lsst.daf.butler.formatters.parquet.ParquetFormatter",
    ".json": "lsst.daf.butler.formatters.json.JsonFormatter",
    ".yaml": "lsst.daf.butler.formatters.yaml.YamlFormatter",
    ".ecsv": "lsst.daf.butler.formatters.astropyTable.AstropyTableFormatter",
    ".fits": "dbb.hooks.butler_formatter.FitsFileFormatter",
}
"""How a file is read whose sidecar does not say: Rubin's own do not."""


def read_sidecars(store: Store, folder: str, names: Iterable[str], kind: Kind) -> Sidecars:
    """Read what is told of the files of a batch.

    Parameters
    ----------
    store
        Where they lie.
    folder
        The batch's folder, with a slash at its end.
    names
        All names in it, below the folder.
    kind
        What kind of batch it is.

    Raises
    ------
    BadDocument
        If a document is not what it should be, tells of a file that is not there, or a file that
        should be a Butler dataset has nothing told of it.
    """
    return _Batch(store, folder, frozenset(names), kind).read()


@dataclass
class _Batch:
    """Gather what the documents of one batch tell."""

    store: Store
    folder: str
    names: frozenset[str]
    kind: Kind
    universe: DimensionUniverse = field(default_factory=DimensionUniverse)
    told: dict[str, Told] = field(default_factory=dict)
    types: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def read(self) -> Sidecars:
        if MANIFEST in self.names:
            return self._read_manifest()
        sidecars = {self._sidecar_of(name): name for name in self.names} if self._is_told else {}
        sidecars.pop("", None)
        documents = {*sidecars.values(), *({DIMENSIONS} if self._is_told else ())}
        files = sorted(self.names - documents)
        if DIMENSIONS in self.names & documents:
            self._read_dimensions(self._read(DIMENSIONS))
        for name in files:
            if name in sidecars:
                self._read_ref(name, sidecars[name])
            elif name.endswith(".zip") and self.kind is not Kind.FILE:
                self._read_zip(name)
            else:
                self.told[name] = Told()
        if self.kind in (Kind.PRODUCT, Kind.LEVEL1):
            silent = [name for name in files if not self.told[name].refs]
            if silent:
                raise BadDocument.for_document(silent[0], "no sidecar tells which dataset it is")
        return self._result()

    @property
    def _is_told(self) -> bool:
        return self.kind is not Kind.FILE

    def _sidecar_of(self, name: str) -> str:
        """Name the file that a document stands beside; nothing where it is no sidecar."""
        for ending in (".json", ".yaml"):
            beside = name.removesuffix(ending)
            if beside != name and beside in self.names:
                return beside
            for other in (f"{beside}.fits", f"{beside}.parq", f"{beside}.parquet"):
                if beside != name and other in self.names:
                    return other
        return ""

    def _open(self, name: str) -> Any:
        return self.store.open(self.folder + name)

    def _read(self, name: str) -> bytes:
        with self._open(name) as stream:
            data: bytes = stream.read(MAX_SIDECAR_BYTES + 1)
        return data

    # -- the forms ---------------------------------------------------------------------------------

    def _read_manifest(self) -> Sidecars:
        document = strict_json.parse(self._read(MANIFEST), MANIFEST, max_bytes=MAX_SIDECAR_BYTES)
        wanted = {"files", "dataset_types", "universe", "records"}
        if not isinstance(document, dict) or not wanted <= set(document) <= wanted | _EXTRAS:
            raise BadDocument.for_document(MANIFEST, f"it has not the fields {sorted(wanted)}")
        files = document["files"]
        if not isinstance(files, dict) or set(files) != self.names - {MANIFEST}:
            raise BadDocument.for_document(MANIFEST, "its files are not those of the batch")
        try:
            return Sidecars(
                files={name: _told(name, value) for name, value in files.items()},
                dataset_types=document["dataset_types"],
                universe=document["universe"],
                records=dict(document["records"]),
                instrument=document.get("instrument", ""),
                program=document.get("program", ""),
            )
        except _FOREIGN as error:
            raise BadDocument.for_document(MANIFEST, _first_line(error)) from None

    def _read_ref(self, name: str, sidecar: str) -> None:
        data = self._read(sidecar)
        if sidecar.endswith(".yaml"):
            document = parse_yaml(data, sidecar, max_bytes=MAX_SIDECAR_BYTES)
        else:
            document = strict_json.parse(data, sidecar, max_bytes=MAX_SIDECAR_BYTES)
        try:
            ref = DatasetRef.from_json(json.dumps(document), universe=self.universe)
            self._note(ref)
        except _FOREIGN as error:
            raise BadDocument.for_document(sidecar, _first_line(error)) from None
        self.told[name] = Told((_ref_json(ref),), _formatter(name))

    def _read_zip(self, name: str) -> None:
        try:
            with self._open(name) as stream, zipfile.ZipFile(_seekable(stream)) as archive:
                text = archive.read(ZipIndex.index_name).decode("utf-8")
                members = set(archive.namelist())
            index = ZipIndex.model_validate_json(text)
            refs = {ref.id: ref for ref in index.refs.to_refs(universe=self.universe)}
            found = [
                {**_ref_json(refs[one]), "member": member, "formatter": artifact.info.formatter}
                for member, artifact in index.artifact_map.items()
                for one in artifact.ids
            ]
            for ref in refs.values():
                self._note(ref)
        except _FOREIGN as error:
            raise BadDocument.for_document(name, f"its index: {_first_line(error)}") from None
        absent = sorted(set(index.artifact_map) - members)
        if absent:
            raise BadDocument.for_document(name, f"its index names {absent[0]}, which it has not")
        formatters = sorted({ref["formatter"] for ref in found})
        if len(formatters) == 1:  # said once, for the whole file
            found = [{key: ref[key] for key in ref if key != "formatter"} for ref in found]
        first = formatters[0] if formatters else ""
        self.told[name] = Told(tuple(found), first, labels=_ZIP_LABELS)

    def _read_dimensions(self, data: bytes) -> None:
        document = parse_yaml(data, DIMENSIONS, max_bytes=MAX_SIDECAR_BYTES)
        told = document.get("universe_version") if isinstance(document, dict) else None
        if told != self.universe.version:
            raise BadDocument.for_document(
                DIMENSIONS, f"its universe is {told}, ours {self.universe.version}"
            )
        try:
            butler: Any = SimpleNamespace(dimensions=self.universe)
            export = YamlRepoImportBackend(io.BytesIO(data), butler)
            for records in export.dimensions.values():
                for record in records:
                    self._note_record(record)
        except _FOREIGN as error:
            raise BadDocument.for_document(DIMENSIONS, _first_line(error)) from None

    # -- what they tell ----------------------------------------------------------------------------

    def _note(self, ref: DatasetRef) -> None:
        kind = ref.datasetType
        self.types[kind.name] = {
            "dimensions": list(kind.dimensions.required),
            "storage_class": kind.storageClass_name,
            "is_calibration": kind.isCalibration(),
        }
        if ref.dataId.hasRecords():
            for element in ref.dataId.dimensions.elements:
                record = ref.dataId.records[element]
                if record is not None:
                    self._note_record(record)

    def _note_record(self, record: DimensionRecord) -> None:
        if record.definition.has_own_table:
            row = record.to_simple().model_dump(mode="json")["record"]
            known = self.records.setdefault(record.definition.name, {})
            known[json.dumps(dict(record.dataId.required), sort_keys=True, default=str)] = row

    def _result(self) -> Sidecars:
        elements = [each.name for each in self.universe.sorted(self.records)]
        instruments = {
            ref["data_id"].get("instrument", "") for told in self.told.values() for ref in told.refs
        }
        return Sidecars(
            files=self.told,
            dataset_types=self.types,
            universe={"namespace": self.universe.namespace, "version": self.universe.version}
            if self.types
            else {},
            records={element: [*self.records[element].values()] for element in elements},
            instrument=instruments.pop() if len(instruments) == 1 else "",
        )


_FOREIGN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What libraries raise that are given a producer's document, and that says nothing of our services."""

_EXTRAS = {"instrument", "program"}
_ZIP_LABELS = {"rubin_butler": "zip_file", "rubin_sidecar": ""}


def _told(name: str, value: Any) -> Told:
    if not isinstance(value, dict):
        raise BadDocument.for_document(MANIFEST, f"{name} is told nothing of")
    unknown = set(value) - {"refs", "formatter", "bytes", "sha256", "adler32", "labels"}
    if unknown:
        raise BadDocument.for_document(MANIFEST, f"{name} has unknown fields {sorted(unknown)}")
    return Told(
        refs=tuple(value.get("refs", ())),
        formatter=value.get("formatter", ""),
        size_bytes=value.get("bytes"),
        sha256=value.get("sha256", ""),
        adler32=value.get("adler32", ""),
        labels=value.get("labels", {}),
    )


def _ref_json(ref: DatasetRef) -> dict[str, Any]:
    return {
        "id": str(ref.id),
        "dataset_type": ref.datasetType.name,
        "run": ref.run,
        "data_id": dict(ref.dataId.required),
    }


def _formatter(name: str) -> str:
    ending = "." + name.rpartition(".")[2]
    if ending not in _FORMATTERS:
        raise BadDocument.for_document(name, f"nobody says how a {ending} file is read")
    return _FORMATTERS[ending]


def _seekable(stream: BinaryIO) -> BinaryIO:
    return stream if stream.seekable() else io.BytesIO(stream.read(READ_BYTES * 256))


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
