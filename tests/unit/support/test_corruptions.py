"""Damage of eight kinds is found by reading copies again; one that trusts less than the bytes misses it."""

import random

import pytest

from dbb.digests import digest_bytes
from dbb.model.digest import Digest
from support.corruptions import KINDS, TRUSTING, run_campaign

EACH = 40


def apply(good, damage):
    data = bytearray(good)
    data[damage.offset : damage.offset + len(damage.data)] = damage.data
    return bytes(data[: damage.length])


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_does_damage(name):
    dice = random.Random(2)  # noqa: S311 - no secret
    good, old = dice.randbytes(256 * 1024), dice.randbytes(256 * 1024)
    for _ in range(50):
        bad = apply(good, KINDS[name](good, old, dice))
        assert bad != good
        if name == "Adler-preserving":
            assert digest_bytes(bad).adler32 == digest_bytes(good).adler32
        if name not in ("truncation", "extension"):
            assert len(bad) == len(good)


def test_all_that_is_planted_is_found_and_nothing_else(tmp_path):
    done = run_campaign(tmp_path, EACH, files=40)
    assert done.planted == dict.fromkeys(KINDS, EACH)
    assert (done.undetected, done.false_alarms) == ({}, 0)


@pytest.mark.parametrize(
    ("trusted", "missed"),
    [
        ("size", set(KINDS) - {"truncation", "extension"}),
        ("adler32", {"Adler-preserving"}),
    ],
)
def test_a_reading_that_trusts_less_turns_the_campaign_red(tmp_path, monkeypatch, trusted, missed):
    monkeypatch.setattr(Digest, "same_bytes", TRUSTING[trusted])
    done = run_campaign(tmp_path, 10, files=40)
    assert set(done.undetected) == missed
