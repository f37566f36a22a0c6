"""The steps from archived telemetry to values at every endpoint: one call of a flow each."""

import datetime as dt

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from dbb.errors import (
    DecisionImpossible,
    EfdValuesDiffer,
    LedgerUnavailable,
    SettingMissing,
    UnknownItem,
)
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.files import SqlEndpoint, SqlPublicationFiles
from dbb.hooks.publications.hashes import SqlHashes
from dbb.model.efd import to_ns
from dbb.operators import efd_values as steps
from dbb.wiring import base as base_wiring
from dbb.wiring import efd as efd_wiring
from support.efd_world import BEGIN, HOUR, MOUNT
from support.values_world import ValuesWorld, exposure

SPAN = {"begin": (BEGIN + HOUR).isoformat(), "end": (BEGIN + 2 * HOUR).isoformat()}
NAME = "LATISS/2026-11-22T01"


@pytest.fixture
def made(monkeypatch):
    """Give three archived hours with exposures in two, and the operators' ports over them."""
    made = ValuesWorld()
    made.telemetry(3)
    made.expose(exposure(1, 1), exposure(2, 2))
    made.at(3)
    made.extract(0, 3)
    made.there = SqlLedger(open_engine("sqlite://"), made.world.clock, "test")
    made.there.migrate()

    def open_values(_settings, endpoint, _actor):
        if endpoint != "frdf":
            raise SettingMissing.for_setting(f"DBB_EFD_VALUES_{endpoint.upper()}")
        return SqlEndpoint(made.there), SqlHashes(made.there)

    monkeypatch.setattr(steps, "open_for_run", lambda _: made.world.backbone())
    monkeypatch.setattr(efd_wiring, "open_efd_transform", lambda *_: {"LATISS": made.ports()})
    monkeypatch.setattr(
        efd_wiring, "open_efd_files", lambda *_: SqlPublicationFiles(made.world.ledger)
    )
    monkeypatch.setattr(efd_wiring, "open_efd_values", open_values)
    monkeypatch.setattr(efd_wiring, "open_hashes", lambda *_: SqlHashes(made.world.ledger))
    yield made
    made.there.engine.dispose()


@pytest.fixture
def context():
    return {"run_id": "r", "params": {"accept_reason": "it was a test"}}


def plan(context, accept=""):
    return steps.PlanIntervals(task_id="p", accept_interval=accept, **SPAN).execute(context)


def make(context, names, accept="", reason=""):
    step = steps.MakeIntervals(
        task_id="m", intervals=names, accept_interval=accept, accept_reason=reason
    )
    return step.hours, step.execute(context)


def test_a_run_makes_sends_loads_and_compares(made, context):
    (chunk,) = plan(context)
    assert chunk == [NAME, "LATISS/2026-11-22T02"]
    hours, counts = make(context, chunk)
    assert hours == "LATISS/2026-11-22T01 … 2026-11-22T02"
    assert counts["published"] == 2
    assert plan(context) == []
    send = steps.SendPublications(task_id="s")
    assert send.execute(context) == {"files": 2, "parcels": 2}
    assert send.execute(context) == {"files": 0, "parcels": 0}
    load = steps.LoadPublications(task_id="l", endpoint="frdf")
    assert load.execute(context)["loaded"] == 0  # they are on their way
    made.deliver()
    assert load.execute(context) == {"loaded": 2, "versions": 4, "wait": 0, "left": 0}
    at_noon = dt.datetime(2026, 11, 22, 13, tzinfo=dt.UTC).isoformat()
    compare = steps.CompareValues(task_id="c", end=at_noon, endpoints=["frdf", "ukdf"])
    assert compare.execute(context) == {"frdf": 0}
    with made.there.transaction() as connection:
        connection.exec_driver_sql("drop trigger efd_version_no_delete")
        connection.exec_driver_sql("delete from efd_version where property = ''")
    with pytest.raises(EfdValuesDiffer, match="2 rows"):
        compare.execute(context)


