"""Making one bundle: each file of the exposure is read once, judged, digested and copied."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable

from dbb.digests import DigestWriter, digest_bytes
from dbb.errors import (
    BadDocument,
    BrokenContract,
    Damaged,
    DbbError,
    TruncatedFile,
)
from dbb.flows.backbone import Backbone
from dbb.flows.exposure_files import ExposureFiles
from dbb.model import strict_json
from dbb.model.digest import Digest
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.instrument import Detector
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import SafeName
from dbb.ports.images import BundleIndex
from dbb.ports.store import StoredFile, Writer

MAX_FILE_BYTES = 512 * 1024 * 1024
"""A raw image has 20 MB at most; a larger file is refused before it fills the memory."""


class FilesRefused(Exception):
    """Say which files of an exposure were judged bad, and why.

    Parameters
    ----------
    refused
        Each bad file with its error.
    """

    def __init__(self, refused: list[tuple[StoredFile, DbbError]]) -> None:
        super().__init__(refused)
        self.refused = refused


class BundleMaker:
    """Make the bundle of one unit.

    The same files give the same bytes: members are stored, sorted, and carry no time.

    Parameters
    ----------
    backbone
        The ports.
    unit
        What to bundle.
    files
        Its files at the source.
    expected
        Full names of the detectors that it should have.
    """

    def __init__(
        self, backbone: Backbone, unit: Unit, files: ExposureFiles, expected: set[str]
    ) -> None:
        self._backbone = backbone
        self._unit = unit
        self._files = files
        self._expected = expected
        self._digests: dict[str, Digest] = {}
        self._members: dict[str, str] = {}
        self._detectors = backbone.instruments[unit.instrument].by_name
        self._names = sorted(files.whole_detectors & expected)
        self._facts: ExposureFacts | None = None
        self._refused: list[tuple[StoredFile, DbbError]] = []

    def write(self, writer: Writer) -> tuple[Manifest, ExposureFacts]:
        """Write the bundle; describe it.

        Raises
        ------
        FilesRefused
            If any file is bad. All of them are looked at first, so that one answer names all.
        """
        tee = _Tee(writer)
        with zipfile.ZipFile(tee, "w", zipfile.ZIP_STORED) as bundle:
            if self._unit.part == 1 and self._files.sensors_document is not None:
                file = self._files.sensors_document
                self._add(bundle, file, self._read(file))
            for name in self._names:
                self._add_detector(bundle, self._detectors[name])
            if self._refused or self._facts is None:
                raise FilesRefused(self._refused)
            index = self._index(self._facts)
            bundle.writestr(_member(index.member_name), index.member_data)
            self._digests[index.member_name] = digest_bytes(index.member_data)
        return self._manifest(index, tee.digest()), self._facts

    @property
    def _spokesman(self) -> str:
        """Name the detector whose header speaks for the exposure: corner ones may lack pointing."""
        science = (name for name in self._names if self._detectors[name].purpose == "SCIENCE")
        return next(science, self._names[0])

    def _add_detector(self, bundle: zipfile.ZipFile, detector: Detector) -> None:
        image = self._files.images[detector.full_name]
        header = self._files.headers[detector.full_name]
        for file, judge in ((header, self._judge_document), (image, self._judge_image)):
            try:
                data = self._read(file)
                judge(file, data, detector)
            except (Damaged, BrokenContract) as error:
                self._refused.append((file, error))
            else:
                self._add(bundle, file, data)
        self._members[detector.full_name] = _leaf(image)

    def _judge_image(self, file: StoredFile, data: bytes, detector: Detector) -> None:
        inspector = self._backbone.inspector
        image = inspector.inspect_image(file.name, data, self._unit, detector)
        if detector.full_name == self._spokesman:
            self._facts = inspector.translate(file.name, image.header, self._unit)

    def _judge_document(self, file: StoredFile, data: bytes, _detector: Detector) -> None:
        document = strict_json.parse(data, file.name)
        if not isinstance(document, dict):
            raise BadDocument.for_document(file.name, "it is no header")
        obs_id = document.get("OBSID", str(self._unit.obs_id))
        if obs_id != str(self._unit.obs_id):
            raise BadDocument.for_document(file.name, f"it is of {str(obs_id)[:40]!a}")

    def _read(self, file: StoredFile) -> bytes:
        if file.size_bytes > MAX_FILE_BYTES:
            raise BadDocument.for_document(file.name, f"it is larger than {MAX_FILE_BYTES} bytes")
        with self._backbone.source.open(file.name) as stream:
            data = stream.read()
        if len(data) != file.size_bytes:
            raise TruncatedFile.for_file(file.name, file.size_bytes, len(data))
        return data

    def _add(self, bundle: zipfile.ZipFile, file: StoredFile, data: bytes) -> None:
        self._digests[_leaf(file)] = digest_bytes(data)
        if not self._refused:  # else the bundle is thrown away: only the judging goes on
            bundle.writestr(_member(_leaf(file)), data)

    def _index(self, facts: ExposureFacts) -> BundleIndex:
        run = self._backbone.policy.run.format(instrument=self._unit.instrument)
        return self._backbone.indexer.index(self._unit, facts, self._members, run)

    def _manifest(self, index: BundleIndex, bundle: Digest) -> Manifest:
        refs = {self._members[detector]: ref for detector, ref in index.refs.items()}
        return Manifest(
            unit=self._unit,
            scope=self._backbone.policy.scope,
            bundle=bundle,
            entries=tuple(
                Entry(SafeName.parse(name), self._digests[name], refs.get(name))
                for name in sorted(self._digests)
            ),
            missing=tuple(sorted(self._expected - self._members.keys())),
            universe=index.universe,
            records=index.records,
        )


class _Tee:
    """Pass a zip's bytes on and digest them; offers no seek, so zipfile writes straight through."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._digest = DigestWriter()

    def write(self, data: bytes, /) -> int:
        self._digest.update(data)
        return self._writer.write(data)

    def flush(self) -> None:
        """Do nothing: the store makes the file durable when it is whole."""

    def close(self) -> None:
        """Do nothing: the store closes the file."""

    def digest(self) -> Digest:
        return self._digest.digest()


def _leaf(file: StoredFile) -> str:
    return file.name.rsplit("/", 1)[-1]


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o444 << 16
    return info


def refused_names(refused: Iterable[tuple[StoredFile, DbbError]]) -> str:
    """Name refused files shortly, for a reason that a person reads."""
    names = [f"{_leaf(file)} ({error.code})" for file, error in refused]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
