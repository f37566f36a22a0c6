"""Planted faults of a group are refused, named; what has no limit stops everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from astropy.io import fits

from dbb.errors import (
    CalibrationInputsRefused,
    CalibrationProductRefused,
    DigestMismatch,
    PolicyUnreadable,
)
from dbb.flows.calibration_checks import Range
from dbb.hooks.calibration.combining import CombiningPayload
from dbb.hooks.calibration.judging import CalibrationJudge
from dbb.hooks.calibration.limits import FOLDER, load_limits
from dbb.hooks.calibration.measuring import measure_input
from dbb.hooks.calibration.product import publish, read_product, write_product
from dbb.hooks.calibration.reader import InputReader
from dbb.hooks.instruments import load_instruments
from dbb.model.payload import CalibrationKind
from sandbox.synthetic_night import GroupFault
from support.calibration_orders import IDS, applied, digest, make_order, raw_inputs, take

HERE = CombiningPayload(processes=1)
CAMERA = load_instruments()["LSSTCam"]


@pytest.fixture(scope="module")
def judge():
    return CalibrationJudge(CAMERA, processes=1)


@pytest.fixture(scope="module")
def biases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("biases")
    order = make_order(folder / "out", "bias", raw_inputs(take(folder, "bias", 5)))
    return order, HERE.run(order)


# -- images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
@pytest.mark.parametrize("overscan", [0, 16])
def test_a_good_group_passes(tmp_path, judge, kind, overscan):
    inputs = raw_inputs(take(tmp_path, kind, 3, overscan=overscan))
    facts = judge.check_inputs(make_order(tmp_path / "out", kind, inputs), IDS)
    assert [(each.detector, each.image_type) for each in facts] == [*zip(IDS, [kind] * 2)] * 3  # noqa: B905


FAULTS = {
    ("bias", GroupFault.WRONG_TYPE): "not so: the image type is the group's",
    ("flat", GroupFault.WRONG_TYPE): "image_type 'bias'",
    ("flat", GroupFault.MIXED_FILTER): "its filter is 'z_20', not 'u_24'",
    ("flat", GroupFault.SATURATED): "median_adu is 150000, expected is 15000 to 130000",
    ("bias", GroupFault.SATURATED): "saturated_fraction is 1, expected is 0 to 0.001",
    ("bias", GroupFault.ALL_ZERO): "zero_fraction is 1, expected is 0 to 0.01",
    ("dark", GroupFault.OTHER_TIME): "its exposure time is 61.0 s, the group's 30.0 s",
    ("dark", GroupFault.MISSING_DETECTOR): "the image is missing",
}


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_a_planted_fault_is_refused_by_name(tmp_path, judge, kind, fault):
    inputs = raw_inputs(take(tmp_path, kind, 3, fault=fault))
    order = make_order(tmp_path / "out", kind, inputs)
    with pytest.raises(CalibrationInputsRefused) as caught:
        judge.check_inputs(order, IDS)
    assert FAULTS[kind, fault] in caught.value.message
    assert "exposure 2026112105002 detector 94" in caught.value.message
    assert "exposure 2026112105001" not in caught.value.message
    assert caught.value.where.startswith(f"LSSTCam {kind}")


def test_every_fault_is_planted_somewhere():
    assert {fault for _, fault in FAULTS} == set(GroupFault)


@pytest.mark.parametrize(
    ("rows", "share"), [(slice(0, 4), 1 / 16), (slice(-4, None), 1 / 16), (slice(0, 100), 1 / 2)]
)
def test_a_large_image_is_judged_by_rows_from_edge_to_edge(tmp_path, judge, rows, share):
    given, *_ = raw_inputs(take(tmp_path, "bias", 1, pixels=200))
    with fits.open(given.path, mode="update") as units:
        for unit in units[1:]:
            unit.data[rows] = 0
    spoilt = replace(given, sha256=digest(given.path))
    with InputReader() as reader:
        facts = measure_input(spoilt, reader, judge.limits.saturation_adu, {})
    assert facts.zero_fraction == pytest.approx(share, abs=0.001)


def test_an_image_under_another_ones_name_is_refused(tmp_path, judge):
    first, second, *rest = raw_inputs(take(tmp_path, "bias", 2))
    swapped = [replace(first, detector=second.detector), replace(second, detector=first.detector)]
    with pytest.raises(CalibrationInputsRefused, match="the detector of the header is the order's"):
        judge.check_inputs(make_order(tmp_path / "a", "bias", [*swapped, *rest]), IDS)
    moved = [replace(each, exposure_id=each.exposure_id + 7) for each in (first, second, *rest)]
    with pytest.raises(CalibrationInputsRefused, match="the exposure of the header is the order's"):
        judge.check_inputs(make_order(tmp_path / "b", "bias", moved), IDS)


def test_another_cameras_image_is_refused(tmp_path, judge):
    group = take(tmp_path, "bias", 1, instrument="LATISS", detectors=("RXX_S00",))
    order = make_order(tmp_path / "out", "bias", raw_inputs(group))
    with pytest.raises(CalibrationInputsRefused, match="the instrument of the header"):
        judge.check_inputs(order, [0])


def test_a_latiss_flat_is_of_a_filter_and_a_grating(tmp_path):
    group = take(tmp_path, "flat", 2, instrument="LATISS", detectors=("RXX_S00",))
    order = make_order(tmp_path / "out", "flat", raw_inputs(group))
    order = replace(order, instrument="LATISS", physical_filter="SDSSr_65mm~empty")
    facts = CalibrationJudge(load_instruments()["LATISS"], processes=1).check_inputs(order, [0])
    assert {each.physical_filter for each in facts} == {"SDSSr_65mm~empty"}


def test_bytes_that_are_not_the_orders_are_damaged_not_judged(tmp_path, judge):
    first, *rest = raw_inputs(take(tmp_path, "bias", 1))
    order = make_order(tmp_path / "out", "bias", [replace(first, sha256="0" * 64), *rest])
    with pytest.raises(DigestMismatch):
        judge.check_inputs(order, IDS)


# -- products --------------------------------------------------------------------------------------


def test_good_products_pass_also_against_those_in_force(judge, biases):
    order, products = biases
    facts = judge.check_products(order, products, IDS, applied(order, products))
    assert [each.detector for each in facts] == list(IDS)


def spoil(order, product, change):
    """Write a product again with other pixels."""
    path = order.folder / product.file
    header, planes = read_product(product.file, path.read_bytes())
    change(planes)
    cards = [(key, header[key], "") for key in ("OBSTYPE", "DETECTOR", "OVERSCAN")]
    write_product(path, cards, planes, [], [])
    publish([path])


def holes(planes):
    planes.image[:10] = np.nan


def flat_variance(planes):
    planes.variance[:] = 0


def all_hot(planes):
    planes.mask[:] |= np.uint8(1)


def lifted(planes):
    planes.image[:] += 150


def noisy(planes):
    planes.image[:] += np.random.default_rng(1).normal(0, 40, planes.image.shape)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (holes, "detector 94: finite_fraction is 0.791667, expected is 0.999 to 1"),
        (flat_variance, "detector 94: positive_variance_fraction is 0, expected is 0.999 to 1"),
        (all_hot, "detector 94: masked_fraction is 1"),
        (all_hot, "detector 94: median_adu is no number"),
        (noisy, "detector 94: noise_adu is 4"),
        (lifted, "more than 100 apart"),
    ],
)
def test_a_spoilt_product_is_refused_by_name(tmp_path, judge, change, words):
    order = make_order(tmp_path / "out", "bias", raw_inputs(take(tmp_path, "bias", 4)))
    products = HERE.run(order)
    before = make_order(tmp_path / "before", "bias", order.inputs)
    in_force = applied(before, HERE.run(before))
    spoil(order, products[0], change)
    with pytest.raises(CalibrationProductRefused) as caught:
        judge.check_products(order, products, IDS, in_force)
    assert words in caught.value.message
    assert "detector 95" not in caught.value.message


def test_a_detector_without_product_is_refused(judge, biases):
    order, products = biases
    with pytest.raises(CalibrationProductRefused, match="detector 95: it has no product"):
        judge.check_products(order, products[:1], IDS)
    with pytest.raises(CalibrationProductRefused, match="detector 95: it has 1 products, expected"):
        judge.check_products(order, products, IDS[:1])


def test_what_a_payload_says_of_its_products_is_not_believed(tmp_path, judge):
    order = make_order(tmp_path / "out", "bias", raw_inputs(take(tmp_path, "bias", 3)))
    first, second = HERE.run(order)
    spoil(order, first, holes)
    praised = replace(first, statistics={"finite_fraction": 1.0})
    with pytest.raises(CalibrationProductRefused, match=r"finite_fraction is 0\.79"):
        judge.check_products(order, [praised, second], IDS)


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("instrument", ["LSSTCam", "LSSTComCam", "LATISS"])
def test_every_instrument_has_limits_for_every_kind(instrument):
    limits = load_limits(instrument)
    assert set(limits.kinds) == set(CalibrationKind)


def test_a_camera_without_limits_is_not_judged_silently(tmp_path):
    with pytest.raises(PolicyUnreadable, match=r"Other\.yaml"):
        load_limits("Other", tmp_path)


def test_a_kind_without_limits_is_not_judged_silently(tmp_path, judge):
    limits = replace(judge.limits, kinds={CalibrationKind.BIAS: judge.limits.kinds["bias"]})
    strict = CalibrationJudge(CAMERA, limits, processes=1)
    order = make_order(tmp_path / "out", "dark", raw_inputs(take(tmp_path, "dark", 1)))
    with pytest.raises(PolicyUnreadable, match="no limits for a dark"):
        strict.check_inputs(order, IDS)
    with pytest.raises(PolicyUnreadable, match="no limits for a dark"):
        strict.check_products(order, [], IDS)


def test_a_number_without_limits_is_not_judged_silently(judge, biases):
    order, products = biases
    bias = judge.limits.kinds[CalibrationKind.BIAS]
    fewer = {name: each for name, each in bias.products.items() if name != "noise_adu"}
    limits = replace(judge.limits, kinds={CalibrationKind.BIAS: replace(bias, products=fewer)})
    with pytest.raises(PolicyUnreadable, match="noise_adu has no limits"):
        CalibrationJudge(CAMERA, limits, processes=1).check_products(order, products, IDS)


def change_limits(document, where, value):
    *path, last = where
    for name in path:
        document = document[name]
    if value is None:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("instrument",), "LATISS"),
        (("saturation_adu",), "high"),
        (("kinds", "bias", "products", "noise_adu"), None),
        (("kinds", "bias", "inputs", "median_adu"), None),
        (("kinds", "bias", "products", "noise_adu"), [9, 1]),
        (("kinds", "bias", "products", "noise_adu"), [1]),
        (("kinds", "bias", "products", "moon_adu"), [1, 2]),
        (("kinds", "bias", "drift", "moon_adu"), 1),
        (("kinds", "bias", "drift", "noise_adu"), float("nan")),
        (("kinds", "bias", "image_types"), []),
        (("kinds", "fringe"), {}),
        (("kinds", "dark", "more"), 1),
    ],
)
def test_limits_are_read_strictly(tmp_path, where, value):
    document = yaml.safe_load((FOLDER / "LSSTCam.yaml").read_text())
    change_limits(document, where, value)
    (tmp_path / "LSSTCam.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(PolicyUnreadable):
        load_limits("LSSTCam", tmp_path)


def test_a_range_holds_no_number_that_is_none():
    assert not Range(-1, 1).holds(float("nan"))
