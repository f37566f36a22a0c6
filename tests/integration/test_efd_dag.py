"""The EFD's DAG as Airflow runs it, over a real InfluxDB and PostgreSQL: an hour is archived, and its exposures have values."""

from __future__ import annotations

import datetime as dt
import math
import os
import subprocess
import sys
import uuid
import warnings
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from dbb.flows.efd_archiving import expect_hours, extract_open_cells
from dbb.hooks.efd.published import SqlPublished
from dbb.model.day_obs import TAI_MINUS_UTC, DayObs
from dbb.model.efd import HOUR, CellState, to_ns
from dbb.settings import Settings
from dbb.wiring import (
    SystemClock,
    open_backbone,
    open_efd_extraction,
    open_efd_intervals,
    open_ledger,
)
from sandbox.allotted import Allotted
from sandbox.influx import Influx as InfluxServer
from sandbox.layout import Layout
from sandbox.synthetic_efd import EfdNight, make_database, write_lines, write_night
from support.conformance_published import facts, lay_exposures

pytestmark = pytest.mark.sandbox

ROOT = Path(__file__).resolve().parents[2]
DAG = "efd_etl"
MOUNT = "lsst.sal.MTMount.encoder"
SENT = (
    MOUNT,
    "lsst.sal.ESS.airFlow",
    "lsst.sal.MTPtg.mountPosition",
    "lsst.sal.MTAOS.logevent_m1m3Correction",
)
"""The topics that the source has; of the others it knows nothing."""


@pytest.fixture
def database(sandbox):
    """Give the address of a database of this test's own."""
    admin = make_url(sandbox.env["DBB_POSTGRES_URL"])
    name = f"efd_{uuid.uuid4().hex[:12]}"
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    yield admin.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    engine.dispose()


@pytest.fixture
def night(tmp_path, database):
    """Give a night that is in a server, and the environment that Airflow needs to extract it."""
    layout = Layout(ROOT, tmp_path / "state")
    layout.make()
    server = InfluxServer(layout, Allotted.load(layout.allotted_file))
    if server.missing():
        pytest.skip(server.missing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it outlives the call that starts it
        server.start()
    try:
        make_database(server.url(), "efd")
        night = EfdNight(DayObs(20261121), scale=0.2, hours=2, topics=SENT)
        write_night(night, server.url(), "efd")
        for name in ("store", "frdf"):
            (tmp_path / name).mkdir()
        yield (
            night,
            {
                **os.environ,
                "AIRFLOW_HOME": str(tmp_path),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
                "DBB_EFD_URL": server.url(),
                "DBB_LEDGER_URL": database,
                "DBB_EFD_VALUES_FRDF": f"sqlite:///{tmp_path}/frdf.db",
                "DBB_STORE_FRDF": (tmp_path / "frdf").as_uri(),
                "DBB_STORE_USDF": (tmp_path / "store").as_uri(),
                "PYTHONPATH": str(ROOT / "plugins"),
            },
        )
    finally:
        server.stop()


def airflow(env, *words):
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words],
        env=env, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def lay(ledger, night):
    """Have the exposures of a night in the ledger, as the raw flow leaves them."""
    many = []
    for each in night.exposures():
        made = facts(each.exposure_id % 100_000, 0.0)
        begin = (each.begin + TAI_MINUS_UTC).replace(tzinfo=None)
        values = {name: getattr(made, name) for name in made.__slots__}
        changes = {"instrument": "LSSTCam", "begin_tai": begin, "exposure_id": each.exposure_id}
        many.append(
            type(made)(**{**values, **changes, "end_tai": begin + dt.timedelta(seconds=30)})
        )
    lay_exposures(ledger, *many)


def mean_of(series, field, exposure):
    """Work out a mean with both ends of the exposure included, one value after the other."""
    lower, upper = to_ns(exposure.begin), to_ns(exposure.end)
    rows = zip(series.time_ns.tolist(), series.columns[field].tolist(), strict=True)
    inside = [value for time, value in rows if lower <= time <= upper]
    return math.fsum(inside) / len(inside)


def test_a_run_of_the_dag_archives_its_hour_and_publishes_values(night):
    night, env = night
    settings = Settings.load(environment=env)
    ledger = open_ledger(settings, "test")
    ledger.migrate()
    lay(ledger, night)
    airflow(env, "db", "migrate")
    airflow(env, "pools", "set", "raw", "4", "as the project's")
    efd = open_efd_extraction(settings, open_backbone(settings, "test"), "test")
    middle, end = night.begin + HOUR, night.begin + 2 * HOUR
    expect_hours(efd, night.begin, middle)  # the hour before was archived by an earlier run
    extract_open_cells(efd, night.begin, middle, limit=HOUR)
    ended = (end + dt.timedelta(minutes=10)).isoformat()
    airflow(env, "dags", "test", DAG, ended)  # the interval that ended six minutes after the hour

    found = {cell.topic: cell for cell in efd.cells.cells(efd.names, middle, end)}
    assert set(found) == set(efd.topics)
    assert found[MOUNT].state is CellState.EXTRACTED
    (file,) = efd.cells.current(MOUNT, middle, end)
    assert (Path(efd.store.url.removeprefix("file://")) / "files" / file.name).is_file()
    delivery = ledger.deliveries([file.unit])[file.unit, "usdf"]
    assert str(delivery.state) == "verified"  # `parcel_transfer` goes on

    known = open_efd_intervals(settings, "test").intervals("LSSTCam", night.begin, end)
    # the first hour's look-back reaches before the first hour that anybody archived
    assert [(str(each.state), each.code) for each in known] == [
        ("waiting", "efd-not-extracted"),
        ("published", ""),
    ]
    published = SqlPublished(ledger, SystemClock())
    values = published.values("LSSTCam", 20261121)
    exposures = [each for each in night.exposures() if middle <= each.end < end]
    assert sorted(values) == [each.exposure_id for each in exposures]
    mount = night.of_topic(MOUNT)
    for each in exposures:
        found = values[each.exposure_id][""]["mt_azimuth_encoder_absolute_position_0_mean"]
        right = mean_of(mount, "azimuthEncoderAbsolutePosition0", each)
        assert found == pytest.approx(right, abs=1e-9)
    # its file is on its way to the other endpoints
    with ledger.transaction() as connection:
        rows = connection.execute(text("select unit, state from efd_values_file")).all()
    assert [row.state for row in rows] == ["sealed"]
    assert str(ledger.deliveries([rows[0].unit])[rows[0].unit, "usdf"].state) == "verified"

    # a late point, and the same run again: one exposure has a new version, and nothing else has
    late = to_ns(exposures[3].begin) + 1_234_567_000
    write_lines(
        env["DBB_EFD_URL"],
        "efd",
        f"{MOUNT} azimuthEncoderAbsolutePosition0=3.5,private_seqNum=999999i {late}",
    )
    airflow(env, "dags", "test", DAG, ended)
    assert published.last() == 2
    with ledger.transaction() as connection:
        number = connection.execute(
            text("select exposures from efd_publication where publication_id = 2")
        )
        assert number.scalar_one() == 1
    assert published.values("LSSTCam", 20261121, 1) == values
