"""Rucio, the EFD, Airflow and its queue behind TLS."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from urllib.parse import urlsplit

import pytest

from dbb.cli.exits import Exit
from dbb.errors import EfdUnavailable
from dbb.hooks.airflow_rest import AirflowRest
from dbb.hooks.doctor import probe_airflow
from dbb.hooks.influx import Influx
from dbb.settings import Settings
from integration.conftest import ROOT
from sandbox.allotted import Allotted
from sandbox.influx import Influx as InfluxServer
from sandbox.layout import Layout
from sandbox.render_config import render
from sandbox.services.redis import Redis
from support.certificates import NO_AUTHORITY, tls_before


def port_of(url):
    return urlsplit(url).port


def run_python(program, environment, *words):
    """Run a program in a process of its own; give its exit code and all that it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/plugins:{ROOT}/include", **environment},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@contextlib.contextmanager
def running(service):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it outlives the call that starts it
        service.start()
    yield
    service.stop()


ASK_RUCIO = """
from dbb.hooks.doctor import probe_rucio
from dbb.settings import Settings
from dbb.wiring.base import rucio_login
print(probe_rucio(**rucio_login(Settings.load()), rses=set()))
"""


@pytest.mark.sandbox
def test_rucio_is_reached_by_verified_tls_or_not_at_all(sandbox, ours, theirs, tmp_path):
    with tls_before(port_of(sandbox.env["DBB_RUCIO_HOST"]), ours.certify("localhost")) as port:
        env = {**sandbox.env, "DBB_RUCIO_HOST": f"https://localhost:{port}"}
        config = tmp_path / "rucio.cfg"
        config.write_text(f"[client]\nca_cert = {ours.file}\n")
        for believed, is_good in (
            ({"REQUESTS_CA_BUNDLE": str(ours.file)}, True),
            ({"RUCIO_CONFIG": str(config), "REQUESTS_CA_BUNDLE": str(theirs.file)}, True),
            ({"REQUESTS_CA_BUNDLE": str(theirs.file)}, False),
        ):
            code, told = run_python(ASK_RUCIO, {**env, **believed})
            if is_good:
                assert "knows us as dbb" in told
            else:
                assert code != 0
                assert f"catalog-unavailable: There is no safe connection: {NO_AUTHORITY}" in told
                assert "Name the file of its authority by REQUESTS_CA_BUNDLE or ca_cert" in told


def test_the_efd_is_reached_by_verified_tls_or_not_at_all(ours, theirs, believe, tmp_path_factory):
    layout = Layout(ROOT, tmp_path_factory.mktemp("influx"))
    layout.make()
    server = InfluxServer(layout, Allotted.load(layout.allotted_file))
    if server.missing():
        pytest.skip(server.missing())
    with (
        running(server),
        tls_before(server.port(), ours.certify("localhost")) as port,
        contextlib.closing(Influx(f"https://localhost:{port}", "efd")) as influx,
    ):
        believe(ours)
        (series,) = influx.query("show databases")
        assert series.columns == ["name"]
        believe(theirs)
        with pytest.raises(EfdUnavailable, match=f"no safe connection: {NO_AUTHORITY}"):
            list(influx.query("show databases"))


ASK_FOR_TASKS = """
from airflow.sdk.api.client import Client
print(Client(base_url=URL, token="").get("health/ping").text)
"""


@pytest.mark.sandbox
@pytest.mark.airflow
def test_airflow_is_reached_by_verified_tls_or_not_at_all(
    sandbox_airflow, dbb, ours, theirs, believe, tmp_path
):
    there = port_of(sandbox_airflow.env["DBB_AIRFLOW_URL"])
    with tls_before(there, ours.certify("localhost")) as port:
        url = f"https://localhost:{port}"
        env = {**sandbox_airflow.env, "DBB_AIRFLOW_URL": url}
        believe(theirs)
        for words in (("catchup", "status"), ("maintenance", "drain", "--reason", "a test")):
            code, error = dbb(env, *words)
            assert code == Exit.UNREACHABLE
            assert error["code"] == "airflow-unavailable"
            assert error["message"] == f"There is no safe connection: {NO_AUTHORITY}."
            assert "REQUESTS_CA_BUNDLE" in error["next_action"]
        believe(ours)
        code, error = dbb(env, "catchup", "status")
        assert error is None or error["code"] == "unknown-item"  # there may be no backfill
        assert dbb(env, "maintenance", "resume") == (Exit.WELL, None)
        assert "scheduler" in probe_airflow(url)
        assert AirflowRest.of(Settings.load(environment=env)).dags()
        # What a worker's tasks ask by is a client of Airflow's own, with a setting of its own.
        program = f"URL = {url + '/execution/'!r}{ASK_FOR_TASKS}"
        for authority, words in ((ours, '"ok":['), (theirs, NO_AUTHORITY)):
            settings = {
                "AIRFLOW_HOME": str(tmp_path),
                "AIRFLOW__API__SSL_CA_FILE": str(authority.file),
                "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "1",
            }
            _, told = run_python(program, settings)
            assert words in told


ASK_QUEUE = """
import sys
from celery import Celery
from kombu.exceptions import OperationalError
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
app = Celery()
app.config_from_object(DEFAULT_CELERY_CONFIG)
for url in (app.conf.broker_url, *sys.argv[1:]):
    with app.connection_for_write(url) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            print("reached")
        except OperationalError as error:
            print(str(error).replace(chr(10), " "))
"""


def test_celerys_queue_is_reached_by_verified_tls_or_not_at_all(ours, theirs, tmp_path_factory):
    layout = Layout(ROOT, tmp_path_factory.mktemp("redis"))
    layout.make()
    redis = Redis(layout, Allotted.load(layout.allotted_file))
    if redis.missing():
        pytest.skip(redis.missing())
    home = layout.state
    values = {
        "DBB_AIRFLOW_DAGS_FOLDER": f"{ROOT}/dags", "DBB_AIRFLOW_PLUGINS_FOLDER": f"{ROOT}/plugins",
        "DBB_AIRFLOW_SECRETS_DIR": str(home), "DBB_AIRFLOW_CFG_DIR": str(home),
        "DBB_AIRFLOW_URL": "https://localhost", "DBB_AIRFLOW_EXECUTOR": "CeleryExecutor",
    }  # fmt: skip
    template = (ROOT / "airflow.cfg.template").read_text()
    (home / "airflow.cfg").write_text(render(template, values))
    for secret in ("fernet_key", "secret_key", "jwt_secret"):
        (home / secret).write_text("")
    (home / "sql_alchemy_conn").write_text(f"sqlite:///{home}/airflow.db")
    (home / "celery_result_backend").write_text(f"db+sqlite:///{home}/results.db")
    with running(redis), tls_before(redis.port(), ours.certify("localhost")) as port:
        address = f"rediss://:{redis.password}@{{}}:{port}/0"
        told = f"{address}?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={{}}"
        (home / "celery_broker_url").write_text(told.format("localhost", ours.file))
        others = [told.format("localhost", theirs.file), told.format("127.0.0.1", ours.file)]
        code, said = run_python(
            ASK_QUEUE, {"AIRFLOW_HOME": str(home)}, *others, address.format("localhost")
        )
    assert code == 0, said
    lines = [line for line in said.splitlines() if line == "reached" or "SSL" in line]
    assert lines[0] == "reached"
    assert NO_AUTHORITY in lines[1]
    assert "certificate is not valid for '127.0.0.1'" in lines[2]
    assert (
        "insecure SSL" in said
    )  # an address that asks for no certificate gets none: told, and done
