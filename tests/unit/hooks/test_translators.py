"""Real headers, and what Rubin's archive made of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbb.errors import UnknownInstrument, UntranslatableHeader
from dbb.hooks.fits_inspector import FitsInspector
from dbb.hooks.instruments import load_instruments
from dbb.model.exposure import ExposureFacts, Unit

HEADERS = Path(__file__).parents[2] / "data" / "headers"
INSTRUMENTS = {"MC": "LSSTCam", "CC": "LSSTComCam", "AT": "LATISS"}

INSPECTOR = FitsInspector(load_instruments())


def read(name: str) -> tuple[dict[str, Any], Unit]:
    """Read a header (JSON is YAML too) and name its unit."""
    (path,) = HEADERS.glob(f"*{name}*")
    header = yaml.safe_load(path.read_text())
    obs_id = header["OBSID"]
    return header, Unit.parse(f"{INSTRUMENTS[obs_id[:2]]}/{header['DAYOBS']}/{obs_id}")


def translate(name: str, **changes: Any) -> ExposureFacts:
    """Translate a real header with some values changed."""
    header, unit = read(name)
    return INSPECTOR.translate(name, header | changes, unit)


# What lsst/obs_lsst's own tests say of the same headers.
EXPECTED: dict[str, dict[str, Any]] = {
    "MC_O_20250415_000060": {
        "exposure_id": 2025041500060, "group_name": "2025-04-16T00:53:10.143",
        "observation_type": "acq", "observation_reason": "first_focus", "target_name": "Vela_SNR",
        "science_program": "BLOCK-T434", "physical_filter": "i_39", "seq_start": 60, "seq_end": 60,
        "exposure_time_s": 15.000998497009277, "dark_time_s": 15.9548, "can_see_sky": True,
        "pressure_pa": 74390.0, "humidity_percent": 33.400001525878906, "has_simulated": False,
        "air_temperature_c": pytest.approx(11.024999618530273), "controller": "O",
        "tracking_ra_deg": pytest.approx(127.50084038794044),
        "tracking_dec_deg": pytest.approx(-44.200057330111896),
        "azimuth_deg": pytest.approx(221.749142212668),
        "zenith_angle_deg": pytest.approx(90 - 69.3932099358283),
        "airmass": 1.068223247777951, "wind_speed_m_s": pytest.approx(1.2510000467300415),
        "begin_tai": dt.datetime.fromisoformat("2025-04-16T00:53:13.573"),
        "end_tai": dt.datetime.fromisoformat("2025-04-16T00:53:29.528"),
    },
    "MC_C_20250425_000031": {
        "group_name": "2025042500031", "observation_type": "unknown", "controller": "C",
        "observation_reason": "unknown", "science_program": "unknown", "target_name": "UNKNOWN",
        "physical_filter": "unknown", "exposure_time_s": 2.767, "dark_time_s": 1469.57,
        "tracking_ra_deg": None, "sky_angle_deg": None, "azimuth_deg": None, "airmass": None,
        "pressure_pa": None, "air_temperature_c": None, "can_see_sky": None,
    },
    "MC_C_20231107_000078": {
        "observation_type": "bias", "observation_reason": "bot_persistence",
        "science_program": "13518", "physical_filter": "ph_5", "exposure_time_s": 0.0,
        "dark_time_s": 0.092, "can_see_sky": False,
    },
    "MC_O_20251121_000156": {
        "observation_type": "science", "observation_reason": "too_gw_case_large_1_i3",
        "physical_filter": "i_39", "exposure_time_s": 30.00100302696228, "dark_time_s": 30.9318,
        "science_program": "BLOCK-407", "tracking_ra_deg": None,
    },
    "CC_O_20241108_000266": {
        "instrument": "LSSTComCam", "exposure_id": 2024110800266, "physical_filter": "g_01",
        "observation_type": "science", "target_name": "slew_icrs", "dark_time_s": 30.4306,
        "exposure_time_s": 30.0, "sky_angle_deg": pytest.approx(102.79926387330579),
        "pressure_pa": 74120.0, "azimuth_deg": pytest.approx(360 - 89.1371499002191),
    },
    "AT_O_20230705_000379": {
        "instrument": "LATISS", "physical_filter": "empty~holo4_003", "exposure_time_s": 30.0,
        "observation_reason": "sitcom-857", "pressure_pa": 77780.0, "can_see_sky": True,
        "dark_time_s": 30.2418, "target_name": "HD165763",
    },
    "AT_O_20240624_000106": {
        "physical_filter": "SDSSr_65mm~empty", "observation_type": "cwfs",
        "observation_reason": "intra", "group_name": "2024-06-25T01:26:31.895#1",
        "air_temperature_c": pytest.approx(1.5750000476837158), "can_see_sky": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_header_gives_the_facts_that_rubins_archive_has(name: str) -> None:
    facts = translate(name)
    found = {field: getattr(facts, field) for field in EXPECTED[name]}
    assert found == EXPECTED[name]


def test_a_science_header_without_anything_is_refused() -> None:
    with pytest.raises(UntranslatableHeader, match="EXPTIME"):
        translate("future-bad")


NAME = "MC_O_20250422_000250"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"OBSID": "MC_O_20250422_000251"}, "it is of"),
        ({"DAYOBS": "20250423"}, "it is of"),
        ({"DAYOBS": "yesterday"}, "yesterday"),
        ({"SEQNUM": None}, "NoneType"),
        ({"INSTRUME": "LATISS"}, "no header of LSSTCam"),
        ({"INSTRUME": 7}, "no header of LSSTCam"),
        ({"FILTER": "q_99"}, "has no filter"),
        ({"DATE-BEG": "tomorrow", "MJD-BEG": None}, "tomorrow"),
        ({"DATE-END": "2020-01-01T00:00:00.000"}, "ends before it begins"),
        ({"RASTART": None, "RA": None}, "no header says where"),
        ({"DEC": 91.0, "DECSTART": -91.0}, "tracking_radec"),
        ({"ELSTART": 140.0}, "ELSTART"),
        ({"DARKTIME": -1.0}, "negative"),
        ({"PRESSURE": "high"}, "pressure"),
        ({"AIRTEMP": float("nan")}, "not finite"),
        ({"EXPTIME": None, "SHUTTIME": None}, "EXPTIME"),
    ],
)
def test_an_impossible_header_is_refused_with_the_reason(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UntranslatableHeader, match=reason):
        translate(NAME, **changes)


def test_a_flat_has_no_place_on_the_sky_even_when_the_telescope_tracks() -> None:
    facts = translate(NAME, IMGTYPE="FLAT")
    assert facts.observation_type == "flat"
    assert (facts.tracking_ra_deg, facts.sky_angle_deg, facts.airmass) == (None, None, None)
    assert facts.azimuth_deg is not None


def test_a_dark_that_tests_the_tracking_has_one() -> None:
    assert translate(NAME, IMGTYPE="DARK").tracking_ra_deg is not None
    assert translate(NAME, IMGTYPE="DARK", TRACKSYS="LOCAL").tracking_ra_deg is None


def test_a_shutter_that_never_opened_saw_no_sky() -> None:
    assert translate(NAME, SHUTTIME=0.0).can_see_sky is False
    assert translate(NAME, VIGN_MIN="FULLY").can_see_sky is False
    assert translate(NAME, VIGN_MIN="UNKNOWN").can_see_sky is None


def test_snaps_share_a_group_and_know_their_places() -> None:
    facts = translate(NAME, CURINDEX=1, MAXINDEX=2)
    assert (facts.seq_start, facts.seq_num, facts.seq_end) == (250, 250, 251)


def test_anything_simulated_is_told() -> None:
    assert translate("CC_O_20241108_000266", **{"SIMULATE MTDOME": 1}).has_simulated


def test_an_exposure_past_the_zenith_has_the_azimuth_of_the_other_side() -> None:
    facts = translate(NAME, AZSTART=10.0, ELSTART=92.0)
    assert facts.azimuth_deg == pytest.approx(190)
    assert facts.zenith_angle_deg == pytest.approx(2)


def test_a_header_is_left_as_it_was() -> None:
    header, unit = read(NAME)
    before = dict(header)
    INSPECTOR.translate(NAME, header, unit)
    assert header == before


def test_a_unit_of_an_unknown_instrument_is_refused() -> None:
    header, unit = read(NAME)
    with pytest.raises(UnknownInstrument):
        INSPECTOR.translate(NAME, header, Unit("HSC", unit.obs_id))
