"""What lies in an exposure's folder at the source, sorted by what each file is for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from dbb.errors import BadDocument
from dbb.model import strict_json
from dbb.model.exposure import ObsId
from dbb.model.instrument import Instrument
from dbb.ports.store import Store, StoredFile

MAX_DOCUMENT_BYTES = 1024 * 1024


@dataclass
class ExposureFiles:
    """Hold the files of one exposure by detector.

    Parameters
    ----------
    folder
        The folder in the source's store.
    obs_id
        The exposure.
    sensors_document
        The list of expected sensors, or None while it is not there.
    images, headers
        By detector name, the image and its header document.
    strangers
        Files that no detector of the instrument can have.
    """

    folder: str
    obs_id: ObsId
    sensors_document: StoredFile | None = None
    images: dict[str, StoredFile] = field(default_factory=dict)
    headers: dict[str, StoredFile] = field(default_factory=dict)
    strangers: list[StoredFile] = field(default_factory=list)

    @classmethod
    def sort(
        cls, folder: str, obs_id: ObsId, files: Iterable[StoredFile], instrument: Instrument
    ) -> ExposureFiles:
        """Tell the files of a folder apart by their names."""
        found = cls(folder, obs_id)
        prefix = f"{folder}/{obs_id}_"
        for file in files:
            suffix = file.name.removeprefix(prefix)
            stem, _, ending = suffix.rpartition(".")
            detector = instrument.by_suffix.get(f"{stem}.fits")
            if not file.name.startswith(prefix):
                found.strangers.append(file)
            elif suffix == "expectedSensors.json":
                found.sensors_document = file
            elif detector is not None and ending == "fits":
                found.images[detector.full_name] = file
            elif detector is not None and ending == "json":
                found.headers[detector.full_name] = file
            else:
                found.strangers.append(file)
        return found

    @property
    def whole_detectors(self) -> set[str]:
        """Name the detectors of which both files are there."""
        return self.images.keys() & self.headers.keys()

    def of(self, detectors: Iterable[str]) -> list[StoredFile]:
        """List the files of some detectors."""
        wanted = set(detectors)
        pairs = (*self.images.items(), *self.headers.items())
        return [file for detector, file in pairs if detector in wanted]

    def is_due(self, now: dt.datetime, after_s: float) -> bool:
        """Say whether nothing came for so long that the exposure goes on with what is there."""
        return now - self.newest_at >= dt.timedelta(seconds=after_s)

    @property
    def newest_at(self) -> dt.datetime:
        """Tell when the folder last changed, by the source's own clock."""
        files = [*self.images.values(), *self.headers.values(), *self.strangers]
        if self.sensors_document is not None:
            files.append(self.sensors_document)
        return max(file.modified_at for file in files)


def read_expected_sensors(store: Store, files: ExposureFiles, instrument: Instrument) -> set[str]:
    """Read the camera's list of an exposure's detectors; without a list, all are expected.

    Raises
    ------
    BadDocument
        If it is no strict JSON, is another exposure's, or names an unknown detector.
    """
    if files.sensors_document is None:
        return set(instrument.by_name)
    name, obs_id = files.sensors_document.name, files.obs_id
    with store.open(name) as stream:
        data = stream.read(MAX_DOCUMENT_BYTES + 1)
    document = strict_json.parse(data, name, max_bytes=MAX_DOCUMENT_BYTES)
    sensors = document.get("expectedSensors") if isinstance(document, dict) else None
    if not isinstance(sensors, dict) or not sensors:
        raise BadDocument.for_document(name, "it has no expectedSensors")
    if document.get("obsId", str(obs_id)) != str(obs_id):
        raise BadDocument.for_document(name, f"it is of {document['obsId']!a}")
    unknown = sorted(set(sensors) - set(instrument.by_name_in_files))
    if unknown:
        raise BadDocument.for_document(name, f"unknown detector {unknown[0][:40]!a}")
    return {instrument.by_name_in_files[sensor].full_name for sensor in sensors}
