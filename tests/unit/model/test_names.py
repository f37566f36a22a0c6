"""Names that could leave their folder or confuse a tool are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbb.errors import BadDayObs, UnsafeName
from dbb.model.exposure import ObsId, Unit
from dbb.model.names import Did, SafeName


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../../etc/passwd", "a//b", "a/./b", "a/../b", "a/", ".hidden", "-rf", "a b",
     "nul\0", "new\nline", "esc\x1b[0m", "x" * 251, "é", "file://x", "a\\b", "s3://other/x", "a:b"],
)  # fmt: skip
def test_an_unsafe_name_is_refused(name):
    with pytest.raises(UnsafeName):
        SafeName.parse(name)


@given(st.text())
def test_no_text_makes_a_name_that_climbs(text):
    try:
        name = SafeName.parse(text)
    except UnsafeName:
        return
    assert name.isascii()
    assert not name.startswith("/")
    assert all(part not in ("", ".", "..") for part in name.split("/"))


@pytest.mark.parametrize("text", ["raw", ":x", "raw:", "raw:../x", "r" * 26 + ":x", "1raw:x"])
def test_a_data_identifier_is_scope_and_name(text):
    with pytest.raises(UnsafeName):
        Did.parse(text)


def test_a_data_identifier_reads_back():
    assert str(Did.parse("raw:LSSTCam/x.zip")) == "raw:LSSTCam/x.zip"


def test_an_observation_identifier_gives_the_exposure_number():
    obs_id = ObsId.parse("MC_O_20261121_000123")
    assert obs_id.exposure_id == 2026112100123
    assert str(obs_id) == "MC_O_20261121_000123"


@pytest.mark.parametrize(
    "text",
    ["MC_O_20261121_123", "mc_O_20261121_000123", "MC_O_20261121_100000", "MC_O_20261121_00012३"],
)
def test_what_is_no_observation_identifier_is_refused(text):
    with pytest.raises(UnsafeName):
        ObsId.parse(text)


def test_an_observation_of_no_day_is_refused():
    with pytest.raises(BadDayObs):
        ObsId.parse("MC_O_20261399_000123")


def test_a_unit_names_its_files_as_rubin_does():
    unit = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123")
    assert unit.bundle_name == "LSSTCam/20261121/MC_O_20261121_000123/MC_O_20261121_000123.zip"
    assert unit.rucio_dataset == "Dataset/LSSTCam/raw/Obs/20261121/MC_O_20261121_000123"
    assert str(unit) == "LSSTCam/20261121/MC_O_20261121_000123"


def test_a_later_part_has_names_of_its_own_in_the_same_folder():
    unit = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123.2")
    assert unit.part == 2
    assert unit.folder == "LSSTCam/20261121/MC_O_20261121_000123"
    assert unit.bundle_name.endswith("/MC_O_20261121_000123.2.zip")


@pytest.mark.parametrize(
    "text", ["MC_O_20261121_000123", "LSSTCam/20261122/MC_O_20261121_000123", "a/b/c/d",
             "LSSTCam/20261121/MC_O_20261121_000123.x"],
)  # fmt: skip
def test_what_is_no_unit_is_refused(text):
    with pytest.raises(UnsafeName):
        Unit.parse(text)
