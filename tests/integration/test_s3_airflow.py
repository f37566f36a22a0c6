"""A night by Airflow itself to a facility on S3: its key is a connection, and stays one."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
import pytest

from integration.conftest import RunningSandbox

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def sandbox_on_s3(tmp_path_factory):
    sandbox = RunningSandbox(tmp_path_factory.mktemp("s3-airflow"))
    try:
        sandbox.command("up", "--s3", "FRDF")
        yield sandbox
    finally:
        sandbox.command("down")


def test_a_night_is_published_from_the_bucket_and_the_key_is_told_nowhere(sandbox_on_s3):
    sandbox = sandbox_on_s3
    said = sandbox.command("night", "--day-obs", "20261101", "--exposures", "1", "--pixels", "16")
    assert said.count("released\tpublished\tpublished") == 2  # summit, usdf, frdf: one a camera
    where = sandbox.command("env", "./dbb", "where", "MC_O_20261101_000001")
    assert "/frdf/store/raw/LSSTCam/20261101/" in where
    url = sandbox.command("env", "./dbb", "where", "MC_O_20261101_000001", "--url")
    secret = urlsplit(sandbox.env["LSST_RESOURCES_S3_PROFILE_frdf_store"]).password
    assert secret
    for text in (said, where, url):
        assert secret not in text
    logs = [path for folder in ("airflow", "logs") for path in (sandbox.state / folder).rglob("*")]
    task_logs = [path for path in logs if path.is_file() and "publish_at_frdf" in str(path)]
    assert task_logs
    for path in logs:
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    address = sandbox.env["DBB_POSTGRES_URL"].replace("+psycopg", "").rpartition("/")[0]
    with psycopg.connect(f"{address}/airflow") as connection:
        kept = {
            table: connection.execute(f"SELECT {table}::text FROM {table}").fetchall()  # noqa: S608
            for table in ("xcom", "rendered_task_instance_fields", "log", "task_instance")
        }
    assert kept["xcom"]
    for table, rows in kept.items():
        assert not any(secret in row for (row,) in rows), table
