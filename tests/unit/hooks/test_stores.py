"""Stores are opened by URL, and a URL that means nothing is refused."""

from __future__ import annotations

import pytest

from dbb.errors import PolicyUnreadable
from dbb.hooks.posix_store import PosixStore
from dbb.hooks.s3_store import S3Store
from dbb.hooks.stores import open_store


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.parametrize("url", ["file:///data/usdf", "file:///data/two%20words"])
def test_a_file_url_is_a_folder(url: str) -> None:
    store = open_store(url)
    assert isinstance(store, PosixStore)
    assert store.url == url


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/prefix"])
def test_an_s3_url_is_a_bucket_and_a_prefix(url: str) -> None:
    store = open_store(url)
    assert isinstance(store, S3Store)
    assert store.url == url
    assert open_store(url + "/").url == url


def test_the_endpoint_of_lsst_resources_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:9")
    store = open_store("s3://bucket")
    assert isinstance(store, S3Store)
    assert store.client.meta.endpoint_url == "http://127.0.0.1:9"


def test_checksums_and_retries_do_not_depend_on_anybodys_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store = open_store("s3://bucket")
    assert isinstance(store, S3Store)
    config = store.client.meta.config
    assert config.request_checksum_calculation == "when_supported"
    assert config.response_checksum_validation == "when_supported"
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/data",
        "file://host/data",
        "file:data",
        "http://a/b",
        "s3://",
        "s3:///a",
        "file:///a?b",
        "file:///a#b",
        "s3://conn@/a",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(PolicyUnreadable):
        open_store(url)
