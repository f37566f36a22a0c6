"""What only the group as a whole, or the calibration in force, can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbb.errors import CalibrationInputsRefused, CalibrationProductRefused, PolicyUnreadable
from dbb.flows.calibration_checks import (
    RULES_SHOWN,
    Group,
    InputFacts,
    KindLimits,
    Limits,
    ProductFacts,
    Range,
    find_input_faults,
    find_product_faults,
    refuse_inputs,
    refuse_products,
)
from dbb.model.payload import CalibrationKind

FLAT = KindLimits(("flat",), 0.1, {"median_adu": Range(1, 2)}, {"level": Range(0, 9)}, {"level": 1})
LIMITS = Limits("LSSTCam", 1e5, {CalibrationKind.FLAT: FLAT})
GROUP = Group(CalibrationKind.FLAT, "LSSTCam", "r_57", (1, 2))


def image(exposure: int, detector: int, **given: object) -> InputFacts:
    facts = InputFacts(
        "x", exposure, detector, "MC", "LSSTCam", "R22", "flat", "r_57", 2.0, 1.5, 0.0, 0.0
    )
    return replace(facts, **given)


WHOLE = [image(exposure, detector) for exposure in (10, 11, 12) for detector in (1, 2)]


def told(findings):
    return [(finding.subject, finding.rule) for finding in findings]


def test_a_whole_group_has_no_faults():
    assert find_input_faults(GROUP, WHOLE, LIMITS) == []
    refuse_inputs(GROUP, [])


@pytest.mark.parametrize(
    ("images", "finding"),
    [
        ([], ("the group", "it has no image")),
        (WHOLE[1:], ("exposure 10 detector 1", "the image is missing")),
        ([*WHOLE, image(10, 3)], ("exposure 10 detector 3", "the group has no such detector")),
        ([*WHOLE, WHOLE[0]], ("exposure 10 detector 1", "it is there 2 times")),
        (
            [*WHOLE[1:], image(10, 1, physical_filter="g_6")],
            ("exposure 10 detector 1", "its filter is 'g_6', not 'r_57'"),
        ),
        (
            [*WHOLE[1:], image(10, 1, exposure_time_s=2.2)],
            ("exposure 10 detector 1", "its exposure time is 2.2 s, the group's 2.0 s"),
        ),
        (
            [*WHOLE[1:], image(10, 1, exposure_time_s=None)],
            ("exposure 10 detector 1", "its exposure time is None s, the group's 2.0 s"),
        ),
    ],
)
def test_a_fault_of_the_group_is_found_and_named(images, finding):
    found = find_input_faults(GROUP, images, LIMITS)
    assert told(found) == [finding]
    with pytest.raises(CalibrationInputsRefused, match=finding[0]) as caught:
        refuse_inputs(GROUP, found)
    assert caught.value.where == "LSSTCam flat r_57"


def product(detector: int, level: float) -> ProductFacts:
    return ProductFacts(detector, f"{detector}.fits", {"level": level})


def test_products_near_those_in_force_pass_and_the_first_ones_too():
    products = [product(1, 5), product(2, 6)]
    assert find_product_faults(GROUP, products, LIMITS, {1: {"level": 4.5}}) == []


@pytest.mark.parametrize(
    ("products", "before", "finding"),
    [
        ([product(1, 5)], {}, ("detector 2", "it has no product")),
        (
            [product(1, 5), product(2, 5), product(2, 5)],
            {},
            ("detector 2", "it has 2 products, expected is 1"),
        ),
        (
            [product(1, 5), product(2, 5), product(3, 5)],
            {},
            ("detector 3", "it has 1 products, expected is 0"),
        ),
        (
            [product(1, 5), product(2, 5)],
            {1: {"level": 5}, 2: {"level": 6.5}},
            ("detector 2", "level is 5, that in force 6.5: more than 1 apart"),
        ),
        (
            [product(1, 5), product(2, float("nan"))],
            {2: {"level": 6.5}},
            ("detector 2", "level is nan, that in force 6.5: more than 1 apart"),
        ),
        (
            [product(1, 5), product(2, 5)],
            {2: {"other": 5}},
            ("detector 2", "level cannot be compared: that in force has none"),
        ),
    ],
)
def test_a_fault_of_the_products_is_found_and_named(products, before, finding):
    found = find_product_faults(GROUP, products, LIMITS, before)
    assert told(found) == [finding]
    with pytest.raises(CalibrationProductRefused, match=finding[0]):
        refuse_products(GROUP, found)


def test_a_kind_without_limits_stops_everything():
    group = replace(GROUP, kind=CalibrationKind.DARK)
    for judge in (lambda: find_input_faults(group, WHOLE, LIMITS),
                  lambda: find_product_faults(group, [], LIMITS, {})):  # fmt: skip
        with pytest.raises(PolicyUnreadable, match="no limits for a dark"):
            judge()


def test_many_findings_are_counted():
    found = find_input_faults(replace(GROUP, detectors=tuple(range(1, 200))), WHOLE, LIMITS)
    with pytest.raises(CalibrationInputsRefused, match=f"and {len(found) - RULES_SHOWN} more"):
        refuse_inputs(GROUP, found)
