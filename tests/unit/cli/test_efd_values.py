"""``dbb efd transform|compare|status``: what values are made of telemetry, and where they are."""

import json

import pytest

from dbb.cli import efd, efd_values
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.cli.main import main
from dbb.errors import LedgerUnavailable
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.files import SqlEndpoint, SqlPublicationFiles
from dbb.hooks.publications.hashes import SqlHashes
from dbb.model.efd import to_ns
from support.efd_world import BEGIN, HOUR, MOUNT
from support.values_world import ValuesWorld, exposure

SPAN = ("--from", "2026-11-22T01:00", "--to", "2026-11-22T02:00")


@pytest.fixture
def made():
    """Give two archived hours with an exposure in the second."""
    made = ValuesWorld()
    made.telemetry(2)
    made.expose(exposure(1, 1))
    made.at(2)
    made.extract(0, 2)
    return made


@pytest.fixture
def there(made):
    ledger = SqlLedger(open_engine("sqlite://"), made.world.clock, "test")
    ledger.migrate()
    yield ledger
    ledger.engine.dispose()


@pytest.fixture
def dbb(made, there, capsys, monkeypatch):
    monkeypatch.setattr(efd, "_open", lambda _: made.efd())
    monkeypatch.setattr(efd_values, "_open_intervals", lambda _: made.ports().intervals)
    monkeypatch.setattr(efd_values, "_open_transform", lambda _: {"LATISS": made.ports()})
    here, elsewhere = (SqlHashes(each) for each in (made.world.ledger, there))
    monkeypatch.setattr(efd_values, "_open_values", lambda *_: (here, {"frdf": lambda: elsewhere}))

    def run(*arguments):
        def make_context(settings, output):
            return Context(settings, output, lambda _: made.world.backbone())

        code = main(["efd", *arguments, "--json"], {"DBB_LEDGER_URL": "sqlite://"}, make_context)
        written = capsys.readouterr()
        return code, json.loads(written.out) if written.out else None, written.err

    return run


def test_an_interval_that_nobody_made_is_a_finding_until_it_is_made(dbb):
    code, told, _ = dbb("status")
    assert (code, told["gaps"]) == (1, [])
    assert [(each["interval"], each["state"]) for each in told["intervals"]] == [
        ("LATISS/2026-11-22T01", "open")
    ]
    code, told, said = dbb("transform", *SPAN)
    assert (code, told["schema"]) == (0, "dbb-efd-intervals/1")
    assert told["intervals"][0] == {
        "interval": "LATISS/2026-11-22T01", "state": "published", "code": "", "exposures": 1,
        "attempts": 0, "publication": 1, "reason": "",
    }  # fmt: skip
    assert "1 published" in said
    assert dbb("status")[0] == 0


def test_a_refused_interval_is_accepted_by_name_with_a_reason(dbb, made):
    made.source.write(MOUNT, to_ns(BEGIN + HOUR) + 110_500_000_000, azimuth0=1e6, private_seqNum=9)
    made.extract(0, 2)
    code, told, said = dbb("transform", *SPAN)
    assert (code, told["intervals"][0]["state"]) == (1, "refused")
    assert "efd-values-refused" in said
    assert dbb("status")[1]["intervals"][0]["code"] == "efd-values-refused"
    assert dbb("transform", *SPAN, "--accept", "a test")[0] == 1  # of which instrument?
    code, told, _ = dbb("transform", *SPAN, "--instrument", "LATISS", "--accept", "a test")
    assert (code, told["intervals"][0]["state"]) == (0, "published")
    code, _, said = dbb("transform", *SPAN, "--instrument", "LATISS", "--accept", "once more")
    assert "it is published" in said
    assert code != 0


def test_an_instrument_without_a_transformation_is_not_known(dbb):
    assert dbb("transform", *SPAN, "--instrument", "Nobody")[0] == 2


def test_endpoints_are_compared_and_the_rows_that_differ_are_named(dbb, made, there):
    made.transform()
    code, told, _ = dbb("compare")
    assert (code, told["schema"], told["endpoints"][0]["behind"]) == (0, "dbb-efd-compare/1", 1)
    files = SqlPublicationFiles(made.world.ledger)
    for each in files.unwritten():
        SqlEndpoint(there).load(files.write(each), "file")
    assert dbb("compare")[1]["endpoints"] == [
        {
            "endpoint": "frdf",
            "publication": 1,
            "behind": 0,
            "late_since": None,
            "days": 1,
            "differ": [],
        }
    ]
    with there.transaction() as connection:
        connection.exec_driver_sql("drop trigger efd_version_no_delete")
        connection.exec_driver_sql("delete from efd_version where property = ''")
    code, told, _ = dbb("compare")
    assert code == 1
    assert told["endpoints"][0]["differ"] == ["LATISS 20261121 telemetry 2026112100001"]


def test_a_database_that_is_away_is_named_and_the_others_are_compared(dbb, made, monkeypatch):
    made.transform()
    here = SqlHashes(made.world.ledger)

    def away():
        raise LedgerUnavailable.for_cause("no route", "frdf")

    monkeypatch.setattr(
        efd_values, "_open_values", lambda *_: (here, {"frdf": away, "ukdf": lambda: here})
    )
    code, told, said = dbb("compare")
    assert [(each["endpoint"], each["behind"]) for each in told["endpoints"]] == [("ukdf", 0)]
    assert "ledger-unavailable" in told["silent"]["frdf"]
    assert "frdf was not compared" in said
    assert code == Exit.UNREACHABLE
