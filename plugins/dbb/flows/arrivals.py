"""Looking at the source's store: which exposures have come, which wait, which work is left.

The listing is the truth; an event is only a hint to look. Nothing is copied here: what is found
becomes rows of the ledger, and what does not belong is set aside.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from dbb.digests import digest_stream
from dbb.errors import (
    BadDayObs,
    BadDocument,
    ConflictingDuplicate,
    DbbError,
    IncompleteExposure,
    UnexpectedFile,
    UnsafeName,
)
from dbb.flows.backbone import Backbone
from dbb.flows.exposure_files import ExposureFiles, read_expected_sensors
from dbb.flows.freshness import note_look
from dbb.flows.manifests import read_manifests
from dbb.flows.refusing import refuse_file, refuse_unit
from dbb.model.day_obs import DayObs
from dbb.model.delivery import Delivery, State
from dbb.model.digest import Digest
from dbb.model.exposure import ObsId, Unit
from dbb.model.instrument import Instrument
from dbb.model.names import SafeName
from dbb.ports.ledger import UnitRow
from dbb.ports.store import StoredFile

log = logging.getLogger(__name__)


@dataclass
class Arrivals:
    """Say what a look at the source's store found.

    Parameters
    ----------
    work
        Units with something left to do, in the order of their names.
    waiting
        Units that wait for detectors.
    finished
        Number of units of the night with nothing left to do.
    """

    work: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    finished: int = 0


def receive_arrivals(backbone: Backbone, day_obs: DayObs) -> Arrivals:
    """Bring the ledger up to date with a night's files at the source; list the work left."""
    for name in backbone.policy.instruments:
        _Night(backbone, day_obs, backbone.instruments[name]).receive()
    note_look(backbone)
    return find_work(backbone, day_obs)


def find_work(backbone: Backbone, day_obs: DayObs) -> Arrivals:
    """Sort a night's units into those to work on, those that wait, and the finished."""
    arrivals = Arrivals()
    for instrument in backbone.policy.instruments:
        rows = backbone.ledger.units_of_night(instrument, day_obs.value)
        names = [row.unit for row in rows]
        deliveries = backbone.ledger.deliveries(names)
        for row in rows:
            state = _state(deliveries, row.unit, backbone.policy.source)
            if is_finished(backbone, row, deliveries):
                arrivals.finished += 1
            elif state in (State.EXPECTED, State.QUARANTINED):
                arrivals.waiting.append(row.unit)
            else:
                arrivals.work.append(row.unit)
    return arrivals


def is_finished(
    backbone: Backbone, row: UnitRow, deliveries: dict[tuple[str, str], Delivery]
) -> bool:
    """Say whether nothing is left to do between the source and the archive."""
    policy = backbone.policy
    return (
        _state(deliveries, row.unit, policy.source) is State.RELEASED
        and _state(deliveries, row.unit, policy.archive) is State.PUBLISHED
    )


def _state(deliveries: dict[tuple[str, str], Delivery], unit: str, endpoint: str) -> State | None:
    delivery = deliveries.get((unit, endpoint))
    return None if delivery is None else delivery.state


