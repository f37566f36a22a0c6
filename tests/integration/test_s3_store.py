"""The S3 store against a real server, SeaweedFS: the common promises, then S3's own troubles."""

from __future__ import annotations

import datetime as dt
import json
import socket
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from dbb.errors import DigestMismatch, MissingCopy, SettingMissing, StoreUnavailable
from dbb.hooks import s3_upload
from dbb.hooks.s3_store import S3Store
from dbb.hooks.stores import open_store
from sandbox.seaweedfs import ACCESS_KEY, SeaweedFs
from support.conformance_store import BIG_BYTES, Boom, StoreConformance, names, read, write

BUCKET = "dbb"


@pytest.fixture
def environment(s3_server: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in s3_server.environment_of_clients().items():
        monkeypatch.setenv(key, value)


@pytest.fixture(scope="module")
def first_store(s3_server: SeaweedFs) -> S3Store:
    """Make the bucket, and a client for all tests that leave it as it is: that takes a while."""
    with pytest.MonkeyPatch.context() as patched:
        for key, value in s3_server.environment_of_clients().items():
            patched.setenv(key, value)
        store = open_store(f"s3://{BUCKET}")
    assert isinstance(store, S3Store)
    store.client.create_bucket(Bucket=BUCKET)
    return store


@pytest.fixture
def store(first_store: S3Store) -> S3Store:
    return S3Store(BUCKET, uuid.uuid4().hex, first_store.client)


@pytest.fixture
def own_store(store: S3Store, environment: None) -> S3Store:  # noqa: ARG001 - it has the address
    """Give a store whose client a test may meddle with."""
    own = open_store(store.url)
    assert isinstance(own, S3Store)
    return own


class TestS3Store(StoreConformance):
    """The promises of every store."""

    gives_urls = True
    sweeps_begun_files = False


class TestMultipart(StoreConformance):
    """The same, with files sent in parts."""

    gives_urls = True

    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_upload, "PART_BYTES", 5 * 1024 * 1024)


