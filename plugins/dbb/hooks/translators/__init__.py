"""Make the facts of an exposure of a raw image's header."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from typing import Any

from astro_metadata_translator import ObservationInfo
from astropy import units as u
from astropy.time import Time

from dbb.errors import UntranslatableHeader
from dbb.hooks.translators.cameras import TRANSLATORS
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.instrument import Instrument

__all__ = ["OPTIONAL", "REQUIRED", "TRANSLATORS", "translate"]

REQUIRED = frozenset(
    {
        "datetime_begin", "datetime_end", "exposure_group", "exposure_id", "exposure_time",
        "dark_time", "group_counter_end", "group_counter_start", "has_simulated_content", "object",
        "observation_counter", "observation_id", "observation_reason", "observation_type",
        "observing_day", "physical_filter", "science_program",
    }
)  # fmt: skip
"""What Butler's exposure record must have."""

OPTIONAL = frozenset(
    {
        "altaz_begin", "boresight_airmass", "boresight_rotation_angle", "boresight_rotation_coord",
        "can_see_sky", "ext_wind_speed", "pressure", "relative_humidity", "temperature",
        "tracking_radec",
    }
)  # fmt: skip
"""What may be NULL. A header that has it must still have it right."""


_CLASS = re.compile(r" using translator <class '[^']*'>")
"""A part of the library's messages that says nothing to an operator."""


def translate(
    name: str, header: Mapping[str, Any], unit: Unit, instrument: Instrument
) -> ExposureFacts:
    """Make the exposure's facts of one image's header.

    Raises
    ------
    UntranslatableHeader
        If the header is another instrument's or exposure's, lacks what Butler's record must have,
        or has a value that cannot be.
    """
    translator = TRANSLATORS.get(instrument.name)
    if translator is None or not translator.can_translate(header):
        raise UntranslatableHeader.for_header(name, f"it is no header of {instrument.name}")
    try:
        info = ObservationInfo(
            dict(header),  # a copy, for header corrections are written into it
            translator_class=translator,
            pedantic=True,
            required=set(REQUIRED),
            subset=set(REQUIRED | OPTIONAL),
        )
        facts = _facts(info, unit, instrument)
    # KeyError says which property; the astropy types refuse impossible angles and times.
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UntranslatableHeader.for_header(name, _cause(error)) from error
    _check(name, facts, unit, instrument)
    return facts


def _facts(info: Any, unit: Unit, instrument: Instrument) -> ExposureFacts:
    radec, altaz = info.tracking_radec, info.altaz_begin
    return ExposureFacts(
        instrument=instrument.name,
        exposure_id=info.exposure_id,
        obs_id=info.observation_id,
        day_obs=info.observing_day,
        seq_num=info.observation_counter,
        seq_start=info.group_counter_start,
        seq_end=info.group_counter_end,
        group_name=info.exposure_group,
        controller=unit.obs_id.controller,
        physical_filter=info.physical_filter,
        observation_type=info.observation_type,
        observation_reason=info.observation_reason,
        science_program=info.science_program,
        target_name=info.object,
        exposure_time_s=_number(info.exposure_time.to_value(u.s)),
        dark_time_s=_number(info.dark_time.to_value(u.s)),
        begin_tai=_tai(info.datetime_begin),
        end_tai=_tai(info.datetime_end),
        tracking_ra_deg=None if radec is None else _number(radec.icrs.ra.deg),
        tracking_dec_deg=None if radec is None else _number(radec.icrs.dec.deg),
        sky_angle_deg=_sky_angle(info),
        azimuth_deg=None if altaz is None else _number(altaz.az.deg),
        zenith_angle_deg=None if altaz is None else _number(90 - altaz.alt.deg),
        airmass=_optional(info.boresight_airmass),
        air_temperature_c=_in_unit(info.temperature, u.deg_C),
        pressure_pa=_in_unit(info.pressure, u.Pa),
        humidity_percent=_optional(info.relative_humidity),
        wind_speed_m_s=_in_unit(info.ext_wind_speed, u.m / u.s),
        has_simulated=info.has_simulated_content,
        can_see_sky=info.can_see_sky,
    )


def _check(name: str, facts: ExposureFacts, unit: Unit, instrument: Instrument) -> None:
    """Refuse facts that belong elsewhere, or that Butler could not store."""
    wrong = ""
    obs_id = unit.obs_id
    if (facts.obs_id, facts.day_obs, facts.seq_num) != (
        str(obs_id), obs_id.day_obs.value, obs_id.seq_num,
    ):  # fmt: skip
        wrong = f"it is of {facts.obs_id[:40]!a}"
    elif facts.physical_filter not in instrument.physical_filters:
        wrong = f"{instrument.name} has no filter {facts.physical_filter[:40]!a}"
    elif facts.exposure_time_s < 0 or facts.dark_time_s < 0:
        wrong = "a time is negative"
    elif facts.end_tai < facts.begin_tai:
        wrong = "it ends before it begins"
    if wrong:
        raise UntranslatableHeader.for_header(name, wrong)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)


def _in_unit(quantity: Any, unit: u.UnitBase) -> float | None:
    if quantity is None:
        return None
    return _number(quantity.to_value(unit, equivalencies=u.temperature()))


def _sky_angle(info: Any) -> float | None:
    if info.boresight_rotation_angle is None or info.boresight_rotation_coord != "sky":
        return None
    return _number(info.boresight_rotation_angle.deg)


def _tai(time: Time) -> dt.datetime:
    moment = time.tai.to_datetime()
    if not isinstance(moment, dt.datetime):
        raise TypeError("a time is no single moment")
    return moment


def _cause(error: BaseException) -> str:
    """Put together what the library says: its message, and the reason behind it."""
    said = [str(error.args[0]) if error.args else type(error).__name__]
    if error.__cause__ is not None:
        said.append(str(error.__cause__))
    return _CLASS.sub("", "; ".join(said))[:300]
