"""Make small raw bundles as the flows make them: tiny FITS files, a zip, its manifest."""

from __future__ import annotations

import datetime as dt
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import crc32c
import numpy as np
from astropy.io import fits

from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest
from dbb.model.exposure import ExposureFacts, ObsId, Unit
from dbb.model.instrument import Detector, FocalPlane, Instrument
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import SafeName
from dbb.ports.images import BundleIndex, Indexer
from dbb.ports.repository import LandedBundle

DAY = DayObs.parse(20261121)
RUN = "LSSTCam/raw/all"
FILTERS: dict[str, str | None] = {"r_57": "r", "g_6": "g", "NONE": None}


def make_instrument(detectors: int = 4, name: str = "LSSTCam", code: str = "MC") -> Instrument:
    """Describe a camera of a few detectors, the last of them a guider."""
    found = []
    for number in range(detectors):
        raft, slot = f"R{number // 9:02d}", f"S{number % 9 // 3}{number % 3}"
        purpose = "GUIDER" if number == detectors - 1 else "SCIENCE"
        found.append(Detector(number, f"{raft}_{slot}", raft, slot, purpose))
    return Instrument(
        name=name,
        camera_code=code,
        header_names=(name,),
        visit_max=7050123199999,
        exposure_max=7050123199999,
        detector_max=256,
        class_name="dbb.hooks.butler_instruments.LsstCam",
        detectors=tuple(found),
        physical_filters=FILTERS,
        focal_plane=_make_focal_plane(found),
    )


def _make_focal_plane(detectors: Sequence[Detector]) -> FocalPlane:
    """Lay rafts of nine detectors side by side, the first of them in the middle."""
    centres = {}
    for detector in detectors:
        raft_y, raft_x = divmod(detector.id // 9, 5)
        row, column = int(detector.name_in_raft[1]) - 1, int(detector.name_in_raft[2]) - 1
        across, along = (raft_x + 2) % 5 - 2, (raft_y + 2) % 5 - 2
        centres[detector.full_name] = (127 * across + 42.25 * column, 127 * along + 42.25 * row)
    return FocalPlane(arcsec_per_mm=20.0, detector_mm=41.0, padding_mm=2.5, centres_mm=centres)


def make_facts(unit: Unit, physical_filter: str = "r_57") -> ExposureFacts:
    """State plausible facts of an exposure."""
    obs_id = unit.obs_id
    midnight = dt.datetime(2026, 11, 22, 0, 0, 37)  # noqa: DTZ001 - TAI has no zone
    begin = midnight + dt.timedelta(seconds=34 * obs_id.seq_num)
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
        observation_type="science",
        observation_reason="survey",
        science_program="BLOCK-365",
        target_name="lowdust",
        exposure_time_s=30.0,
        dark_time_s=30.9,
        begin_tai=begin,
        end_tai=begin + dt.timedelta(seconds=30),
        tracking_ra_deg=52.5,
        tracking_dec_deg=-27.9,
        sky_angle_deg=123.4,
        azimuth_deg=11.5,
        zenith_angle_deg=33.1,
        airmass=1.19,
        air_temperature_c=11.2,
        pressure_pa=73_900.0,
        humidity_percent=20.0,
        wind_speed_m_s=3.0,
        has_simulated=False,
        can_see_sky=True,
    )


def make_pixels(seed: int, side: int = 8) -> np.ndarray:
    """Draw pixels that differ between files."""
    return np.random.default_rng(seed).integers(0, 2**16, (side, side), dtype=np.uint16)


def make_fits(unit: Unit, detector: Detector, side: int = 8) -> bytes:
    """Write one tiny raw file."""
    primary = fits.PrimaryHDU()
    primary.header["INSTRUME"] = unit.instrument
    primary.header["OBSID"] = str(unit.obs_id)
    primary.header["DETECTOR"] = detector.full_name
    pixels = make_pixels(unit.obs_id.exposure_id * 1000 + detector.id, side)
    out = BytesIO()
    fits.HDUList([primary, fits.ImageHDU(pixels, name="Segment10")]).writeto(out)
    return out.getvalue()


@dataclass(frozen=True)
class BundleMaker:
    """Make bundles of one instrument in a folder."""

    folder: Path
    instrument: Instrument
    indexer: Indexer
    run: str = RUN
    draw: Callable[[Unit, Detector], bytes] = make_fits

    def unit(self, seq_num: int, part: int = 1) -> Unit:
        """Name an exposure of the night."""
        obs_id = ObsId(self.instrument.camera_code, "O", DAY, seq_num)
        return Unit(self.instrument.name, obs_id, part)

    def make(
        self,
        seq_num: int,
        *,
        part: int = 1,
        detectors: Sequence[str] | None = None,
        facts: ExposureFacts | None = None,
        run: str | None = None,
    ) -> LandedBundle:
        """Write a bundle with its index; give it with its manifest, parsed from its bytes."""
        unit = self.unit(seq_num, part)
        chosen = [
            detector
            for detector in self.instrument.detectors
            if detectors is None or detector.full_name in detectors
        ]
        members = {d.full_name: f"{unit.obs_id}_{d.file_suffix}" for d in chosen}
        index = self.indexer.index(unit, facts or make_facts(unit), members, run or self.run)
        contents = {members[d.full_name]: self.draw(unit, d) for d in chosen}
        path = self.folder / unit.bundle_name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
            bundle.writestr(index.member_name, index.member_data)
            for name, data in contents.items():
                bundle.writestr(name, data)
        manifest = _make_manifest(unit, index, members, contents, path.read_bytes())
        return LandedBundle(Manifest.parse(manifest.data), path.as_uri())


def _make_manifest(
    unit: Unit,
    index: BundleIndex,
    members: dict[str, str],
    contents: dict[str, bytes],
    bundle: bytes,
) -> Manifest:
    refs = {members[detector]: ref for detector, ref in index.refs.items()}
    names = sorted(contents)
    return Manifest(
        unit=unit,
        scope="raw",
        bundle=_digest(bundle),
        entries=tuple(Entry(SafeName(name), _digest(contents[name]), refs[name]) for name in names),
        missing=(),
        universe=index.universe,
        records=index.records,
    )


def _digest(data: bytes) -> Digest:
    checksum = f"{crc32c.crc32c(data):08x}"
    return Digest(
        len(data), hashlib.sha256(data).hexdigest(), f"{zlib.adler32(data):08x}", checksum
    )
