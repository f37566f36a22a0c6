"""Judging raw images: whole, undamaged, and the one that the name says."""

from __future__ import annotations

import hashlib
import io
import random
import re
import tracemalloc
from functools import cache

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from dbb.digests import digest_bytes
from dbb.errors import (
    BrokenContract,
    Damaged,
    FitsChecksumMismatch,
    IdentityMismatch,
    TruncatedFile,
    UnknownInstrument,
    UnreadableFits,
)
from dbb.hooks.fits_inspector import FitsInspector
from dbb.hooks.fits_structure import read_units
from dbb.hooks.instruments import load_instruments
from dbb.model.exposure import Unit
from dbb.ports.images import Image
from sandbox.synthetic_night.camera import Camera
from sandbox.synthetic_night.plan import NightPlan
from support.costs import measured

INSPECTOR = FitsInspector(load_instruments())
CAMERA = INSPECTOR.instruments["LSSTCam"]
DETECTOR = CAMERA.by_name["R22_S11"]


@cache
def exposures(amplifiers: int = 2) -> Camera:
    """Take a few exposures."""
    plan = NightPlan("", 20261121, 7, 32, amplifiers, {"LSSTCam": 6, "LATISS": 1})
    return Camera(plan, INSPECTOR.instruments)


@cache
def good(detector: str = "R22_S11", amplifiers: int = 2) -> bytes:
    """Make a good image of the last exposure."""
    return exposures(amplifiers).exposures[str(UNIT)].image(CAMERA.by_name[detector])


UNIT = Unit.parse("LSSTCam/20261121/MC_O_20261121_000006")
NAME = "MC_O_20261121_000006_R22_S11.fits"


def inspect(data: bytes) -> Image:
    """Inspect bytes as the image that NAME should be."""
    return INSPECTOR.inspect_image(NAME, data, UNIT, DETECTOR)


def with_card(data: bytes, keyword: str, card: str) -> bytes:
    """Replace a card of the primary header, and leave no checksum that would tell."""
    pattern = re.compile(keyword.ljust(8).encode() + rb".{72}", re.DOTALL)
    changed = pattern.sub(card.ljust(80).encode("latin-1"), data, count=1)
    for checksum in (b"CHECKSUM", b"DATASUM "):
        changed = changed.replace(checksum, b"COMMENT ")
    return changed


def test_a_good_image_passes_with_its_header() -> None:
    image = inspect(good())
    assert image.checksums_present
    assert image.header["OBSID"] == "MC_O_20261121_000006"
    assert image.header["STUTTER ROWS"] == 0
    assert image.header["HASTART"] is None


@pytest.mark.parametrize("detector", ["R00_SG0", "R44_SW1", "R01_S00"])
def test_guiders_and_wavefront_sensors_pass_too(detector: str) -> None:
    found = CAMERA.by_name[detector]
    INSPECTOR.inspect_image("x.fits", good(detector), UNIT, found)


def test_an_image_of_the_spectrograph_passes_under_its_own_raft_name() -> None:
    (detector,) = INSPECTOR.instruments["LATISS"].detectors
    unit = Unit.parse("LATISS/20261121/AT_O_20261121_000001")
    image = INSPECTOR.inspect_image(
        "AT_O_20261121_000001_R00_S00.fits", exposures().exposures[str(unit)].image(detector),
        unit, detector,
    )  # fmt: skip
    assert image.header["RAFTBAY"] == "R00"


def test_an_image_that_astropy_wrote_without_checksums_passes_and_says_so() -> None:
    primary = fits.PrimaryHDU()
    primary.header.update(
        {"OBSID": str(UNIT.obs_id), "INSTRUME": "lsstCam", "RAFTBAY": "R22", "CCDSLOT": "S11"}
    )
    image = fits.ImageHDU(np.arange(100, dtype=np.int16).reshape(10, 10))
    stream = io.BytesIO()
    fits.HDUList([primary, image]).writeto(stream)
    assert not inspect(stream.getvalue()).checksums_present


# Corruption: everything that a disk or a line does to a file with checksums is found.


def refused(data: bytes) -> bool:
    """Say whether the inspector refuses bytes, with an error of the right families."""
    try:
        inspect(data)
    except (Damaged, BrokenContract):
        return True
    return False


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(good()) * 8 - 1))
def test_every_flipped_bit_is_found(bit: int) -> None:
    data = bytearray(good())
    data[bit // 8] ^= 1 << bit % 8
    assert refused(bytes(data))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(good()) - 1))
