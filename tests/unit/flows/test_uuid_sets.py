"""Comparing long lists of identifiers, against Python's own sets; and their fingerprints."""

import random
import uuid

import pytest

from dbb.flows import uuid_sets
from dbb.flows.uuid_sets import diff_uuids
from dbb.model.fingerprint import Fingerprint


def ids(number, seed):
    draw = random.Random(seed)  # noqa: S311 - always the same ones
    return [draw.randbytes(16) for _ in range(number)]


def check(held):
    draw = random.Random(held)  # noqa: S311
    common = ids(500, 1)
    left = [(key, draw.randrange(9)) for key in common + ids(40, 2)]
    right = [(key, label) for key, label in left[:500]] + [(key, 3) for key in ids(30, 3)]
    right[7] = (right[7][0], right[7][1] + 1)
    draw.shuffle(left)
    draw.shuffle(right)
    found = diff_uuids(iter(left), iter(right), held=held)
    lefts, rights = dict(left), dict(right)
    assert (found.left, found.right) == (540, 530)
    assert dict(found.only_left) == {key: lefts[key] for key in lefts.keys() - rights.keys()}
    assert dict(found.only_right) == {key: rights[key] for key in rights.keys() - lefts.keys()}
    assert found.moved == [
        (key, lefts[key])
        for key in sorted(lefts.keys() & rights.keys())
        if lefts[key] != rights[key]
    ]
    assert found.differing == 71


@pytest.mark.parametrize("held", [1, 7, 64, 539, 10_000])
def test_the_difference_is_that_of_sets_however_little_is_held(held):
    check(held)


def test_a_planted_bug_turns_it_red(monkeypatch):
    monkeypatch.setattr(uuid_sets, "_spilled", lambda piece, _: iter(piece[:-1]))
    with pytest.raises(AssertionError):
        check(7)


def test_no_more_differences_are_kept_than_asked_for():
    found = diff_uuids([(key, 0) for key in ids(50, 1)], [], most=5)
    assert (len(found.only_left), found.differing) == (5, 50)


def test_an_identifier_that_comes_twice_is_there_twice():
    (key,) = ids(1, 1)
    found = diff_uuids([(key, 1), (key, 1)], [(key, 1)])
    assert found.only_left == [(key, 1)]


def test_a_fingerprint_knows_no_order_and_sees_each_change():
    keys = [uuid.uuid4().bytes for _ in range(205)]
    one = Fingerprint.of(keys)
    assert Fingerprint.of(reversed(keys)) == one == Fingerprint.parse(str(one))
    assert Fingerprint.of(keys[:100]) + Fingerprint.of(keys[100:]) == one
    assert Fingerprint.of(keys[1:]) != one
    for bit in range(128):
        changed = (int.from_bytes(keys[0], "big") ^ 1 << bit).to_bytes(16, "big")
        assert Fingerprint.of([changed, *keys[1:]]) != one
