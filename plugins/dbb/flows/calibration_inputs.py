"""Pin what goes into the calibrations of a group: raw images, and calibrations that are in force."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, stored_name
from dbb.flows.manifests import read_manifest
from dbb.model.calibration import Attempt, CalibrationGroup, collection_of, in_force
from dbb.model.payload import CalibrationKind, PayloadInput
from dbb.ports.store import READ_BYTES

APPLIED = {
    CalibrationKind.BIAS: (),
    CalibrationKind.DARK: ("bias",),
    CalibrationKind.FLAT: ("bias", "dark"),
}
"""By kind, the calibrations that are applied to its images first."""


class Inputs:
    """Pin what goes into an attempt by UUID and sha256."""

    def __init__(self, backbone: Backbone, group: CalibrationGroup, folder: Path) -> None:
        self._backbone = backbone
        self._group = group
        self._folder = folder
        self.expected: set[int] = set()
        self.universe: dict[str, Any] = {}

    def raws(self) -> Iterator[PayloadInput]:
        """Pin the raw images, by the manifests that the archive holds."""
        archive = self._backbone.policy.archive
        by_name = self._backbone.instruments[self._group.instrument].by_name
        rows = self._backbone.ledger.units(self._group.units)
        for unit in self._group.units:
            document = read_manifest(self._backbone, rows[unit], archive)
            self.universe = document.universe
            missing = [by_name[name] for name in document.missing]
            self.expected |= {each.id for each in missing if each.dataset_type == "raw"}
            (bundle,) = Cargo(rows[unit], document).contents
            path = self._path(self._backbone.archive.url_of(stored_name(bundle.did)), bundle.did)
            for entry in document.images:
                if entry.ref is None or entry.ref["dataset_type"] != "raw":
                    continue
                data_id = entry.ref["data_id"]
                self.expected.add(data_id["detector"])
                yield PayloadInput(
                    entry.ref["id"], entry.digest.sha256, path, entry.name,
                    data_id["detector"], data_id["exposure"],
                )  # fmt: skip

    def in_force(self, kind: str, attempt: Attempt) -> Iterator[PayloadInput]:
        """Pin the calibrations that are in force when the group begins."""
        repository = self._backbone.repository(self._backbone.policy.archive)
        collection = collection_of(self._group.instrument, attempt.campaign)
        begin = self._group.begin_tai.isoformat()
        found = [
            each
            for each in in_force(repository.validities(collection), begin)
            if each.dataset_type == kind
            and dict(each.data_id).get("physical_filter", "") in ("", self._group.physical_filter)
        ]
        ids = [each.dataset_id for each in found]
        digests = self._backbone.calibrations.digests(ids)
        urls = repository.locate(ids)
        for each in found:
            if each.dataset_id in digests and each.dataset_id in urls:
                detector = int(dict(each.data_id)["detector"])
                path = self._path(urls[each.dataset_id], each.dataset_id)
                yield PayloadInput(
                    each.dataset_id, digests[each.dataset_id], path, "", detector, kind=kind
                )

    def _path(self, url: str, name: object) -> Path:
        """Give a local path: the store's own, or that of a copy."""
        parts = urlsplit(url)
        if parts.scheme in ("", "file"):
            return Path(unquote(parts.path))
        copy = self._folder / hashlib.sha256(str(name).encode()).hexdigest()[:24]
        source = url.removeprefix(f"{self._backbone.archive.url}/")
        with self._backbone.archive.open(source) as reader, copy.open("wb") as writer:
            shutil.copyfileobj(reader, writer, READ_BYTES)
        return copy