def test_what_comes_before_a_publication_that_was_changed_travels(made, context):
    make(context, plan(context)[0])
    with made.world.ledger.transaction() as connection:
        connection.exec_driver_sql("drop trigger efd_version_no_update")
        connection.exec_driver_sql(
            "update efd_version set samples = '{}' where publication_from = 2"
        )
    send = steps.SendPublications(task_id="s")
    with pytest.raises(EfdValuesDiffer, match="publications 2 to 2"):
        send.execute(context)
    made.deliver()
    load = steps.LoadPublications(task_id="l", endpoint="frdf")
    assert load.execute(context)["loaded"] == 1


@pytest.mark.parametrize("away", ["frdf", "ukdf"])
def test_a_database_that_is_away_hides_no_other_that_differs(made, context, monkeypatch, away):
    make(context, plan(context)[0])
    files = SqlPublicationFiles(made.world.ledger)
    for each in files.unwritten():
        SqlEndpoint(made.there).load(files.write(each), "file")

    def open_values(_settings, endpoint, _actor):
        if endpoint == away:
            raise LedgerUnavailable.for_cause("no route", endpoint)
        return SqlEndpoint(made.there), SqlHashes(made.there)

    monkeypatch.setattr(efd_wiring, "open_efd_values", open_values)
    at_noon = dt.datetime(2026, 11, 22, 13, tzinfo=dt.UTC).isoformat()
    compare = steps.CompareValues(task_id="c", end=at_noon, endpoints=["frdf", "ukdf"])
    with pytest.raises(LedgerUnavailable, match="published values"):
        compare.execute(context)
    with made.there.transaction() as connection:
        connection.exec_driver_sql("drop trigger efd_version_no_delete")
        connection.exec_driver_sql("delete from efd_version where property = ''")
    with pytest.raises(EfdValuesDiffer, match="2 rows"):
        compare.execute(context)


@pytest.mark.usefixtures("made")
def test_what_an_installation_or_an_hour_does_not_have_is_skipped(context):
    with pytest.raises(AirflowSkipException):
        steps.LoadPublications(task_id="l", endpoint="ukdf").execute(context)
    with pytest.raises(AirflowSkipException):
        steps.CompareValues(task_id="c", end=SPAN["end"], endpoints=["frdf"]).execute(context)


def test_a_refused_interval_is_accepted_by_the_runs_parameters(made, context):
    made.source.write(MOUNT, to_ns(BEGIN + HOUR) + 110_500_000_000, azimuth0=1e6, private_seqNum=9)
    made.extract(0, 3)
    made.transform()
    assert plan(context) == []
    (chunk,) = plan(context, NAME)
    assert make(context, chunk)[1]["same"] == 1
    assert make(context, chunk, NAME, "it was a test")[1]["published"] == 1
    with pytest.raises(UnknownItem):
        plan(context, "LATISS/yesterday")
    context["params"]["accept_reason"] = ""
    with pytest.raises(DecisionImpossible, match="accept_reason"):
        plan(context, NAME)


def test_what_differs_by_run_is_a_template():
    assert set(steps.PlanIntervals.template_fields) == {"begin", "end", "accept_interval"}
    assert "accept_reason" in steps.MakeIntervals.template_fields
    assert steps.CompareValues.template_fields == ("end",)


def test_the_real_ports_can_be_opened_and_every_configuration_can_be_made(tmp_path):
    from dbb.settings import Settings

    (tmp_path / "store").mkdir()
    settings = Settings.load(
        environment={
            "DBB_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
            "DBB_STORE_USDF": (tmp_path / "store").as_uri(),
            "DBB_EFD_VALUES_FRDF": f"sqlite:///{tmp_path}/frdf.db",
        }
    )
    base_wiring.open_ledger(settings, "test").migrate()
    assert set(efd_wiring.open_efd_transform(settings, "test")) == set(settings.raw.instruments)
    target, there = efd_wiring.open_efd_values(settings, "frdf", "test")
    assert (target.last(), there.last()) == (0, 0)
    assert efd_wiring.open_efd_intervals(settings, "test").unsettled("LSSTCam") == []
    assert efd_wiring.open_efd_files(settings, "test").unwritten() == []
