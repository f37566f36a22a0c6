"""The Consolidated Database on PostgreSQL keeps the promises of every database, and is quick."""

from __future__ import annotations

import time
import uuid

import pytest
from sqlalchemy import create_engine, make_url, text

from dbb.cli.exits import Exit
from dbb.cli.main import main
from dbb.errors import ViewsRefused
from dbb.hooks.consdb.views import make_views
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.model.efd_values import EfdRow
from support.conformance_consdb import *  # noqa: F403
from support.conformance_consdb_rules import *  # noqa: F403
from support.conformance_exposures_carried import *  # noqa: F403
from support.consdb_night import NIGHT, observation, rows, scalar
from support.fake_clock import FixedClock
from support.telemetry import NOON, column, config_of

pytestmark = pytest.mark.sandbox

WIND = "mt_salindex301_airflow_speed_mean"
QUERY = f"""
select e.exposure_name, t.{WIND}
from cdb_lsstcam.exposure e
join efd_lsstcam.exposure_efd t on t.exposure_id = e.exposure_id
where e.day_obs = 20261121 and e.band = 'r' and t.{WIND} > 10
"""  # noqa: S608


@pytest.fixture(scope="module")
def database(sandbox):
    """Give the address of a database of this module's own."""
    admin = make_url(sandbox.env["DBB_POSTGRES_URL"])
    name = f"consdb_{uuid.uuid4().hex[:12]}"
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    yield admin.set(database=name)
    with engine.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    engine.dispose()


@pytest.fixture
def ledger(database):
    engine = open_engine(database.render_as_string(hide_password=False))
    with engine.begin() as connection:
        for schema in ("cdb_lsstcam", "efd_lsstcam", "efd_latiss", "dbb"):
            connection.execute(text(f"drop schema if exists {schema} cascade"))
    ledger = SqlLedger(engine, FixedClock(), "test")
    ledger.migrate()
    yield ledger
    engine.dispose()


def test_a_users_query_over_both_answers_as_of_a_publication(ledger):
    config = config_of(column(WIND), instrument="LSSTCam")
    row = EfdRow(NIGHT.value * 100000 + 1, NIGHT.value, 1, "", {WIND: 12.0})
    ledger.observe([observation(1)])
    SqlPublished(ledger).publish(config, NOON, NOON, [row])
    ledger.observe([observation(1, physical_filter="g_6")])  # the header had been read wrongly
    with ledger.transaction() as connection:
        assert connection.execute(text(QUERY)).all() == []
        connection.execute(text("set local dbb.efd_publication = '2'"))
        assert [tuple(row) for row in connection.execute(text(QUERY))] == [
            ("MC_O_20261121_000001", 12.0)
        ]
        connection.execute(text("set local dbb.efd_publication = '1'"))
        assert connection.execute(text(QUERY)).all() == []  # telemetry had not come


def make_views_as(ledger, role):
    with ledger.transaction() as connection:
        connection.execute(text(f"set local role {role}"))
        make_views(connection, "LSSTCam")


def test_views_that_the_database_refuses_have_a_code_and_nothing_is_changed(
    ledger, database, capsys
):
    ledger.observe([observation(1)])
    with ledger.transaction() as connection:
        connection.execute(text("create view public.mine as select * from cdb_lsstcam.exposure"))
    count = "select count(*) from pg_views where schemaname = 'cdb_lsstcam'"
    there = scalar(ledger, count)
    env = {"DBB_LEDGER_URL": database.render_as_string(hide_password=False)}
    assert main(["consdb", "views"], env) == Exit.MISCONFIGURED
    said = capsys.readouterr().err
    assert "views-refused" in said
    assert "mine depends on view cdb_lsstcam.exposure" in said
    assert scalar(ledger, count) == there
    with ledger.transaction() as connection:
        connection.execute(text("drop view public.mine"))
    with pytest.raises(ViewsRefused, match="permission denied"):
        make_views_as(ledger, "pg_monitor")
    assert scalar(ledger, count) == there


def test_a_night_among_ten_of_a_thousand_exposures_is_answered_and_checked_in_seconds(ledger):
    lay_nights(ledger, nights=10, exposures=1000)
    begun = time.monotonic()
    found = rows(ledger, QUERY)
    joined_s = time.monotonic() - begun
    assert len(found) == 501
    assert joined_s < 5
    begun = time.monotonic()
    assert broken(ledger, SqlConsdb(ledger)) == set()  # noqa: F405
    checked_s = time.monotonic() - begun
    print(f"join {joined_s:.2f} s, nine rules {checked_s:.2f} s")  # noqa: T201 - the figures
    assert checked_s < 60


def lay_nights(ledger, nights: int, exposures: int) -> None:
    """Copy one exposure with its 205 detectors and 471 values in SQL: quicker than a flow could."""
    config = config_of(
        *(column(f"c{number}_mean") for number in range(470)), column(WIND), instrument="LSSTCam"
    )
    values = {each.name: 12.0 for each in config.columns}
    ledger.observe([observation(1)])
    SqlPublished(ledger).publish(
        config, NOON, NOON, [EfdRow(NIGHT.value * 100000 + 1, NIGHT.value, 1, "", values)]
    )
    with ledger.transaction() as connection:
        for table in ("consdb_exposure_version", "consdb_member_version", "efd_version"):
            names = [
                row.column_name
                for row in connection.execute(
                    text(
                        "select column_name from information_schema.columns "
                        "where table_schema = 'dbb' and table_name = :table"
                    ),
                    {"table": table},
                )
            ]
            change = {
                "exposure_id": "(20261121 - night) * 100000::bigint + number",
                "day_obs": "20261121 - night",
                "seq_num": "number",
                "band": "case when number % 2 = 0 then 'r' else 'g' end",
                "exposure_name": "'MC_O_' || (20261121 - night) || '_' || lpad(number::text, 6, '0')",
            }
            cells = ", ".join(change.get(name, name) for name in names)
            connection.execute(
                text(
                    f"insert into {table} ({', '.join(names)}) select {cells} from {table}, "  # noqa: S608
                    "generate_series(0, :nights - 1) night, generate_series(2, :exposures + 1) number"
                ),
                {"nights": nights, "exposures": exposures},
            )
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze"))
