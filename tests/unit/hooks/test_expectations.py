"""The suite of exposure records, run by Great Expectations itself."""

# ruff: noqa: DTZ001 - Butler writes TAI without a zone

import dataclasses
import datetime as dt
import json
import subprocess
import sys

import pytest

from dbb.errors import PolicyUnreadable
from dbb.hooks.expectations import SUITE_FILE, Suite, judge_records
from dbb.hooks.instruments import load_instruments
from dbb.model.exposure import ExposureFacts, Unit
from dbb.ports.ledger import UnitRow

INSTRUMENTS = load_instruments()
DAY = 20261121
BEGIN = dt.datetime(2026, 11, 22, 4, 0, 37)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own, not ours


def record(seq_num, *, row=None, day_obs=DAY, **facts):
    unit = f"LSSTCam/{day_obs}/MC_O_{day_obs}_{seq_num:06d}"
    obs_id = str(Unit.parse(unit).obs_id)
    good = ExposureFacts(
        instrument="LSSTCam", exposure_id=day_obs * 100_000 + seq_num, obs_id=obs_id,
        day_obs=day_obs, seq_num=seq_num, seq_start=seq_num, seq_end=seq_num, group_name=obs_id,
        controller="O", physical_filter="r_57", observation_type="science",
        observation_reason="survey", science_program="BLOCK-1", target_name="field",
        exposure_time_s=30.0, dark_time_s=30.1, begin_tai=BEGIN,
        end_tai=BEGIN + dt.timedelta(seconds=30), tracking_ra_deg=53.0, tracking_dec_deg=-27.4,
        sky_angle_deg=12.0, azimuth_deg=100.0, zenith_angle_deg=20.0, airmass=1.06,
        air_temperature_c=10.0, pressure_pa=74_000.0, humidity_percent=20.0, wind_speed_m_s=3.0,
        has_simulated=True, can_see_sky=True,
    )  # fmt: skip
    unit_row = UnitRow(
        unit=unit, kind="raw", instrument="LSSTCam", day_obs=day_obs, obs_id=obs_id, part=1,
        expected=205, arrived=205, missing=(), changed_at=dt.datetime(2026, 11, 22, 4, tzinfo=dt.UTC),
        manifest_sha256="0" * 64,
    )  # fmt: skip
    return dataclasses.replace(unit_row, **(row or {})), dataclasses.replace(good, **facts)


@pytest.fixture(scope="module")
def judged():
    """Judge a good night, and all the broken records at once: the library is slow to start."""
    good = [record(1), dark(2), bias(3), incomplete(4)]
    broken = [record(100 + number, **change) for number, (change, _) in enumerate(BROKEN)]
    return judge_records(good, INSTRUMENTS)[0], judge_records(broken, INSTRUMENTS)[0]


def dark(seq_num):
    return record(
        seq_num, observation_type="dark", exposure_time_s=0.0, tracking_ra_deg=None,
        tracking_dec_deg=None, airmass=None, zenith_angle_deg=None, physical_filter="none",
    )  # fmt: skip


def bias(seq_num):
    return record(
        seq_num, observation_type="bias", exposure_time_s=0.0, dark_time_s=0.0, end_tai=BEGIN
    )


def incomplete(seq_num):
    return record(seq_num, row={"arrived": 204, "missing": ("R22_S11",)})


BROKEN = [
    ({"exposure_id": 20261121_00001}, "exposure_id is day_obs * 100000 + seq_num"),
    ({"obs_id": "MC_O_20261121_000001"}, "obs_id of the header is that of the name"),
    ({"physical_filter": "SDSSr"}, "physical_filter is one of the camera's"),
    ({"physical_filter": None}, "physical_filter is present"),
    ({"observation_type": "selfie"}, "observation_type is known"),
    ({"exposure_time_s": 7200.0, "dark_time_s": 7200.0}, "exposure_time is 0 to 3600 s"),
    ({"exposure_time_s": float("nan")}, "exposure_time is present"),
    ({"dark_time_s": 29.0}, "dark_time is not shorter than exposure_time (by more than 0.1 s)"),
    ({"end_tai": BEGIN - dt.timedelta(seconds=1)}, "the exposure ends after it begins"),
    ({"begin_tai": dt.datetime(2026, 11, 21, 11, 59), "end_tai": BEGIN}, "begin lies in its"),
    ({"begin_tai": dt.datetime(2026, 11, 22, 13), "end_tai": dt.datetime(2026, 11, 22, 14)},
     "begin lies in its day_obs"),
    ({"tracking_ra_deg": 361.0}, "right ascension is 0 to 360 deg"),
    ({"tracking_dec_deg": -91.0}, "declination is -90 to 90 deg"),
    ({"airmass": 0.5}, "airmass is 1 to 10"),
    ({"airmass": float("inf")}, "airmass is 1 to 10"),
    ({"seq_start": 100_001}, "the exposure belongs to its sequence"),
    ({"row": {"arrived": 204}}, "every expected detector has come or is on record as missing"),
    ({"row": {"expected": 206, "arrived": 206}}, "no more detectors are expected than the camera"),
    ({"row": {"arrived": 0, "expected": 0}}, "at least one detector has come"),
]  # fmt: skip


