"""``dbb canary status``: what the last canaries did; the exit code tells whether one is missing."""

import json

import pytest

from dbb.cli import canary
from dbb.cli.main import main
from dbb.hooks.canary_rows import SqlCanaries
from support.canary_world import Aviary
from support.world import World


@pytest.fixture
def aviary(monkeypatch):
    made = Aviary(World())
    monkeypatch.setattr(canary, "_open", lambda _: SqlCanaries(made.world.ledger))
    monkeypatch.setattr(canary, "_now", made.world.clock.now)
    return made


def status(capsys):
    code = main(["canary", "status", "--json"], {"DBB_LEDGER_URL": "sqlite://"})
    written = capsys.readouterr()
    return code, json.loads(written.out), written.err


@pytest.mark.usefixtures("aviary")
def test_where_none_has_flown_nothing_is_wrong(capsys):
    assert status(capsys)[:2] == (0, {"schema": "dbb-canaries/1", "is_well": True, "canaries": []})


def test_the_last_ones_are_shown_with_their_stages(aviary, capsys):
    aviary.fly()
    code, told, _ = status(capsys)
    assert (code, told["is_well"]) == (0, True)
    (one,) = told["canaries"]
    assert (one["outcome"], one["is_removed"], len(one["stages_s"])) == ("through", True, 8)


def test_a_missing_one_is_a_finding(aviary, capsys):
    aviary.fly()
    aviary.world.clock.advance(1860)
    code, told, err = status(capsys)
    assert (code, told["is_well"]) == (1, False)
    assert "canary-stuck" in err
