"""A night by Airflow itself at DEBUG to a facility on S3: its key is in a secrets backend, and stays there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from integration.conftest import ROOT, RunningSandbox
from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.night import DAG, Night
from support.canary_secrets import (
    found_in_database,
    found_in_files,
    found_in_text,
    secrets_of,
)
from support.dag_runs import Runs
from support.held_dags import paused

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(1800)]

PROFILE = "LSST_RESOURCES_S3_PROFILE_frdf_store"
NIGHT, UNIT = "20261101", "MC_O_20261101_000001"


@pytest.fixture(scope="module")
def sandbox_on_s3(tmp_path_factory):
    sandbox = RunningSandbox(tmp_path_factory.mktemp("s3-airflow"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBB_AIRFLOW_LOG_LEVEL", "DEBUG")
        try:
            sandbox.command("up", "--s3", "FRDF")
            with paused(sandbox, "efd_etl"):  # its hours since yesterday take half of the machine
                yield sandbox
        finally:
            sandbox.command("down")


@pytest.fixture(scope="module")
def layout(sandbox_on_s3):
    return Layout(root=ROOT, state=sandbox_on_s3.state)


@pytest.fixture(scope="module")
def secrets(sandbox_on_s3, layout):
    """Give every secret of the sandbox, those that Airflow reads from files among them."""
    found = Allotted.load(layout.allotted_file).secrets | secrets_of(sandbox_on_s3.env)
    key = (layout.data("airflow") / "secrets" / "fernet_key").read_text()
    assert PROFILE in found
    assert len(found) > 20
    return found | {"fernet key": key}


@pytest.fixture(scope="module")
def told_of_the_night(sandbox_on_s3):
    night = ("night", "--day-obs", NIGHT, "--exposures", "1", "--pixels", "16")
    return sandbox_on_s3.command(*night)


def test_a_night_is_published_from_the_bucket_by_a_key_that_only_the_backend_has(
    sandbox_on_s3, layout, told_of_the_night
):
    assert told_of_the_night.count("released\tpublished\tpublished") == 2  # one a camera
    where = sandbox_on_s3.command("env", "./dbb", "where", UNIT)
    assert "/frdf/store/raw/LSSTCam/20261101/" in where
    process = json.loads(layout.run_file("airflow-scheduler").read_text())["pid"]
    environment = Path(f"/proc/{process}/environ").read_bytes()
    assert b"DBB_STORE_FRDF=s3://frdf_store@" in environment
    for name in (b"AIRFLOW_CONN_", b"LSST_RESOURCES_S3_PROFILE", b"AWS_SECRET"):
        assert name not in environment
    told = {"backends": "backend_classes=['LocalFilesystemBackend'", "key": "conn_id='frdf_store'"}
    assert ("backends", str(layout.log("airflow-scheduler"))) in found_in_files(
        layout.log("airflow-scheduler").parent, told
    )
    used = found_in_files(layout.data("airflow") / "logs", told)
    assert any(name == "key" and "publish_at_frdf" in path for name, path in used)


@pytest.mark.usefixtures("told_of_the_night")
def test_a_command_finds_the_same_key_and_its_results_stay_clean(sandbox_on_s3, secrets):
    without_profile = ("env", "env", "-u", PROFILE)
    written = sandbox_on_s3.command(*without_profile, "./dbb", "where", UNIT, "--url", "--json")
    document = json.loads(written)  # nothing that Airflow says at DEBUG is among it
    assert "X-Amz-Signature" in written
    assert document["schema"].startswith("dbb-")
    assert found_in_text(written, secrets) == []


def test_nothing_that_is_written_at_debug_tells_a_secret(
    sandbox_on_s3, layout, secrets, told_of_the_night
):
    runs = Runs(Night(layout, print, NIGHT), DAG)
    refused = runs.end(runs.trigger(day_obs=int(NIGHT), dayobs=1))
    assert refused["look_for_new_exposures"] == "failed"
    assert found_in_text(told_of_the_night, secrets) == []
    logs = layout.data("airflow") / "logs"
    assert found_in_files(logs, {"refused": "unknown-parameter"})
    for folder in (logs, layout.log("airflow-api").parent):
        assert found_in_files(folder, {"debug": '"level":"debug"' if folder == logs else "[debug"})
        assert found_in_files(folder, secrets) == []
    database = make_url(sandbox_on_s3.env["DBB_POSTGRES_URL"]).set(database="airflow")
    engine = create_engine(database)
    with engine.connect() as connection:
        assert found_in_database(connection, secrets) == []
        assert found_in_database(connection, {"unit": UNIT})  # it is read at all
        connection.execute(
            text("insert into variable (key, val, is_encrypted) values ('x', :value, false)"),
            {"value": f"planted {secrets[PROFILE]}"},
        )
        assert (PROFILE, "variable") in found_in_database(connection, secrets)
        connection.rollback()
    engine.dispose()