def test_every_truncation_is_found(size: int) -> None:
    assert refused(good()[:size])


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=6000))
def test_every_extension_is_found(tail: bytes) -> None:
    assert refused(good() + tail)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(good()) - 1),
    st.sampled_from([512, 4096]),
    st.sampled_from(["zeros", "ones", "garbage", "other file", "shifted"]),
    st.randoms(use_true_random=False),
)
def test_every_wrong_sector_is_found(
    place: int, size: int, kind: str, source: random.Random
) -> None:
    data = bytearray(good())
    begin = place // 512 * 512
    end = min(begin + size, len(data))
    data[begin:end] = {
        "zeros": bytes(end - begin),
        "ones": b"\xff" * (end - begin),
        "garbage": source.randbytes(end - begin),
        "other file": good("R01_S00")[begin:end],  # less than a unit: see the tests below
        "shifted": bytes(data[begin + 1 : end]) + b"\x00",
    }[kind]
    assert bytes(data) == good() or refused(bytes(data))


def test_ten_thousand_random_injuries_are_all_found() -> None:
    rng = random.Random(20261121)  # noqa: S311  reproducible on purpose
    for _ in range(10_000):
        data = bytearray(good())
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        assert bytes(data) == good() or refused(bytes(data))


def test_swapped_sectors_of_pixels_pass_the_checksum_and_only_the_digest_finds_them() -> None:
    # A sum does not know the order of its terms. That is why a digest, not this check, is a
    # file's identity from the moment that the backbone has read it.
    image = next(unit for unit in read_units(NAME, good()) if unit.number == 1)
    data = bytearray(good())
    first, second = image.data_begin, image.data_begin + 512
    data[first : first + 512], data[second : second + 512] = (
        data[second : second + 512], data[first : first + 512],
    )  # fmt: skip
    inspect(bytes(data))
    assert not digest_bytes(data).same_bytes(digest_bytes(good()))


def test_a_whole_amplifier_of_another_image_passes_and_only_the_digest_finds_it() -> None:
    # The camera writes no identity into the extensions.
    begin = read_units(NAME, good())[1].end
    data = good()[:begin] + good("R01_S00")[begin:]
    inspect(data)
    assert not digest_bytes(data).same_bytes(digest_bytes(good()))


def test_swapped_sectors_of_a_header_are_found_where_they_break_cards() -> None:
    data = good()
    assert refused(data[512:1024] + data[:512] + data[1024:])


def test_an_image_cut_off_between_two_amplifiers_is_found() -> None:
    units = read_units(NAME, good(amplifiers=16))
    for unit in units[:-1]:
        with pytest.raises(UnreadableFits, match=r"amplifiers cover|no image extension"):
            inspect(good(amplifiers=16)[: unit.end])


def test_a_checksum_that_only_some_units_have_is_refused() -> None:
    with pytest.raises(FitsChecksumMismatch, match=r"header-data unit 0 disagrees"):
        inspect(good().replace(b"CHECKSUM", b"COMMENT ", 1))


def test_a_whole_healthy_focal_plane_raises_no_alarm() -> None:
    for detector in CAMERA.detectors:
        INSPECTOR.inspect_image("x.fits", good(detector.full_name), UNIT, detector)


# Hostile files: refused in bounded time and memory.


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", TruncatedFile),
        (b"SIMPLE", TruncatedFile),
        (b"\x1f\x8b" + bytes(4000), UnreadableFits),
        (bytes(2880), UnreadableFits),
        (good()[: read_units(NAME, good())[0].end], UnreadableFits),
        (b"SIMPLE  =                    T".ljust(2880), TruncatedFile),
        (b"SIMPLE  =                    T".ljust(60_000_000), UnreadableFits),
        (b"SIMPLE  =                    F".ljust(80) + b"END".ljust(2800), UnreadableFits),
    ],
    ids=["empty", "six-bytes", "gzip", "zeros", "header-only", "no-end", "endless", "simple-f"],
)
def test_what_is_no_image_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        inspect(data)


