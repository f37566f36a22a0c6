"""The EFD's DAG as Airflow runs it, over a real InfluxDB: an hour is in the archive afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from dbb.model.day_obs import DayObs
from dbb.model.efd import HOUR, CellState
from dbb.settings import Settings
from dbb.wiring import open_backbone, open_efd_extraction, open_ledger
from sandbox.allotted import Allotted
from sandbox.influx import Influx as InfluxServer
from sandbox.layout import Layout
from sandbox.synthetic_efd import EfdNight, make_database, write_night

ROOT = Path(__file__).resolve().parents[2]
DAG = "efd_archive"
MOUNT = "lsst.sal.MTMount.encoder"


@pytest.fixture
def night(tmp_path):
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
        night = EfdNight(DayObs(20261121), scale=0.02, hours=2)
        write_night(night, server.url(), "efd")
        (tmp_path / "store").mkdir()
        yield (
            night,
            {
                **os.environ,
                "AIRFLOW_HOME": str(tmp_path),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
                "DBB_EFD_URL": server.url(),
                "DBB_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
                "DBB_STORE_USDF": (tmp_path / "store").as_uri(),
                "PYTHONPATH": str(ROOT / "plugins"),
            },
        )
    finally:
        server.stop()


def airflow(env, *words):
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words],
        env=env, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_run_of_the_dag_archives_its_hour(night):
    night, env = night
    settings = Settings.load(environment=env)
    open_ledger(settings, "test").migrate()
    airflow(env, "db", "migrate")
    airflow(env, "pools", "set", "raw", "4", "as the project's")
    end = night.begin + HOUR
    airflow(env, "dags", "test", DAG, end.isoformat())  # the interval that ends then
    ledger = open_ledger(settings, "test")
    efd = open_efd_extraction(settings, open_backbone(settings, "test"), "test")
    found = {cell.topic: cell for cell in efd.cells.cells(efd.names, night.begin, end)}
    assert set(found) == set(night.known)
    assert found[MOUNT].state is CellState.EXTRACTED
    (file,) = efd.cells.current(MOUNT, night.begin, end)
    assert file.rows == 1440
    assert (Path(efd.store.url.removeprefix("file://")) / "files" / file.name).is_file()
    delivery = ledger.deliveries([file.unit])[file.unit, "usdf"]
    assert str(delivery.state) == "verified"  # `parcel_transfer` goes on
    assert dict(file.notes) == {}
