"""Keys of S3: each endpoint its own, from Airflow's connections or profiles, and never told."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import urllib.error
from pathlib import Path
from urllib.parse import quote

import pytest

from dbb.errors import SettingMissing
from dbb.hooks.s3_store import S3Store
from dbb.hooks.stores import open_store
from sandbox.seaweedfs import SeaweedFs
from support.conformance_store import fetch, names, read, write

SITES = ("frdf", "chile")


@pytest.fixture(autouse=True)
def no_other_key(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for site in SITES:  # so that what a connection puts there goes with the test
        monkeypatch.setenv(f"LSST_RESOURCES_S3_PROFILE_{site}_store", "")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))


@pytest.fixture
def connections(s3_server: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set an Airflow connection for each site; give the secrets."""
    secrets = {}
    for site in SITES:
        access, secrets[site] = s3_server.site_key(site.upper())
        connection = {
            "conn_type": "aws",
            "login": access,
            "password": secrets[site],
            "extra": {
                "endpoint_url": s3_server.url(),
                "config_kwargs": {"request_checksum_calculation": "when_required"},
            },
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{site.upper()}_STORE", json.dumps(connection))
    return secrets


@pytest.fixture
def profiles(s3_server: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a profile of `lsst.resources` for each site, with no Airflow."""
    for site in SITES:
        access, secret = s3_server.site_key(site.upper())
        address = s3_server.url().replace("http://", f"http://{quote(access)}:{quote(secret)}@")
        monkeypatch.setenv(f"LSST_RESOURCES_S3_PROFILE_{site}_store", address)


def open_s3(site: str, bucket: str = "") -> S3Store:
    store = open_store(f"s3://{site}_store@{bucket or site}/keys")
    assert isinstance(store, S3Store)
    return store


@pytest.mark.parametrize("origin", ["connections", "profiles"])
def test_two_endpoints_are_open_at_once_with_keys_of_their_own(request, origin):
    request.getfixturevalue(origin)
    stores = {site: open_s3(site) for site in SITES}
    for site, store in stores.items():
        write(store, "a", site.encode())
    for site, store in stores.items():
        assert read(store, "a") == site.encode()
    with pytest.raises(SettingMissing, match="AccessDenied"):
        names(open_s3("frdf", "chile"))


@pytest.mark.parametrize("origin", ["connections", "profiles"])
def test_butlers_reader_finds_the_same_keys(request, origin):
    from lsst.resources import ResourcePath

    request.getfixturevalue(origin)
    for site in SITES:
        store = open_s3(site)
        write(store, "a", site.encode())
        assert ResourcePath(store.url_of("a")).read() == site.encode()


def test_a_connection_cannot_switch_checksums_off(connections):  # noqa: ARG001
    config = open_s3("frdf").client.meta.config
    assert config.request_checksum_calculation == "when_supported"
    assert config.response_checksum_validation == "when_supported"


def test_a_connection_that_is_not_there_is_misconfigured_and_nobody_elses_key_is_tried(
    s3_server: SeaweedFs, monkeypatch
):
    for key, value in s3_server.environment_of_clients().items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SettingMissing, match="no Airflow connection"):
        open_store("s3://nobody@frdf/keys")


def test_secrets_are_in_no_log_no_error_and_no_text(connections, caplog, capfd):
    caplog.set_level(logging.DEBUG, logger="airflow")
    caplog.set_level(logging.DEBUG, logger="dbb")
    stores = [open_s3(site) for site in SITES]
    told = [repr(store) + str(vars(store)) + store.url_of("a") for store in stores]
    for store in stores:
        write(store, "a", b"x")
        told.append(store.read_url("a", 60))
    with pytest.raises(SettingMissing) as caught:
        names(open_s3("frdf", "chile"))
    told += [str(caught.value), repr(caught.value.__cause__), caplog.text, *capfd.readouterr()]
    assert "frdf" in "".join(told)
    for secret in connections.values():
        assert secret
        assert not any(secret in text for text in told)


def test_an_address_for_others_ends_when_it_was_said_to(connections):  # noqa: ARG001
    store = open_s3("frdf")
    write(store, "a", b"x")
    valid_s = 4  # of one second the signature's own whole second leaves as good as nothing
    signed_s = time.monotonic()
    url = store.read_url("a", valid_s)
    assert fetch(url) == b"x"
    time.sleep(signed_s + valid_s + 1.1 - time.monotonic())
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(url)
    assert caught.value.code == 403
    caught.value.close()
    tampered = store.read_url("a", 60).replace("/keys/a", "/keys/b")
    write(store, "b", b"secret")
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(tampered)
    assert caught.value.code == 403
    caught.value.close()


CANARY = """
import datetime as dt
from airflow.sdk import DAG
from dbb.operators.sweeping import SweepStore

with DAG("canary", schedule=None, start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC)) as dag:
    SweepStore(task_id="sweep", endpoint="frdf", older_than_s=0)
"""


@pytest.mark.timeout(600)
def test_inside_airflow_the_connection_is_used_and_its_secret_is_kept(
    s3_server: SeaweedFs,
    connections,
    tmp_path,
    request,
):
    """A real task of Airflow, its log, its XCom and its whole database."""
    left = {"Bucket": "frdf", "Key": "airflow/raw/left-behind"}
    s3_server._client().create_multipart_upload(**left)
    root = request.config.rootpath
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "canary.py").write_text(CANARY)
    env = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW__")},
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "PYTHONPATH": str(root / "plugins"),
        "PYTHONWARNINGS": "ignore",
        "DBB_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
        "DBB_STORE_FRDF": "s3://frdf_store@frdf/airflow",
        # Outside of Airflow this would be used, and would be refused.
        "LSST_RESOURCES_S3_PROFILE_frdf_store": s3_server.url().replace("//", "//wrong:wrong@"),
    }
    airflow = Path(sys.executable).with_name("airflow")
    subprocess.run([airflow, "db", "migrate"], env=env, check=True, capture_output=True)
    done = subprocess.run(
        [airflow, "dags", "test", "canary"], env=env, check=False, capture_output=True, text=True
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-3000:]
    assert "state=success" in told
    assert s3_server._client().list_multipart_uploads(Bucket="frdf").get("Uploads", []) == []
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"canary" in kept  # the run is in the database
    for secret in connections.values():
        assert secret not in told
        assert secret.encode() not in kept
