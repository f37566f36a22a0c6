"""Say which Butler dataset an object of the annex is: by its key, and the header of its FITS file.

Nothing but the object is needed, and the same object makes the same description at every time and place.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping
from typing import Any

from lsst.daf.butler import DataCoordinate, DatasetType, DimensionUniverse

from dbb.errors import LfaNotIngested, UntranslatableHeader
from dbb.hooks.butler_dataset_types import derive_id
from dbb.hooks.butler_formatter import read_primary_header
from dbb.hooks.butler_records import detector_row, exposure_rows
from dbb.model.day_obs import ROLLOVER, TAI_MINUS_UTC
from dbb.model.exposure import ExposureFacts
from dbb.model.instrument import Detector, Instrument
from dbb.model.lfa_classes import LfaDataset, LfaPlace
from dbb.model.sidecar import Sidecars, Told
from dbb.ports.store import Store

HEADER_BYTES = 1024 * 1024
"""How much of a file is read for its first header; longer ones do not occur."""

_EXPOSURE_MAX = 10**17
_FILTER = "unknown"


def describe_object(store: Store, name: str, key: str, dataset: LfaDataset) -> Sidecars:
    """Read an object's header where it lies, and describe it as one file called by its key.

    Raises
    ------
    LfaNotIngested
        If key or header do not say what they should.
    """
    place = dataset.place_of(key)
    header = _read_header(store, name, key)
    universe = DimensionUniverse()
    instrument = _instrument(dataset, place)
    facts = _facts(key, header, place)
    try:
        records = exposure_rows(instrument, facts)
    except UntranslatableHeader as error:
        raise LfaNotIngested.for_object(key, error.message) from None
    records["detector"] = [detector_row(instrument, instrument.detectors[place.detector])]
    run = dataset.run.format(instrument=place.instrument)
    data_id = {
        "instrument": place.instrument, "exposure": place.exposure, "detector": place.detector
    }  # fmt: skip
    kind = DatasetType(
        dataset.dataset_type, dataset.dimensions, dataset.storage_class, universe=universe
    )
    required = {name: data_id[name] for name in kind.dimensions.required}
    coordinate = DataCoordinate.standardize(required, dimensions=kind.dimensions)
    ref = {
        "id": str(derive_id(kind, coordinate, run)),
        "dataset_type": dataset.dataset_type,
        "run": run,
        "data_id": required,
    }
    return Sidecars(
        files={key: Told((ref,), dataset.formatter)},
        dataset_types={
            dataset.dataset_type: {
                "dimensions": list(kind.dimensions.required),
                "storage_class": dataset.storage_class,
                "is_calibration": False,
            }
        },
        universe={"namespace": universe.namespace, "version": universe.version},
        records=records,
        instrument=place.instrument,
    )


def _read_header(store: Store, name: str, key: str) -> Mapping[str, Any]:
    with store.open(name) as stream:
        data = stream.read(HEADER_BYTES)
    if not data.startswith(b"SIMPLE"):
        raise LfaNotIngested.for_object(key, "it is no FITS file")
    try:
        return read_primary_header(io.BytesIO(data))
    except (OSError, ValueError, EOFError) as error:
        why = f"its header cannot be read: {str(error)[:200]}"
        raise LfaNotIngested.for_object(key, why) from None


def _instrument(dataset: LfaDataset, place: LfaPlace) -> Instrument:
    return Instrument(
        name=place.instrument,
        camera_code="",
        header_names=(),
        visit_max=_EXPOSURE_MAX,
        exposure_max=_EXPOSURE_MAX,
        detector_max=len(dataset.detectors),
        class_name=dataset.class_name,
        detectors=tuple(
            Detector(number, name, "R00", name, "SCIENCE")
            for number, name in enumerate(dataset.detectors)
        ),
        physical_filters={_FILTER: _FILTER},
    )


def _facts(key: str, header: Mapping[str, Any], place: LfaPlace) -> ExposureFacts:
    began = _time(key, header, "DATE-BEG") or place.began_tai
    if began is None:
        raise LfaNotIngested.for_object(key, "neither its name nor its header says when it began")
    if int((began - ROLLOVER).strftime("%Y%m%d")) != place.day_obs:
        why = f"its header says {began.isoformat()}, and its name day {place.day_obs}"
        raise LfaNotIngested.for_object(key, why)
    exposed_s = _seconds(key, header)
    ended = _time(key, header, "DATE-END") or began + dt.timedelta(seconds=exposed_s)
    return ExposureFacts(
        instrument=place.instrument,
        exposure_id=place.exposure,
        obs_id=place.obs_id,
        day_obs=place.day_obs,
        seq_num=place.seq_num,
        seq_start=place.seq_num,
        seq_end=place.seq_num,
        group_name=place.obs_id,
        controller="",
        physical_filter=_FILTER,
        observation_type=_text(header, "IMGTYPE"),
        observation_reason=_text(header, "REASON"),
        science_program=_text(header, "PROGRAM"),
        target_name=_text(header, "OBJECT"),
        exposure_time_s=exposed_s,
        dark_time_s=exposed_s,
        begin_tai=began,
        end_tai=ended,
        tracking_ra_deg=None,
        tracking_dec_deg=None,
        sky_angle_deg=None,
        azimuth_deg=None,
        zenith_angle_deg=None,
        airmass=None,
        air_temperature_c=None,
        pressure_pa=None,
        humidity_percent=None,
        wind_speed_m_s=None,
        has_simulated=False,
        can_see_sky=None,
    )


def _time(key: str, header: Mapping[str, Any], name: str) -> dt.datetime | None:
    """Read a time of the header as TAI; headers that do not say otherwise are in TAI."""
    told = header.get(name)
    if not isinstance(told, str) or not told.strip():
        return None
    try:
        time = dt.datetime.fromisoformat(told.strip())
        if time.tzinfo is not None:
            return time.astimezone(dt.UTC).replace(tzinfo=None) + TAI_MINUS_UTC
        is_utc = str(header.get("TIMESYS", "")).strip().upper() == "UTC"
        return time + TAI_MINUS_UTC if is_utc else time
    except (ValueError, OverflowError):
        raise LfaNotIngested.for_object(key, f"{name} is {told[:40]!a}, which is no time") from None


def _seconds(key: str, header: Mapping[str, Any]) -> float:
    told = header.get("EXPTIME", 0.0)
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told < 86_400:
        raise LfaNotIngested.for_object(key, f"EXPTIME is {str(told)[:40]!a}, which is no time")
    return float(told)


def _text(header: Mapping[str, Any], name: str) -> str:
    told = header.get(name)
    return told.strip()[:60] if isinstance(told, str) and told.strip() else "unknown"