def axes(naxis: object, *lengths: object) -> bytes:
    """Replace the axes of the first image of a good file."""
    cards = [f"NAXIS   = {naxis!s:>20}"]
    cards += [f"NAXIS{number}  = {length!s:>20}" for number, length in enumerate(lengths, 1)]
    header = "".join(card.ljust(80) for card in ["XTENSION= 'IMAGE   '", "BITPIX  = 16", *cards])
    primary = good()[: read_units(NAME, good())[0].end]
    blocks = -(-len(header + "END") // 2880)
    return primary + (header + "END").ljust(2880 * blocks).encode() + bytes(2880)


@pytest.mark.parametrize(
    "data",
    [
        axes(2, 10**12, 10),
        axes(2, 10**12, 10**12),
        axes(999, *[10**9] * 999),
        axes(2, -1, 10),
        axes(-3),
        axes(10**12),
        axes(2, 10),
        axes("T", 10),
        axes(2, 1.5, 10),
        axes(1, 10).replace(b"NAXIS1", b"NAXIS ", 1),
        axes(1, 10).replace(b"BITPIX  = 16", b"BITPIX  = 17"),
        with_card(good(), "NAXIS", "NAXIS   =                   -3"),
        with_card(good(), "NAXIS", "NAXIS   =        1000000000000"),
    ],
)
def test_impossible_axes_are_refused_in_bounded_time_and_memory(data: bytes) -> None:
    tracemalloc.start()
    with measured() as cost, pytest.raises(UnreadableFits):
        inspect(data)
    assert cost.cpu_s < 1
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_claim_of_more_data_than_there_is_means_that_the_file_is_cut() -> None:
    with pytest.raises(TruncatedFile, match=r"of \d+ bytes"):
        inspect(axes(2, 5000, 5000))


def test_an_endless_header_is_refused_quickly() -> None:
    data = b"SIMPLE  =                    T".ljust(80) + b"COMMENT x".ljust(80) * 750_000
    with measured() as cost, pytest.raises(UnreadableFits, match="1000 blocks"):
        inspect(data)
    assert cost.cpu_s < 1


def test_thousands_of_empty_units_are_refused() -> None:
    primary = good()[: read_units(NAME, good())[0].end]
    empty = b"XTENSION= 'IMAGE   '".ljust(80) + b"BITPIX  = 8".ljust(80) + b"NAXIS   = 0".ljust(80)
    with pytest.raises(UnreadableFits, match="more than 1000 units"):
        inspect(primary + (empty + b"END").ljust(2880) * 2000)


@pytest.mark.parametrize(
    "keyword", ["OBSID", "DAYOBS", "SEQNUM", "RAFTBAY", "CCDSLOT", "INSTRUME", "FILENAME"]
)
def test_an_identity_that_is_told_twice_is_refused(keyword: str) -> None:
    data = good()
    card = data[data.index(keyword.ljust(8).encode() + b"=") :][:80].decode()
    with pytest.raises(UnreadableFits, match=f"{keyword} occurs twice"):
        inspect(with_card(data, "FIRMWARE", card))


@pytest.mark.parametrize("character", ["\x1b", "\x00", "\n", "\xe9"])
def test_a_header_with_a_control_character_is_refused(character: str) -> None:
    card = f"OBJECT  = 'a{character}[31m'"
    with pytest.raises(UnreadableFits, match="no header may have"):
        inspect(with_card(good(), "OBJECT", card))


@pytest.mark.parametrize(
    ("keyword", "card"),
    [
        ("OBSID", "OBSID   = 'MC_O_20261121_000005'"),
        ("OBSID", "COMMENT   no name"),
        ("OBSID", "OBSID   ="),
        ("RAFTBAY", "RAFTBAY = 'R21     '"),
        ("RAFTBAY", "RAFTBAY ="),
        ("CCDSLOT", "CCDSLOT = 'S12     '"),
        ("DAYOBS", "DAYOBS  = '20261122'"),
        ("SEQNUM", "SEQNUM  = 7"),
        ("CONTRLLR", "CONTRLLR= 'C       '"),
        ("CAMCODE", "CAMCODE = 'CC      '"),
        ("INSTRUME", "INSTRUME= 'LATISS  '"),
        ("FILENAME", "FILENAME= 'MC_O_20261121_000006_R22_S12.fits'"),
    ],
)
def test_a_header_that_names_another_image_is_refused(keyword: str, card: str) -> None:
    with pytest.raises(IdentityMismatch):
        inspect(with_card(good(), keyword, card))


@pytest.mark.parametrize("keyword", ["DAYOBS", "SEQNUM", "CONTRLLR", "CAMCODE", "FILENAME"])
def test_a_header_that_leaves_out_what_the_name_says_anyway_passes(keyword: str) -> None:
    inspect(with_card(good(), keyword, f"{keyword:8}="))


def test_two_swapped_detectors_are_both_found() -> None:
    for name, other in (("R22_S11", "R22_S12"), ("R22_S12", "R22_S11")):
        with pytest.raises(IdentityMismatch):
            INSPECTOR.inspect_image("x.fits", good(other), UNIT, CAMERA.by_name[name])


def test_an_image_of_an_unknown_instrument_is_refused() -> None:
    with pytest.raises(UnknownInstrument):
        INSPECTOR.inspect_image(NAME, good(), Unit("HSC", UNIT.obs_id), DETECTOR)


def test_a_good_image_costs_little() -> None:
    data = good()
    inspect(data)
    taken_s = []
    for _ in range(5):  # the quickest counts: the others shared the machine with somebody
        with measured() as cost:
            for _ in range(40):
                inspect(data)
        taken_s.append(cost.cpu_s / 40)
    assert min(taken_s) < 0.003  # 0.5 ms on an idle machine


def test_the_night_that_these_tests_use_is_the_same_everywhere() -> None:
    assert hashlib.sha256(good()).hexdigest() == hashlib.sha256(good.__wrapped__()).hexdigest()
