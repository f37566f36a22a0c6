"""Dimension records as JSON: made of exposure facts, kept in manifests, given to Butler."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from lsst.daf.butler import DimensionRecord, DimensionUniverse, SerializedDimensionRecord

from dbb.errors import UntranslatableHeader
from dbb.model.day_obs import DayObs
from dbb.model.exposure import ExposureFacts
from dbb.model.instrument import Detector, Instrument

Row = dict[str, Any]

ELEMENTS = ("instrument", "day_obs", "detector", "group", "physical_filter", "exposure")
"""The elements of a raw image in the order in which Butler's foreign keys allow inserting them."""

VISIT_SYSTEM = 2
"""Rubin's preferred way of making visits of exposures: by ``seq_start`` and ``seq_end``."""

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - TAI has no zone
_DAY_NS = 86_400 * 10**9


def instrument_row(instrument: Instrument) -> Row:
    """Describe an instrument."""
    return {
        "name": instrument.name,
        "visit_max": instrument.visit_max,
        "visit_system": VISIT_SYSTEM,
        "exposure_max": instrument.exposure_max,
        "detector_max": instrument.detector_max,
        "class_name": instrument.class_name,
    }


def detector_row(instrument: Instrument, detector: Detector) -> Row:
    """Describe a detector."""
    return {
        "instrument": instrument.name,
        "id": detector.id,
        "full_name": detector.full_name,
        "name_in_raft": detector.name_in_raft,
        "raft": detector.raft,
        "purpose": detector.purpose,
    }


def filter_row(instrument: Instrument, physical_filter: str) -> Row:
    """Describe a filter; one without a band is its own band, as Rubin's instruments have it."""
    band = instrument.physical_filters[physical_filter] or physical_filter
    return {"instrument": instrument.name, "name": physical_filter, "band": band}


def exposure_rows(instrument: Instrument, facts: ExposureFacts) -> dict[str, list[Row]]:
    """Describe an exposure and all that its record refers to, except the detectors.

    Raises
    ------
    UntranslatableHeader
        If its filter is not one of the instrument's, or it ends before it begins.
    """
    if facts.physical_filter not in instrument.physical_filters:
        raise UntranslatableHeader.for_header(
            facts.obs_id, f"{instrument.name} has no filter {facts.physical_filter[:40]!a}"
        )
    noon = dt.datetime.combine(DayObs(facts.day_obs).date, dt.time(12))
    day = {
        "instrument": facts.instrument,
        "id": facts.day_obs,
        "timespan": [_nanoseconds(noon), _nanoseconds(noon) + _DAY_NS],
    }
    return {
        "instrument": [instrument_row(instrument)],
        "day_obs": [day],
        "detector": [],
        "group": [{"instrument": facts.instrument, "name": facts.group_name}],
        "physical_filter": [filter_row(instrument, facts.physical_filter)],
        "exposure": [_exposure_row(facts)],
    }


def _exposure_row(facts: ExposureFacts) -> Row:
    return {
        "instrument": facts.instrument,
        "id": facts.exposure_id,
        "obs_id": facts.obs_id,
        "physical_filter": facts.physical_filter,
        "group": facts.group_name,
        "day_obs": facts.day_obs,
        "exposure_time": facts.exposure_time_s,
        "dark_time": facts.dark_time_s,
        "observation_type": facts.observation_type,
        "observation_reason": facts.observation_reason,
        "seq_num": facts.seq_num,
        "seq_start": facts.seq_start,
        "seq_end": facts.seq_end,
        "target_name": facts.target_name,
        "science_program": facts.science_program,
        "tracking_ra": facts.tracking_ra_deg,
        "tracking_dec": facts.tracking_dec_deg,
        "sky_angle": facts.sky_angle_deg,
        "azimuth": facts.azimuth_deg,
        "zenith_angle": facts.zenith_angle_deg,
        "has_simulated": facts.has_simulated,
        "can_see_sky": facts.can_see_sky,
        "timespan": time_span(facts),
    }


def time_span(facts: ExposureFacts) -> list[int]:
    """Give the nanoseconds, TAI since 1970, between which an exposure was taken."""
    begin, end = _nanoseconds(facts.begin_tai), _nanoseconds(facts.end_tai)
    if end < begin:
        raise UntranslatableHeader.for_header(facts.obs_id, "it ends before it begins")
    return [begin, max(end, begin + 1)]  # a bias takes no time; Butler's spans are never empty


def _nanoseconds(tai: dt.datetime) -> int:
    return (tai - _EPOCH) // dt.timedelta(microseconds=1) * 1000


def to_records(
    element: str, rows: Iterable[Mapping[str, Any]], universe: DimensionUniverse
) -> list[DimensionRecord]:
    """Make Butler's records of rows as they stand in a manifest.

    Raises
    ------
    ValueError
        If a row has an unknown, missing or mistyped field.
    """
    return [
        DimensionRecord.from_simple(
            SerializedDimensionRecord.direct(definition=element, record=dict(row)), universe
        )
        for row in rows
    ]
