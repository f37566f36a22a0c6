"""Headers of synthetic exposures: real ones, with identity, time and pointing put in."""

from __future__ import annotations

import datetime as dt
import json
import math
from functools import cache
from pathlib import Path

from dbb.model.instrument import Detector
from sandbox.synthetic_night.cards import Value
from sandbox.synthetic_night.schedule import Shot

FOLDER = Path(__file__).with_name("headers")
PROGRAM = "BLOCK-365"
_MJD_EPOCH = dt.datetime(1858, 11, 17)  # noqa: DTZ001  TAI is written without a zone
_POINTING = (
    "RA", "DEC", "RASTART", "DECSTART", "RAEND", "DECEND", "ROTPA", "ROTCOORD", "HASTART", "HAEND",
    "AMSTART", "AMEND",
)  # fmt: skip
_E2V_RAFTS = frozenset(
    {"R11", "R12", "R13", "R14", "R21", "R22", "R23", "R24", "R30", "R31", "R32", "R33", "R34"}
)


@cache
def real_header(instrument: str) -> dict[str, Value]:
    """Read the real primary header that stands for an instrument."""
    values: dict[str, Value] = json.loads((FOLDER / f"{instrument}.json").read_text("ascii"))
    return values


def exposure_header(shot: Shot, detector_section: str) -> dict[str, Value]:
    """Make the primary header that all detectors of an exposure share."""
    header = dict(real_header(shot.instrument))
    header |= _identity(shot) | _times(shot) | _pointing(shot)
    header |= {
        "FILTER": shot.physical_filter,
        "FILTBAND": shot.physical_filter[0],
        "EXPTIME": shot.exposure_s,
        "SHUTTIME": 0.0 if shot.image_type in ("BIAS", "DARK") else shot.exposure_s,
        "DARKTIME": round((shot.end_tai - shot.begin_tai).total_seconds(), 4),
        "AIRTEMP": shot.temperature_c,
        "VIGNETTE": "NO" if shot.on_sky else "FULLY",
        "VIGN_MIN": "NO" if shot.on_sky else "FULLY",
        "DETSIZE": detector_section,
    }
    return header | detector_values(shot, None)


def detector_values(shot: Shot, detector: Detector | None) -> dict[str, Value]:
    """Give what one detector's header has of its own; without a detector, the empty places."""
    names = ("RAFTBAY", "CCDSLOT", "CCD_MANU", "CCD_TYPE", "LSST_NUM", "CCD_SERN", "RAFTNAME",
             "REBNAME", "FILENAME")  # fmt: skip
    if detector is None:
        return dict.fromkeys(names)
    raft, _, slot = detector.name_in_files.partition("_")
    maker, model = ("E2V", "CCD250") if raft in _E2V_RAFTS else ("ITL", "3800C")
    values = (raft, slot, maker, model, f"{maker}-{model}-{detector.id + 1:03d}",
              f"{20_000 + 7 * detector.id}", f"LCA-11021_RTM-{raft[1:]}", f"LCA-13574-{raft[1:]}",
              f"{shot.obs_id}_{detector.file_suffix}")  # fmt: skip
    return dict(zip(names, values, strict=True))


def header_document(header: dict[str, Value]) -> bytes:
    """Write a header as the JSON document that rides beside the image."""
    document: dict[str, Value] = {
        "__CONTENT__": "metadata",
        "SIMPLE": True,
        "BITPIX": 8,
        "NAXIS": 0,
    }
    for keyword, value in header.items():
        long = " " in keyword
        document["HIERARCH." + keyword.replace(" ", ".") if long else keyword] = value
    return json.dumps(document).encode("ascii")


def _identity(shot: Shot) -> dict[str, Value]:
    obs_id = shot.obs_id
    sequence = f"{shot.begin_tai - dt.timedelta(seconds=2):%Y-%m-%dT%H:%M:%S}.000"
    return {
        "OBSID": str(obs_id),
        "CAMCODE": obs_id.camera_code,
        "CONTRLLR": obs_id.controller,
        "DAYOBS": str(obs_id.day_obs),
        "SEQNUM": obs_id.seq_num,
        "GROUPID": sequence,
        "IMGTYPE": shot.image_type,
        "TESTTYPE": shot.image_type,
        "REASON": {"OBJECT": "survey", "ACQ": "first_focus"}.get(
            shot.image_type, shot.image_type.lower()
        ),
        "PROGRAM": PROGRAM if shot.on_sky else "BLOCK-T642",
        "OBJECT": f"field_{obs_id.seq_num:05d}" if shot.on_sky else "Park position",
        "OBSANNOT": "",
        "IMAGETAG": f"{obs_id.exposure_id * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "CURINDEX": shot.index,
        "MAXINDEX": shot.sequence_length,
    }


def _times(shot: Shot) -> dict[str, Value]:
    header: dict[str, Value] = {"TIMESYS": "TAI"}
    marks = {"-OBS": shot.begin_tai, "-BEG": shot.begin_tai, "-END": shot.end_tai,
             "-TRG": shot.end_tai, "": shot.end_tai}  # fmt: skip
    for mark, time in marks.items():
        header[f"DATE{mark}"] = time.isoformat(timespec="milliseconds")
        header[f"MJD{mark}"] = round((time - _MJD_EPOCH) / dt.timedelta(days=1), 11)
    return header


def _pointing(shot: Shot) -> dict[str, Value]:
    header: dict[str, Value] = {
        "ELSTART": shot.elevation_deg,
        "AZSTART": shot.azimuth_deg,
        "ELEND": shot.elevation_deg,
        "AZEND": shot.azimuth_deg,
    }
    if not shot.on_sky:
        return header | dict.fromkeys(_POINTING) | {"TRACKSYS": "LOCAL"}
    ra, dec = (round(angle, 9) for angle in shot.radec_deg)
    airmass = round(1 / math.sin(math.radians(shot.elevation_deg)), 9)
    values: tuple[Value, ...] = (
        ra, dec, ra, dec, ra, dec, shot.rotation_deg, "sky", None, None, airmass, airmass,
    )  # fmt: skip
    tracking: dict[str, Value] = {"TRACKSYS": "RADEC", "RADESYS": "ICRS"}
    return header | tracking | dict(zip(_POINTING, values, strict=True))
