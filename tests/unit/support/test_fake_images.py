"""Fake images can go wrong in every way in which real ones do."""

from __future__ import annotations

import pytest

from dbb.errors import (
    DbbError,
    FitsChecksumMismatch,
    IdentityMismatch,
    TruncatedFile,
    UnreadableFits,
    UntranslatableHeader,
)
from dbb.model.exposure import Unit
from dbb.model.instrument import Detector
from support.fakes import MemoryIndexer, MemoryInspector, fake_image

UNIT = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123")
DETECTOR = Detector(94, "R22_S11", "R22", "S11", "SCIENCE")
GOOD = fake_image(UNIT, "R22_S11")


def test_a_good_image_is_inspected_translated_and_indexed() -> None:
    inspector = MemoryInspector()
    image = inspector.inspect_image("a.fits", GOOD, UNIT, DETECTOR)
    facts = inspector.translate("a.fits", image.header, UNIT)
    assert (facts.exposure_id, facts.exposure_time_s) == (UNIT.obs_id.exposure_id, 30.0)
    indexer = MemoryIndexer()
    index = indexer.index(UNIT, facts, {"R22_S11": "a.fits"}, "LSSTCam/raw/all")
    assert index == indexer.index(UNIT, facts, {"R22_S11": "a.fits"}, "LSSTCam/raw/all")
    assert list(index.refs) == ["R22_S11"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (GOOD[:-1], TruncatedFile),
        (b"", TruncatedFile),
        (GOOD.replace(b"30.0", b"31.0"), FitsChecksumMismatch),
        (b"{" + GOOD, UnreadableFits),
        (fake_image(UNIT, "R22_S12"), IdentityMismatch),
        (fake_image(UNIT, "R22_S11", OBSID="MC_O_20261121_000124"), IdentityMismatch),
    ],
)
def test_a_bad_image_earns_its_error(data: bytes, error: type[DbbError]) -> None:
    with pytest.raises(error):
        MemoryInspector().inspect_image("a.fits", data, UNIT, DETECTOR)


def test_a_header_without_exposure_time_cannot_be_translated() -> None:
    image = fake_image(UNIT, "R22_S11", EXPTIME=None)
    header = MemoryInspector().inspect_image("a.fits", image, UNIT, DETECTOR).header
    with pytest.raises(UntranslatableHeader):
        MemoryInspector().translate("a.fits", header, UNIT)
