"""Instruments as data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from dbb.errors import PolicyUnreadable, UnknownInstrument
from dbb.hooks.instruments import FOLDER, load_instrument, load_instruments

PLANE = yaml.safe_load((FOLDER / "LSSTComCam.yaml").read_text())["focal_plane"]


def test_the_camera_has_205_detectors_numbered_as_butler_numbers_them() -> None:
    camera = load_instrument("LSSTCam")
    numbers = {name: detector.id for name, detector in camera.by_name.items()}
    assert sorted(numbers.values()) == list(range(205))
    known = {"R01_S00": 0, "R01_S01": 1, "R10_S20": 33, "R22_S11": 94, "R43_S22": 188,
             "R00_SG0": 189, "R00_SW1": 192, "R04_SG0": 193, "R40_SW0": 199, "R44_SW0": 203,
             "R44_SW1": 204}  # fmt: skip
    assert {name: numbers[name] for name in known} == known


def test_the_corner_rafts_guide_and_sense_the_wavefront() -> None:
    camera = load_instrument("LSSTCam")
    purposes = [detector.purpose for detector in camera.detectors]
    assert [purposes.count(kind) for kind in ("SCIENCE", "GUIDER", "WAVEFRONT")] == [189, 8, 8]
    assert camera.by_name["R00_SG0"].file_suffix == "R00_SG0_guider.fits"
    assert camera.by_name["R00_SG0"].dataset_type == "guider_raw"
    assert camera.by_name["R44_SW0"].dataset_type == "raw"


def test_butler_calls_the_spectrographs_detector_otherwise_than_its_files_do() -> None:
    (detector,) = load_instrument("LATISS").detectors
    assert (detector.id, detector.full_name) == (0, "RXX_S00")
    assert detector.file_suffix == "R00_S00.fits"


def test_filters_have_their_bands() -> None:
    assert load_instrument("LSSTCam").physical_filters["y_10"] == "y"
    assert load_instrument("LSSTComCam").physical_filters["g_01"] == "g"
    latiss = load_instrument("LATISS").physical_filters
    assert latiss["empty~holo4_003"] == "white"
    assert latiss["SDSSr_65mm~empty"] == "r"
    assert latiss["empty~SDSSi_65mm"] == "i"
    assert "diffuser~empty" not in latiss


def test_the_places_of_detectors_are_those_of_rubins_camera_description() -> None:
    plane = load_instrument("LSSTCam").focal_plane
    assert plane is not None
    known = {"R22_S11": (0, 0), "R01_S00": (-169.25, -296.25), "R34_S02": (296.25, 84.75),
             "R44_SW0": (214.25, 202.625), "R00_SG0": (-212.24, -258.74)}  # fmt: skip
    for name, centre in known.items():
        assert plane.centres_mm[name] == pytest.approx(centre)
    assert len(plane.centres_mm) == 205


def test_every_instrument_is_loaded() -> None:
    assert sorted(load_instruments()) == ["LATISS", "LSSTCam", "LSSTComCam"]


@pytest.mark.parametrize("name", ["HSC", "", "lsstcam", "../instruments/LSSTCam", "LSSTCam.yaml"])
def test_an_instrument_without_a_file_is_unknown(name: str) -> None:
    with pytest.raises(UnknownInstrument):
        load_instrument(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Other"),
        ("camera_code", "mc"),
        ("detector_max", "256"),
        ("detector_max", True),
        ("visit_max", 0),
        ("detectors", []),
        ("detectors", [{"rafts": ["R22", "R22"], "slots": {"SCIENCE": ["S00"]}}]),
        ("detectors", [{"rafts": ["R22"], "slots": {"TELESCOPE": ["S00"]}}]),
        ("detectors", [{"rafts": ["R22"], "slots": {"SCIENCE": ["S00"], "GUIDER": ["S00"]}}]),
        ("detectors", [{"rafts": ["../R22"], "slots": {"SCIENCE": ["S00"]}}]),
        ("physical_filters", {"r": ["r_03"], "g": ["r_03"]}),
        ("physical_filters", {True: ["r_03"]}),
        ("surprise", 1),
        ("focal_plane", {}),
        ("focal_plane", PLANE | {"padding_mm": 0}),
        ("focal_plane", PLANE | {"arcsec_per_mm": float("nan")}),
        ("focal_plane", PLANE | {"detector_mm": True}),
        ("focal_plane", PLANE | {"rafts": {"R22": [0, 0], "R23": [127, 0]}}),
        ("focal_plane", PLANE | {"rafts": {"R22": [0]}}),
        ("focal_plane", PLANE | {"slots": {"S00": [0, 0]}}),
        ("focal_plane", PLANE | {"slots": PLANE["slots"] | {"S00": [0, "1"]}}),
    ],
)
def test_a_wrong_field_makes_the_file_unreadable(tmp_path: Path, field: str, value: object) -> None:
    document = yaml.safe_load((FOLDER / "LSSTComCam.yaml").read_text())
    path = tmp_path / "LSSTComCam.yaml"
    path.write_text(yaml.safe_dump(document | {field: value}))
    with pytest.raises(PolicyUnreadable, match=r"LSSTComCam\.yaml"):
        load_instrument("LSSTComCam", tmp_path)


def test_a_missing_field_or_broken_yaml_makes_the_file_unreadable(tmp_path: Path) -> None:
    document = yaml.safe_load((FOLDER / "LATISS.yaml").read_text())
    del document["class_name"]
    path = tmp_path / "LATISS.yaml"
    for text in (yaml.safe_dump(document), "a: [", "- 1", ""):
        path.write_text(text)
        with pytest.raises(PolicyUnreadable):
            load_instruments(tmp_path)


def test_a_folder_without_instruments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnreadable):
        load_instruments(tmp_path)


def test_a_copy_under_another_name_is_refused(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "LATISS.yaml", tmp_path / "Latiss2.yaml")
    with pytest.raises(PolicyUnreadable, match="it describes LATISS"):
        load_instruments(tmp_path)
