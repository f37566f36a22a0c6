"""Where the key of an S3 store comes from, and for how long a busy server is waited for."""

from __future__ import annotations

import types

import pytest

from dbb.errors import SettingMissing
from dbb.hooks import s3_client
from dbb.hooks.s3_client import ATTEMPTS, LONGEST_WAIT_S, client_of, wait_asked_for

PROFILE = "LSST_RESOURCES_S3_PROFILE_frdf_store"


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", PROFILE):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def key_of(client):
    return client._request_signer._credentials.get_frozen_credentials()[:2]


def test_a_profile_gives_the_key_and_the_address_as_lsst_resources_reads_them(monkeypatch):
    monkeypatch.setenv(PROFILE, "https://me:a%2Fb@s3.example.org:8443")
    client = client_of("frdf_store")
    assert key_of(client) == ("me", "a/b")
    assert client.meta.endpoint_url == "https://s3.example.org:8443"


def test_a_profile_without_a_key_has_it_in_the_aws_files(monkeypatch, environment):
    (environment / "credentials").write_text(
        "[frdf_store]\naws_access_key_id = filed\naws_secret_access_key = key\n"
    )
    monkeypatch.setenv(PROFILE, "https://s3.example.org")
    assert key_of(client_of("frdf_store")) == ("filed", "key")


def test_a_profile_whose_key_is_nowhere_is_misconfigured(monkeypatch):
    monkeypatch.setenv(PROFILE, "https://s3.example.org")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
    with pytest.raises(SettingMissing, match="no key"):
        client_of("frdf_store")


def test_inside_airflow_its_connection_goes_before_the_profile(monkeypatch):
    monkeypatch.setenv(PROFILE, "https://me:key@s3.example.org")
    monkeypatch.setattr(s3_client, "is_inside_airflow", lambda: True)
    monkeypatch.setattr(s3_client, "_client_of_connection", lambda name: f"connection {name}")
    assert client_of("frdf_store") == "connection frdf_store"


@pytest.mark.parametrize("name", ["a-b", "a b", "", "a:b"])
def test_a_name_that_can_be_no_variable_is_refused(name):
    with pytest.raises(SettingMissing, match="letters"):
        client_of(name)


@pytest.mark.parametrize(
    ("status", "asked", "attempts", "wait"),
    [
        (503, "7", 1, 7),
        (429, "0", 1, 0),
        (503, "99999", 1, LONGEST_WAIT_S),
        (503, "7", ATTEMPTS, None),
        (500, "7", 1, None),
        (503, "Wed, 21 Oct 2026 07:28:00 GMT", 1, None),
        (503, "", 1, None),
    ],
)
def test_a_busy_server_is_waited_for_as_it_asks_but_not_for_ever(status, asked, attempts, wait):
    answer = types.SimpleNamespace(status_code=status, headers={"Retry-After": asked})
    assert wait_asked_for((answer, {}), attempts) == wait


def test_no_answer_at_all_is_boto3s_own_affair():
    assert wait_asked_for(None, 1) is None
