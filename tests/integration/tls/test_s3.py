"""Stores and Butler's datastore on an S3 behind TLS."""

from __future__ import annotations

import json
import os

import pytest

from dbb.errors import StoreUnavailable
from dbb.hooks.butler_files import find_missing
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.instruments import load_instruments
from dbb.hooks.stores import open_store
from support.certificates import NO_AUTHORITY, tls_before
from support.conformance_store import read, write


@pytest.fixture
def s3_over_tls(s3_server, s3_bucket, ours, monkeypatch):
    """Give a bucket whose server has a certificate of `localhost`."""
    with tls_before(s3_server.port(), ours.certify("localhost")) as port:
        for variable in ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL"):
            monkeypatch.setenv(variable, f"https://localhost:{port}")
        yield s3_bucket


def test_stores_and_butlers_datastore_are_reached_by_verified_tls_or_not_at_all(
    s3_over_tls, s3_server, ours, theirs, believe, monkeypatch, tmp_path
):
    from lsst.daf.butler import Butler, DatasetType

    believe(ours)
    store = open_store(f"s3://{s3_over_tls}/raw")
    data = os.urandom(9_000_000)
    write(store, "a.zip", data)
    assert read(store, "a.zip", cold=True) == data
    root, instruments = str(tmp_path / "butler"), [load_instruments()["LSSTCam"]]
    create_repository(root, instruments, datastore_root=f"s3://{s3_over_tls}/butler/")
    with Butler.from_config(root, writeable=True, run="u/test") as butler:
        kind = DatasetType(
            "notes", ("instrument",), "StructuredDataDict", universe=butler.dimensions
        )
        butler.registry.registerDatasetType(kind)
        butler.put({"seeing": 0.7}, "notes", instrument="LSSTCam")
        assert butler.get("notes", instrument="LSSTCam") == {"seeing": 0.7}
    with tls_before(s3_server.port(), theirs.certify("localhost")) as port:
        monkeypatch.setenv("S3_ENDPOINT_URL", f"https://localhost:{port}")
        store = open_store(f"s3://{s3_over_tls}/raw")
        looks = (
            lambda: write(store, "b.zip", b"b"),
            lambda: read(store, "a.zip"),
            lambda: find_missing([f"s3://{s3_over_tls}/raw/a.zip"]),  # as bundles are taken in
        )
        for look in looks:
            with pytest.raises(StoreUnavailable, match=f"no safe connection: {NO_AUTHORITY}") as no:
                look()
            assert "AWS_CA_BUNDLE" in no.value.next_action


def test_a_connection_of_airflow_may_name_an_authority_of_its_own(
    s3_over_tls, s3_server, ours, theirs, believe, monkeypatch, tmp_path
):
    believe(theirs)
    clients = s3_server.environment_of_clients()
    connection = {
        "conn_type": "aws",
        "login": clients["AWS_ACCESS_KEY_ID"],
        "password": clients["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": os.environ["S3_ENDPOINT_URL"], "verify": str(ours.file)},
    }
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_TLS_STORE", json.dumps(connection))
    monkeypatch.setenv("LSST_RESOURCES_S3_PROFILE_tls_store", "")  # goes with the test
    store = open_store(f"s3://tls_store@{s3_over_tls}/raw")
    write(store, "a.zip", b"a")
    assert read(store, "a.zip") == b"a"
