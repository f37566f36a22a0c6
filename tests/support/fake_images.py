"""Images of a few hundred bytes with their inspector and indexer: no FITS, no Butler, no wait.

A fake image is one line of JSON, its header, then a line with the sha256 of the header, then
``END``. It can thus be cut short, damaged and mislabelled, as a real one can.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from dbb.errors import (
    BadDocument,
    FitsChecksumMismatch,
    IdentityMismatch,
    TruncatedFile,
    UnreadableFits,
    UntranslatableHeader,
)
from dbb.model import strict_json
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.instrument import Detector
from dbb.ports.images import BundleIndex, Image

INDEX_NAME = "_butler_zip_index.json"
_END = b"\nEND\n"
_SHA256_BYTES = 64


def fake_image(unit: Unit, detector_name: str, **header: Any) -> bytes:
    """Make the file of one detector; further header values replace or add to the usual ones."""
    usual = {
        "INSTRUME": unit.instrument,
        "OBSID": str(unit.obs_id),
        "DETECTOR": detector_name,
        "FILTER": "r_57",
        "IMGTYPE": "science",
        "EXPTIME": 30.0,
    }
    data = strict_json.canonical({**usual, **header})
    return data + b"\n" + hashlib.sha256(data).hexdigest().encode() + _END


class MemoryInspector:
    """Judge fake images with the errors that real ones would earn."""

    def inspect_image(self, name: str, data: bytes, unit: Unit, detector: Detector) -> Image:
        """Check one file: structure, checksum, header identity = name."""
        header_data, _, rest = data.partition(b"\n")
        expected_bytes = len(header_data) + 1 + _SHA256_BYTES + len(_END)
        if len(data) < expected_bytes:
            raise TruncatedFile.for_file(name, expected_bytes, len(data))
        try:
            header = strict_json.parse(header_data, name)
        except BadDocument as error:
            raise UnreadableFits.for_file(name, error.message) from None
        if rest != hashlib.sha256(header_data).hexdigest().encode() + _END:
            raise FitsChecksumMismatch.for_unit(name, 0, "CHECKSUM")
        right = {
            "INSTRUME": unit.instrument,
            "OBSID": str(unit.obs_id),
            "DETECTOR": detector.full_name,
        }
        for keyword, expected in right.items():
            if header.get(keyword) != expected:
                raise IdentityMismatch.for_keyword(name, keyword, expected, header.get(keyword))
        return Image(header, checksums_present=True)

    def translate(self, name: str, header: Mapping[str, Any], unit: Unit) -> ExposureFacts:
        """Make the exposure's facts of one header."""
        try:
            exposure_s = float(header["EXPTIME"])
            physical_filter = str(header["FILTER"])
            kind = str(header["IMGTYPE"])
        except (KeyError, TypeError, ValueError) as error:
            raise UntranslatableHeader.for_header(name, error) from None
        obs_id = unit.obs_id
        middle_of_night = dt.datetime.combine(obs_id.day_obs.date, dt.time(12))
        begin = middle_of_night + dt.timedelta(seconds=40 * obs_id.seq_num)
        return ExposureFacts(
            instrument=unit.instrument,
            exposure_id=obs_id.exposure_id,
            obs_id=str(obs_id),
            day_obs=obs_id.day_obs.value,
            seq_num=obs_id.seq_num,
            seq_start=obs_id.seq_num,
            seq_end=obs_id.seq_num,
            group_name=begin.isoformat(),
            controller=obs_id.controller,
            physical_filter=physical_filter,
            observation_type=kind,
            observation_reason=kind,
            science_program="BLOCK-365",
            target_name="lowdust",
            exposure_time_s=exposure_s,
            dark_time_s=exposure_s,
            begin_tai=begin,
            end_tai=begin + dt.timedelta(seconds=exposure_s),
            tracking_ra_deg=53.0,
            tracking_dec_deg=-28.0,
            sky_angle_deg=0.0,
            azimuth_deg=180.0,
            zenith_angle_deg=30.0,
            airmass=1.15,
            air_temperature_c=10.0,
            pressure_pa=74_000.0,
            humidity_percent=30.0,
            wind_speed_m_s=5.0,
            has_simulated=False,
            can_see_sky=True,
        )


class MemoryIndexer:
    """Write an index that names the same datasets every time."""

    def index(
        self, unit: Unit, facts: ExposureFacts, members: Mapping[str, str], run: str
    ) -> BundleIndex:
        """Describe a bundle whose ``members`` map detector names to names in the zip."""
        refs = {
            detector: {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run}/{unit.obs_id}/{detector}")),
                "dataset_type": "raw",
                "run": run,
                "data_id": {
                    "instrument": unit.instrument,
                    "exposure": facts.exposure_id,
                    "detector": detector,
                },
            }
            for detector in members
        }
        data = strict_json.canonical({"run": run, "members": dict(members)})
        universe = {"namespace": "daf_butler", "version": 7}
        records = {"exposure": [{"instrument": unit.instrument, "id": facts.exposure_id}]}
        return BundleIndex(INDEX_NAME, data, refs, universe, records)