class _Night:
    """Look through one instrument's night at the source."""

    def __init__(self, backbone: Backbone, day_obs: DayObs, instrument: Instrument) -> None:
        self.backbone = backbone
        self.day_obs = day_obs
        self.instrument = instrument
        self.folder = f"{instrument.name}/{day_obs}"
        self.now = backbone.clock.now()
        self.parts: dict[str, list[UnitRow]] = {}
        rows = backbone.ledger.units_of_night(instrument.name, day_obs.value)
        for row in rows:
            self.parts.setdefault(row.obs_id, []).append(row)
        self.deliveries = backbone.ledger.deliveries([row.unit for row in rows])
        self.noted: list[UnitRow] = []
        self.ready: dict[str, list[str]] = {}

    def receive(self) -> None:
        files = self.backbone.source.list_files(f"{self.folder}/")
        by_folder = itertools.groupby(files, lambda file: file.name.rpartition("/")[0])
        for folder, inside in by_folder:
            obs_id = self._obs_id(folder)
            if obs_id is None:
                self._refuse(
                    self.folder,
                    inside,
                    UnsafeName.for_name(folder, "it is no exposure of this instrument and night"),
                )
            else:
                self._receive_exposure(ExposureFiles.sort(folder, obs_id, inside, self.instrument))
        self._write()

    def _obs_id(self, folder: str) -> ObsId | None:
        try:
            obs_id = ObsId.parse(folder.removeprefix(f"{self.folder}/"))
        except (UnsafeName, BadDayObs):
            return None
        right = obs_id.day_obs == self.day_obs
        return obs_id if right and obs_id.camera_code == self.instrument.camera_code else None

    def _refuse(self, unit: str, files: Iterable[StoredFile], error: DbbError) -> None:
        for file in files:
            refuse_file(self.backbone, unit, self.day_obs.value, file, error)

    def _receive_exposure(self, files: ExposureFiles) -> None:
        if not files.is_due(self.now, self.backbone.policy.settle_s):
            return
        parts = self.parts.get(str(files.obs_id), [])
        sealed = [row for row in parts if row.manifest_sha256 and not self._comes_again(row)]
        unit = Unit(self.instrument.name, files.obs_id, len(sealed) + 1)
        for stranger in files.strangers:
            self._refuse(str(unit), [stranger], _why_strange(stranger.name))
        if sealed:
            expected = set(sealed[-1].missing)
            self._meet_duplicates(sealed, files, expected)
        else:
            expected = self._expected(unit, files)
        if files.images.keys() & expected or files.headers.keys() & expected or not sealed:
            self._note(unit, files, expected)

    def _comes_again(self, row: UnitRow) -> bool:
        """Say whether a bundle was made and not believed: the unit is then landed anew."""
        state = _state(self.deliveries, row.unit, self.backbone.policy.source)
        return state in (State.EXPECTED, State.QUARANTINED)

    def _expected(self, unit: Unit, files: ExposureFiles) -> set[str]:
        document = files.sensors_document
        if document is not None:
            try:
                return read_expected_sensors(self.backbone.source, files, self.instrument)
            except BadDocument as error:
                self._refuse(str(unit), [document], error)
                files.sensors_document = None
        return set(self.instrument.by_name)

    def _note(self, unit: Unit, files: ExposureFiles, expected: set[str]) -> None:
        for detector in sorted((files.images.keys() | files.headers.keys()) - expected):
            if unit.part == 1 and files.sensors_document is not None:
                for file in files.of([detector]):
                    self._refuse(str(unit), [file], UnexpectedFile.for_file(file.name))
        whole = files.whole_detectors & expected
        name = str(unit)
        self.noted.append(
            UnitRow(
                unit=name,
                kind="raw",
                instrument=self.instrument.name,
                day_obs=self.day_obs.value,
                obs_id=str(files.obs_id),
                part=unit.part,
                expected=len(expected),
                arrived=len(whole),
                missing=(),
                changed_at=files.newest_at,
            )
        )
        complete = whole == expected and (unit.part > 1 or files.sensors_document is not None)
        if complete:
            self.ready.setdefault(f"complete, {len(whole)} detectors", []).append(name)
        elif whole and files.is_due(self.now, self.backbone.policy.incomplete_after_s):
            self._accept_incomplete(name, expected - whole, len(expected))

    def _accept_incomplete(self, unit: str, missing: set[str], expected: int) -> None:
        """Let an exposure go on by its age, with every missing detector on the record."""
        if not missing:
            self.ready.setdefault("complete by age, no list of expected sensors", []).append(unit)
            return
        refuse_unit(
            self.backbone,
            unit,
            self.day_obs.value,
            self.backbone.policy.source,
            IncompleteExposure.for_exposure(unit, len(missing), expected),
        )
        names = ", ".join(sorted(missing)[:5]) + (" and more" if len(missing) > 5 else "")
        reason = f"incomplete by age: {len(missing)} of {expected} missing, {names}"
        self.ready.setdefault(reason, []).append(unit)

    def _meet_duplicates(
        self, sealed: list[UnitRow], files: ExposureFiles, expected: set[str]
    ) -> None:
        """Compare files that came again after their exposure was released."""
        source = self.backbone.policy.source
        again = files.of((files.images.keys() | files.headers.keys()) - expected)
        if files.sensors_document is not None:
            again.append(files.sensors_document)
        # Files of a part that is not released are no duplicates but the originals.
        released = [
            row for row in sealed if _state(self.deliveries, row.unit, source) is State.RELEASED
        ]
        archive = self.backbone.policy.archive
        for row, manifest in read_manifests(self.backbone, released, archive, State.PUBLISHED):
            known = {str(entry.name): entry.digest for entry in manifest.entries}
            for file in [file for file in again if file.name.rsplit("/", 1)[-1] in known]:
                settle_duplicate(self.backbone, row, file, known[file.name.rsplit("/", 1)[-1]])

    def _write(self) -> None:
        """Write the rows first and the states second: a kill between costs nothing."""
        backbone = self.backbone
        source = backbone.policy.source
        backbone.ledger.note_units(self.noted)
        backbone.ledger.expect([row.unit for row in self.noted], source, "seen at the source")
        for reason, units in self.ready.items():
            backbone.ledger.advance(units, source, State.EXPECTED, State.ARRIVED, reason)
            backbone.ledger.advance(units, source, State.QUARANTINED, State.ARRIVED, reason)


def _why_strange(name: str) -> DbbError:
    try:
        SafeName.parse(name)
    except UnsafeName as error:
        return error
    return UnexpectedFile.for_file(name)


def settle_duplicate(backbone: Backbone, row: UnitRow, file: StoredFile, known: Digest) -> bool:
    """Delete a file that came again with the archived bytes; refuse one with others.

    Returns
    -------
    bool
        Whether the bytes were the archived ones.
    """
    with backbone.source.open(file.name) as stream:
        found = digest_stream(stream)
    if found.same_bytes(known):
        log.info("action=delete-duplicate name=%s reason=archived-already", file.name)
        backbone.source.delete([file.name])
        return True
    error = ConflictingDuplicate.for_file(file.name, known.sha256, found.sha256)
    refuse_file(backbone, row.unit, row.day_obs, file, error)
    return False
