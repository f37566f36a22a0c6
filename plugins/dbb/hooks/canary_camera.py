"""The canary's camera: one small bias image with the header of a real one, the same each time."""

from __future__ import annotations

import io
import json
import random

import numpy as np
from astropy.io import fits

from dbb.model.exposure import Unit
from dbb.model.instrument import Instrument

SIDE = 32
_BEGIN, _END = "2017-01-03T00:00:00.000", "2017-01-03T00:00:01.000"


def draw_exposure(unit: Unit, instrument: Instrument) -> dict[str, bytes]:
    """Make all files of an exposure, by their names at the source."""
    stem = f"{unit.folder}/{unit.obs_id}"
    files = {}
    for detector in instrument.detectors:
        name = f"{stem}_{detector.file_suffix}"
        raft, _, slot = detector.name_in_files.partition("_")
        header: dict[str, str | int | float] = {
            "INSTRUME": instrument.header_names[0],
            "OBSID": str(unit.obs_id),
            "CAMCODE": unit.obs_id.camera_code,
            "CONTRLLR": unit.obs_id.controller,
            "DAYOBS": str(unit.obs_id.day_obs),
            "SEQNUM": unit.obs_id.seq_num,
            "FILENAME": name.rpartition("/")[2],
            "RAFTBAY": raft,
            "CCDSLOT": slot,
            "IMGTYPE": "BIAS",
            "REASON": "canary",
            "PROGRAM": "canary",
            "OBJECT": "canary",
            "GROUPID": str(unit.obs_id),
            "FILTER": next(iter(instrument.physical_filters)),
            "TIMESYS": "TAI",
            "DATE-BEG": _BEGIN,
            "DATE-OBS": _BEGIN,
            "DATE-END": _END,
            "EXPTIME": 0.0,
            "DARKTIME": 1.0,
            "TRACKSYS": "LOCAL",
        }
        files[name] = _image(header, random.Random(name))  # noqa: S311 - pixels, no secret
        files[name.removesuffix("fits") + "json"] = json.dumps(header).encode("ascii")
    expected = {detector.name_in_files: detector.purpose for detector in instrument.detectors}
    sensors = {"obsId": str(unit.obs_id), "expectedSensors": expected}
    files[f"{stem}_expectedSensors.json"] = json.dumps(sensors).encode("ascii")
    return files


def _image(header: dict[str, str | int | float], noise: random.Random) -> bytes:
    pixels = np.frombuffer(noise.randbytes(2 * SIDE * SIDE), dtype=">i2").reshape(SIDE, SIDE)
    units = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, name="Segment00")])
    units[0].header.update(header)
    for unit in units:
        unit.add_checksum(when=_BEGIN)
    written = io.BytesIO()
    units.writeto(written)
    return written.getvalue()