def test_the_server_keeps_the_sha256_of_what_was_sent(store: S3Store) -> None:
    write(store, "a", b"hi")
    head = store.client.head_object(Bucket=BUCKET, Key=f"{store.prefix}a", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == "j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqQ="


def test_bytes_that_change_on_the_way_are_refused(own_store: S3Store) -> None:
    def damage(params: dict[str, Any], **_: Any) -> None:
        params["body"] = b"ho"

    own_store.client.meta.events.register("before-call.s3.PutObject", damage)
    with pytest.raises(StoreUnavailable, match="BadDigest"):
        write(own_store, "a", b"hi")
    assert names(own_store) == []


def test_a_server_that_keeps_other_bytes_than_were_sent_is_found_out(own_store: S3Store) -> None:
    def lie(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ChecksumSHA256"] = "j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqR="

    own_store.client.meta.events.register("after-call.s3.PutObject", lie)
    with pytest.raises(DigestMismatch):
        write(own_store, "a", b"hi")


def test_a_completion_whose_answer_was_lost_is_found_again(
    store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 5 * 1024 * 1024)
    complete = store.client.complete_multipart_upload

    def twice(**request: Any) -> Any:
        complete(**request)
        store.client.abort_multipart_upload(
            Bucket=request["Bucket"], Key=request["Key"], UploadId=request["UploadId"]
        )
        return complete(**request)

    monkeypatch.setattr(store.client, "complete_multipart_upload", twice)
    write(store, "a", b"x" * BIG_BYTES)
    assert read(store, "a") == b"x" * BIG_BYTES


@pytest.mark.parametrize("bits", [1, 5])
def test_one_version_is_read_from_beginning_to_end(store: S3Store, bits: int) -> None:
    write(store, "a", b"x" * BIG_BYTES)
    with pytest.raises(StoreUnavailable, match="PreconditionFailed"), store.open("a") as file:  # noqa: PT012
        file.read(bits)
        write(store, "a", b"y" * BIG_BYTES)
        file.seek(-1, 2)
        file.read()


def test_uploads_of_killed_writers_are_never_seen_and_swept_later(store: S3Store) -> None:
    place = {"Bucket": BUCKET, "Key": f"{store.prefix}raw/a"}
    store.client.create_multipart_upload(**place)
    assert names(store) == []
    now = dt.datetime.now(dt.UTC)
    assert store.sweep_parts(now - dt.timedelta(hours=1)) == []
    assert store.sweep_parts(now + dt.timedelta(hours=1)) == ["raw/a"]
    assert store.sweep_parts(now + dt.timedelta(hours=1)) == []


def test_an_abandoned_upload_is_aborted(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", 5 * 1024 * 1024)
    with pytest.raises(Boom), store.create("a") as writer:  # noqa: PT012
        writer.write(b"x" * (6 << 20))
        raise Boom
    assert store.sweep_parts(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)) == []


def test_odd_names_are_listed_read_moved_and_deleted(store: S3Store) -> None:
    odd = ["e\u0301", "two words", "\u00e9", "plus+&?#%"]
    for name in odd:
        store.client.put_object(Bucket=BUCKET, Key=store.prefix + name, Body=b"x")
    assert names(store) == sorted(odd)
    for number, name in enumerate(odd[:2]):
        assert read(store, name) == b"x"
        store.move(name, f"quarantine/{number}")
    store.delete(odd[2:])
    assert names(store) == ["quarantine/0", "quarantine/1"]


def test_more_files_than_one_page_are_all_listed_and_deleted(store: S3Store) -> None:
    expected = [f"m/{number:04d}" for number in range(1005)]

    def put(some: list[str]) -> None:
        for name in some:
            store.client.put_object(Bucket=BUCKET, Key=store.prefix + name, Body=b"")

    threads = [threading.Thread(target=put, args=(expected[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(store) == expected
    store.delete(expected)
    assert names(store) == []


@pytest.mark.usefixtures("environment")
def test_a_missing_bucket_is_said_to_be_missing() -> None:
    store = open_store("s3://no-such-bucket/raw")
    for ask in (lambda: store.stat("a"), lambda: names(store)):
        with pytest.raises(SettingMissing, match="bucket"):
            ask()
    with pytest.raises(SettingMissing, match="bucket"), store.open("a"):
        pass


@pytest.mark.usefixtures("environment")
def test_a_wrong_key_is_misconfigured(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    other = open_store(store.url)
    with pytest.raises(SettingMissing, match="SignatureDoesNotMatch"):
        names(other)
    with pytest.raises(SettingMissing, match="SignatureDoesNotMatch"):
        write(other, "a", b"x")


@pytest.mark.usefixtures("environment")
def test_no_key_at_all_is_misconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SettingMissing, match="key is missing"):
        names(open_store(f"s3://{BUCKET}"))


@pytest.mark.usefixtures("environment")
def test_a_server_that_is_down_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("S3_ENDPOINT_URL", address)
        store = open_store(f"s3://{BUCKET}")
        with pytest.raises(StoreUnavailable):
            store.stat("a")


@pytest.mark.usefixtures("environment")
def test_an_airflow_connection_opens_the_same_store(
    s3_server: SeaweedFs, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "a", b"x")
    own = s3_server.environment_of_clients()
    for variable in own:
        monkeypatch.delenv(variable)
    connection = {
        "conn_type": "aws",
        "login": ACCESS_KEY,
        "password": own["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": own["AWS_ENDPOINT_URL"], "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_USDF_STORE", json.dumps(connection))
    other = open_store(store.url.replace("s3://", "s3://usdf_store@"))
    assert other.url == store.url.replace("s3://", "s3://usdf_store@")
    assert read(other, "a") == b"x"
    write(other, "b", b"y")
    assert names(store) == ["a", "b"]
    with pytest.raises(MissingCopy), other.open("c"):
        pass
