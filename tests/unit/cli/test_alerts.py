"""``dbb alerts``: counts, single packets, and archiving now."""

import gzip
import json

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.wiring import alerts as alerts_wiring
from support.alerts import FIRST, NIGHT, AlertWorld, packet

SET = {"DBB_LEDGER_URL": "sqlite://"}


@pytest.fixture
def world():
    return AlertWorld()


@pytest.fixture
def dbb(world, capsys, monkeypatch):
    monkeypatch.setattr(alerts_wiring, "open_alerts", lambda *_: world.alerts)

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.world.backbone())

        code = main(["alerts", *arguments, "--json"], SET, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out) if written.out else None, written.err

    return run


def test_archiving_then_getting_gives_the_packet_as_it_came(dbb, world, tmp_path):
    world.stream.send(packet(1), packet(2))
    code, told, _ = dbb("archive")
    assert (code, told["counts"]) == (0, {"archived": 2})
    assert told["units"] == [f"files/{NIGHT}/alerts-0001"]
    code, told, _ = dbb("get", str(FIRST + 2), "--out", str(tmp_path / "packet"))
    assert (code, told["unit"]) == (0, f"files/{NIGHT}/alerts-0001")
    assert (tmp_path / "packet").read_bytes() == packet(2)


def test_an_alert_that_is_not_archived_is_told(dbb):
    code, _, said = dbb("get", "5")
    assert code == 2
    assert "unknown-item" in said


def test_a_packet_that_was_set_aside_is_a_finding(dbb, world):
    world.stream.send(packet(1), b"garbage")
    assert dbb("archive")[0] == 1


def test_status_is_a_finding_until_the_night_is_closed(dbb, world):
    world.stream.send(packet(1), packet(2))
    dbb("archive")
    code, told, _ = dbb("status")
    (night,) = told["nights"]
    assert (code, night["issued"], night["stored"], night["archived"]) == (1, None, 2, 2)
    assert night["deadline"] == "2026-11-29T11:59+00:00"
    assert dbb("issued", str(NIGHT), "2")[0] == 0
    code, told, _ = dbb("status", "--day-obs", str(NIGHT))
    assert (code, told["nights"][0]["is_closed"]) == (0, True)


def test_what_the_stream_lost_comes_from_the_alert_database(dbb, world):
    number = FIRST + 3
    world.database.put(f"v2/alerts/{str(number)[:6]}/{number}.avro.gz", gzip.compress(packet(3)))
    code, told, _ = dbb("archive", "--from-database", "--folder", str(number)[:6])
    assert (code, told["counts"]) == (0, {"archived": 1})
