"""Judge raw images: whether each is whole, and the one that its name says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dbb.errors import IdentityMismatch, TruncatedFile, UnknownInstrument, UnreadableFits
from dbb.hooks import translators
from dbb.hooks.fits_header import BadCard, Value
from dbb.hooks.fits_structure import BLOCK_BYTES, FitsUnit, read_units, verify_checksums
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.instrument import Detector, Instrument
from dbb.ports.images import Image

REQUIRED = ("OBSID", "RAFTBAY", "CCDSLOT", "INSTRUME")
"""Keywords without which nobody can tell which image it is."""

IDENTITY = (*REQUIRED, "DAYOBS", "SEQNUM", "CONTRLLR", "CAMCODE", "FILENAME")

_SECTION = re.compile(r"\[(\d{1,6}):(\d{1,6}),(\d{1,6}):(\d{1,6})\]")


class FitsInspector:
    """Read raw images of the instruments that it knows.

    Parameters
    ----------
    instruments
        The instruments by name.
    """

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self.instruments = instruments

    def inspect_image(self, name: str, data: bytes, unit: Unit, detector: Detector) -> Image:
        """Check one FITS file: structure, checksums where present, header identity = name.

        Raises
        ------
        TruncatedFile, UnreadableFits, FitsChecksumMismatch
            If the bytes are damaged.
        IdentityMismatch
            If the header names another exposure or detector.
        UnknownInstrument
            If the unit's instrument has no description.
        """
        if not data:
            raise TruncatedFile.for_file(name, BLOCK_BYTES, 0)
        units = read_units(name, data)
        checksums_present = verify_checksums(name, data, units)
        try:
            header = units[0].cards()
            _check_occurrences(units[0])
            _check_whole_detector(units)
        except BadCard as error:
            raise UnreadableFits.for_file(name, error) from None
        self._check_identity(name, header, unit, detector)
        return Image(header, checksums_present)

    def translate(self, name: str, header: Mapping[str, Any], unit: Unit) -> ExposureFacts:
        """Make the exposure's facts of one image's header.

        Raises
        ------
        UntranslatableHeader
            If it cannot be done.
        UnknownInstrument
            If the unit's instrument has no description.
        """
        return translators.translate(name, header, unit, self._instrument(name, unit))

    def _instrument(self, name: str, unit: Unit) -> Instrument:
        try:
            return self.instruments[unit.instrument]
        except KeyError:
            raise UnknownInstrument.for_name(unit.instrument, name) from None

    def _check_identity(
        self, name: str, header: Mapping[str, Value], unit: Unit, detector: Detector
    ) -> None:
        obs_id = unit.obs_id
        raft, _, slot = detector.name_in_files.partition("_")
        expected = {
            "OBSID": str(obs_id),
            "RAFTBAY": raft,
            "CCDSLOT": slot,
            "DAYOBS": str(obs_id.day_obs),
            "SEQNUM": str(obs_id.seq_num),
            "CONTRLLR": obs_id.controller,
            "CAMCODE": obs_id.camera_code,
            "FILENAME": f"{obs_id}_{detector.file_suffix}",
        }
        names = self._instrument(name, unit).header_names
        if header.get("INSTRUME") not in names:
            raise IdentityMismatch.for_keyword(name, "INSTRUME", names[0], header.get("INSTRUME"))
        for keyword, value in expected.items():
            found = header.get(keyword)
            if (found is not None or keyword in REQUIRED) and str(found) != value:
                raise IdentityMismatch.for_keyword(name, keyword, value, found)


def _check_occurrences(primary: FitsUnit) -> None:
    """Refuse two values for one identity: programs differ in which of them they believe."""
    for keyword in IDENTITY:
        if primary.repeats(keyword):
            raise BadCard(f"{keyword} occurs twice")


def _check_whole_detector(units: list[FitsUnit]) -> None:
    """Refuse a file without an image, or without all amplifiers.

    A file cut between two units is whole FITS with good checksums: only the sections of the
    detector that its amplifiers cover tell.
    """
    if not any(unit.end > unit.data_begin for unit in units[1:]):
        raise BadCard("it has no image extension")
    detector = _area(units[0].get("DETSIZE") or units[1].get("DETSIZE"))
    covered = sum(_area(unit.get("DETSEC")) for unit in units[1:])
    if detector and covered and covered != detector:
        raise BadCard(f"its amplifiers cover {covered} of the detector's {detector} pixels")


def _area(section: Value) -> int:
    match = _SECTION.fullmatch(section) if isinstance(section, str) else None
    if match is None:
        return 0
    first_x, last_x, first_y, last_y = (int(match[group]) for group in range(1, 5))
    return (abs(last_x - first_x) + 1) * (abs(last_y - first_y) + 1)
