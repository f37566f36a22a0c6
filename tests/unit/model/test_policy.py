"""Who receives what: decided once for each unit, labelled where Rucio cannot compute it."""

import pytest

from dbb.errors import PolicyUnreadable
from dbb.model.kind import Kind
from dbb.model.policy import Policy, PolicyBook, Selection, Traits

RAW = Traits(Kind.RAW, "LSSTCam", "BLOCK-365", 20261121, regions=frozenset({"uk"}))


def policy(name, receiver="frdf", sources=("usdf",), **what):
    return Policy(name, receiver, Selection(**{"kind": Kind.RAW, **what}), sources)


@pytest.mark.parametrize(
    ("what", "selected"),
    [
        ({}, True),
        ({"kind": Kind.PRODUCT}, False),
        ({"instruments": ("LATISS", "LSSTCam")}, True),
        ({"instruments": ("LATISS",)}, False),
        ({"programs": ("BLOCK-365",)}, True),
        ({"programs": ("BLOCK-36",)}, False),
        ({"region": "uk"}, True),
        ({"region": "us"}, False),
        ({"first_day": 20261121, "last_day": 20261121}, True),
        ({"last_day": 20261120}, False),
        ({"first_day": 20261122}, False),
        ({"tracts": (7,)}, False),
    ],
)
def test_a_policy_selects_what_it_says(what, selected):
    assert policy("p", **what).selects(RAW) is selected


@pytest.mark.parametrize(("off_sky", "selected"), [(True, True), (False, False)])
def test_exposures_that_see_no_sky_come_along_only_where_the_policy_says_so(off_sky, selected):
    dark = Traits(Kind.RAW, "LSSTCam", "", 20261121, regions=None)
    assert policy("p", region="uk", off_sky=off_sky).selects(dark) is selected


def test_a_product_with_one_of_the_tracts_is_meant():
    traits = Traits(Kind.PRODUCT, tracts=frozenset({7, 8}))
    assert policy("p", kind=Kind.PRODUCT, tracts=(8, 9)).selects(traits)


def test_the_first_policy_of_a_receiver_that_selects_a_unit_counts():
    book = PolicyBook((policy("a", region="us"), policy("b"), policy("c"), policy("d", "ukdf")))
    assert [each.name for each in book.wanted(RAW)] == ["b", "d"]


def test_labels_name_only_what_rucio_cannot_compute():
    book = PolicyBook(
        (
            policy("plain"),
            policy("uk", "ukdf", region="uk"),
            policy("us", "usidac", region="us"),
            policy("late", "chile", first_day=20250101),
        )
    )
    assert book.labels(RAW) == ".uk.late."
    assert PolicyBook((policy("plain"),)).labels(RAW) == ""


def test_a_name_is_found_in_a_label_whole_or_not_at_all():
    book = PolicyBook((policy("uk-deep", "a", region="uk"), policy("uk", "b", region="us")))
    assert ".uk." not in book.labels(RAW)


@pytest.mark.parametrize("names", [["a", "a"], ["Upper"], ["with.dot"], ["x" * 25], [""]])
def test_names_are_plain_and_unique(names):
    with pytest.raises(PolicyUnreadable):
        PolicyBook(tuple(policy(name, f"r{i}") for i, name in enumerate(names)))


def test_labels_that_rucio_could_not_hold_are_refused_when_the_document_is_read():
    policies = tuple(policy(f"policy-number-{n}", f"r{n}", region="uk") for n in range(5))
    with pytest.raises(PolicyUnreadable, match="shorter names"):
        PolicyBook(policies)


def test_a_source_comes_before_those_it_serves():
    book = PolicyBook(
        (policy("c", "chile", ("ukdf",)), policy("b", "ukdf", ("frdf",)), policy("a"))
    )
    assert book.receivers(Kind.RAW) == ("frdf", "ukdf", "chile")
    circle = PolicyBook((policy("a", "x", ("y",)), policy("b", "y", ("x",))))
    assert set(circle.receivers(Kind.RAW)) == {"x", "y"}
