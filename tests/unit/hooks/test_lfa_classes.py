"""The table of classes, and the Butler datasets that objects are."""

import datetime as dt

import pytest

from dbb.errors import LfaNotIngested, PolicyUnreadable
from dbb.hooks.lfa_classes import load_classes
from dbb.model.lfa import Announcement
from dbb.model.lfa_classes import LfaClass, classify
from dbb.settings import INCLUDE

TABLE = INCLUDE / "lfa" / "classes.yaml"


@pytest.fixture(scope="module")
def datasets():
    return load_classes(TABLE)[1]


def told(key):
    return Announcement.of_listing("bucket", key)


def test_the_first_class_that_fits_counts():
    found = told("FiberSpectrograph:Broad/fits/2026/11/21/x.fits")
    first = LfaClass("Fiber*", "*", "application/fits", "ingest", "x")
    assert classify([first, LfaClass("*", "*", "*", "replicate")], found) == ("ingest", True)
    assert classify([LfaClass("DREAM", "*", "*", "ingest", "x")], found) == ("replicate", False)


@pytest.mark.parametrize(
    "text",
    [
        "classes: 1",
        "other: []",
        "classes: [{csc: a}]",
        "classes: [{csc: a, generator: b, mime_type: c, action: burn}]",
        "classes: [{csc: a, generator: b, mime_type: c, action: ingest}]",
        "classes: [{csc: a, generator: b, mime_type: c, action: ingest, dataset: none}]",
        "classes: [{csc: a, generator: b, mime_type: c, action: replicate, dataset: none}]",
        "datasets: []",
    ],
)
def test_a_table_that_is_not_what_it_should_be_stops_loudly(tmp_path, text):
    (tmp_path / "classes.yaml").write_text(text)
    with pytest.raises(PolicyUnreadable):
        load_classes(tmp_path / "classes.yaml")


@pytest.mark.parametrize("leaf", ["(", "x", "(?P<day>x)", "(?P<time>x)(?P<other>y)"])
def test_a_pattern_that_gives_no_data_id_stops_loudly(tmp_path, leaf):
    text = TABLE.read_text()
    old = text[text.index("leaf: 'Fiber") :].splitlines()[0]
    (tmp_path / "classes.yaml").write_text(text.replace(old, f"leaf: '{leaf}'"))
    with pytest.raises(PolicyUnreadable):
        load_classes(tmp_path / "classes.yaml")


def test_a_spectrum_is_numbered_by_its_day_millisecond_and_spectrograph(datasets):
    place = datasets["fiber_spectrum"].place_of(
        "FiberSpectrograph:Red/fits/2026/11/21/FiberSpectrograph:Red_2026-11-22T01:02:03.456.fits"
    )
    assert (place.instrument, place.detector, place.detector_name) == ("FiberSpec", 1, "Red")
    assert (place.day_obs, place.seq_num) == (20261121, (13 * 3600 + 123) * 1000 + 456)
    assert place.exposure == 20261121_46923456_1
    assert place.began_tai == dt.datetime(2026, 11, 22, 1, 2, 3, 456000)  # noqa: DTZ001 - TAI
    assert place.obs_id == "FiberSpectrograph_Red_2026-11-22T01_02_03.456"


def test_a_spectrum_whose_name_has_its_generator_is_the_same(datasets):
    leaf = "FiberSpectrograph:Broad_fiberSpecBroad_2026-11-22T01:02:03.fits"
    place = datasets["fiber_spectrum"].place_of(f"FiberSpectrograph:Broad/x/2026/11/21/{leaf}")
    assert place.exposure == 20261121_46923000_0


def test_an_image_of_a_generic_camera_is_numbered_as_rubins_cameras_do(datasets):
    place = datasets["generic_camera_image"].place_of(
        "GenericCamera:101/GC101/2026/11/21/GC101_O_20261121_000012.fits"
    )
    assert (place.instrument, place.detector) == ("GenericCamera101", 0)
    assert (place.exposure, place.day_obs, place.seq_num) == (2026112100012, 20261121, 12)


@pytest.mark.parametrize(
    "leaf", ["x.fits", "FiberSpectrograph:Mauve_2026-11-22T01:02:03.fits",
             "FiberSpectrograph:Red_2026-13-22T01:02:03.fits",
             "FiberSpectrograph:Red_1999-12-22T01:02:03.fits"],
)  # fmt: skip
def test_a_key_that_tells_no_data_id_has_its_code(datasets, leaf):
    with pytest.raises(LfaNotIngested):
        datasets["fiber_spectrum"].place_of(f"FiberSpectrograph:Red/fits/2026/11/21/{leaf}")
