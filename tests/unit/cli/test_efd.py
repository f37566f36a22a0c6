"""``dbb efd``: gaps are findings, and extracting fills them."""

import json

import pytest

from dbb.cli import efd, efd_values
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.hooks.efd.intervals import SqlIntervals
from dbb.model.efd import to_ns
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT, make_efd
from support.fake_efd import MemorySource
from support.world import World

SET = {"DBB_LEDGER_URL": "sqlite://"}
SPAN = ("--from", "2026-11-22T00:00", "--to", "2026-11-22T03:00")


@pytest.fixture
def world():
    made = World()
    made.clock._now = BEGIN + 3 * HOUR + HOUR / 6
    return made


@pytest.fixture
def source():
    made = MemorySource()
    for hour in (0, 1):
        made.write(MOUNT, to_ns(BEGIN + hour * HOUR), azimuth0=1.0, private_seqNum=hour)
    return made


@pytest.fixture
def dbb(world, source, capsys, monkeypatch):
    monkeypatch.setattr(efd, "_open", lambda _: make_efd(world, source))
    known = SqlIntervals(world.ledger)
    monkeypatch.setattr(efd_values, "_open_intervals", lambda _: known)

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        code = main(["efd", *arguments, "--json"], SET, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out) if written.out else None, written.err

    return run


def test_nothing_that_was_ever_expected_is_no_gap(dbb):
    told = {"schema": "dbb-efd-status/1", "gaps": [], "remarks": [], "intervals": []}
    assert dbb("status") == (0, told, "")


def test_hours_that_nobody_extracted_are_gaps(dbb):
    code, told, _ = dbb("status", *SPAN)
    assert code == 1
    assert {(gap["topic"], gap["hours"], gap["state"]) for gap in told["gaps"]} == {
        (MOUNT, 3, "unknown"), (EVENT, 3, "unknown"),
    }  # fmt: skip


def test_extracting_fills_them_and_tells_what_is_left(dbb, source):
    code, told, said = dbb("extract", *SPAN)
    assert code == 1
    (gap,) = told["gaps"]
    assert (gap["topic"], gap["begin"], gap["code"]) == (
        MOUNT, "2026-11-22T02:00+00:00", "efd-interval-empty"
    )  # fmt: skip
    assert "6 opened, 0 opened again; 2 extracted, 0 same, 4 empty, 0 failed" in said
    assert said.count("is archived") == 2
    source.write(MOUNT, to_ns(BEGIN + 2 * HOUR), azimuth0=1.0, private_seqNum=2)
    code, told, said = dbb("extract", *SPAN)
    assert (code, told["gaps"]) == (0, [])
    assert "0 opened, 1 opened again; 1 extracted" in said


def test_a_source_that_is_down_is_an_error_and_what_was_had_is_archived(dbb, source):
    dbb("extract", "--from", "2026-11-22T00:00", "--to", "2026-11-22T01:00")
    source.is_down = True
    code, _, said = dbb("extract", *SPAN)
    assert code == 3
    assert "efd-unavailable" in said
    code, told, _ = dbb("status")
    assert code == 1
    assert {gap["state"] for gap in told["gaps"]} == {"open"}


def test_a_time_that_is_none_is_refused(dbb):
    with pytest.raises(SystemExit):
        dbb("status", "--from", "yesterday")