def test_a_good_night_passes_whole(judged):
    good, _ = judged
    assert good.failures == {}
    assert (good.day_obs, good.instrument, good.suite) == (DAY, "LSSTCam", "exposure_record")
    assert good.exposures == 4


@pytest.mark.parametrize(
    ("number", "title"), [(number, title) for number, (_, title) in enumerate(BROKEN)]
)
def test_each_broken_record_is_named_with_the_expectation_that_it_fails(judged, number, title):
    unit = f"LSSTCam/{DAY}/MC_O_{DAY}_{100 + number:06d}"
    assert title in judged[1].failures[unit]


def test_only_the_broken_records_are_named():
    records = [record(1), record(2, airmass=0.1), record(3)]
    (judgement,) = judge_records(records, INSTRUMENTS)
    assert judgement.failures == {records[1][0].unit: "airmass is 1 to 10"}


def test_the_detail_tells_for_each_expectation_its_columns_and_units(judged):
    detail = json.loads(judged[1].detail)
    lines = {line["expectation"]: line for line in detail["expectations"]}
    assert detail["suite"] == "exposure_record"
    assert len(lines) == len(Suite.load().expectations)
    line = lines["exposure_id is day_obs * 100000 + seq_num"]
    assert line["kind"] == "ExpectColumnPairValuesToBeEqual"
    assert line["columns"] == ["exposure_id", "expected_exposure_id"]
    assert line["failed"] == [f"LSSTCam/{DAY}/MC_O_{DAY}_000100"]


def test_nights_and_cameras_are_judged_apart():
    row, facts = record(5)
    latiss = dataclasses.replace(
        row, unit=row.unit.replace("LSSTCam", "LATISS"), instrument="LATISS"
    )
    after = dt.datetime(2026, 11, 23, 4)
    tomorrow = record(1, day_obs=20261122, begin_tai=after, end_tai=after)
    judgements = judge_records([tomorrow, record(1), (latiss, facts)], INSTRUMENTS)
    assert [(one.instrument, one.day_obs) for one in judgements] == [
        ("LATISS", DAY), ("LSSTCam", DAY), ("LSSTCam", 20261122)
    ]  # fmt: skip
    assert "no more detectors are expected" in judgements[0].failures[latiss.unit]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "suite: x",
        "suite: x\nexpectations: []",
        "suite: x\nextra: 1\nexpectations: [{title: a, expectation: ExpectColumnValuesToNotBeNull, column: unit}]",
        "suite: x\nexpectations: [{title: a, expectation: ExpectTableRowCountToEqual, value: 1}]",
        "suite: x\nexpectations: [{title: a, expectation: __class__}]",
        "suite: x\nexpectations: [{expectation: ExpectColumnValuesToNotBeNull, column: unit}]",
        "suite: x\nexpectations: [{title: a, expectation: ExpectColumnValuesToNotBeNull, colunm: unit}]",
        "suite: x\nexpectations: [{title: a, expectation: ExpectColumnValuesToNotBeNull, column: colour}]",
        "suite: x\nexpectations: [{title: a, expectation: ExpectColumnValuesToBeInSet, column: unit, value_set: colours}]",
    ],
)
def test_a_suite_that_cannot_be_run_stops_loudly_and_passes_nobody(tmp_path, text):
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    with pytest.raises(PolicyUnreadable):
        judge_records([record(1)], INSTRUMENTS, path)


def test_the_library_is_not_imported_before_there_is_something_to_judge():
    code = "import sys, dbb.hooks.expectations as e; e.Suite.load(); print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(SUITE_FILE.parents[2] / "plugins")},
    )  # fmt: skip
    assert "great_expectations" not in run.stdout
    assert "pandas" not in run.stdout
