"""S3 over a link that damages, breaks and throttles: noticed, tried again, never believed."""

from __future__ import annotations

import hashlib
import time

import boto3
import pytest
from botocore.config import Config

from dbb.digests import digest_stream
from dbb.errors import DigestMismatch, StoreUnavailable, Transient
from dbb.hooks import s3_upload
from dbb.hooks.s3_store import S3Store
from dbb.hooks.stores import open_store
from sandbox.seaweedfs import SeaweedFs
from support.conformance_store import BIG_BYTES, names, read, write
from support.s3_proxy import Harm, bad_link

BIG = bytes(range(256)) * (BIG_BYTES // 256 + 1)
SMALL = b"0123456789" * 100


@pytest.fixture
def link(s3_server: SeaweedFs):
    with bad_link(s3_server.url()) as proxy:
        yield proxy


@pytest.fixture
def store(s3_bucket: str, link, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """Give a store behind the link, whose files are sent in parts of the smallest size."""
    monkeypatch.setattr(s3_upload, "PART_BYTES", 5 * 1024 * 1024)
    monkeypatch.setenv("S3_ENDPOINT_URL", link.url)
    store = open_store(f"s3://{s3_bucket}")
    assert isinstance(store, S3Store)
    return store


def test_a_link_that_harms_nothing_changes_nothing(store, link):
    for data in (SMALL, BIG):
        write(store, "a", data)
        assert read(store, "a") == data
    assert link.seen["PUT"] == 1 + 2  # one whole, one in two parts


# -- flipped bits ----------------------------------------------------------------------------------


def test_the_link_really_flips_what_nobody_guards(s3_bucket, link):
    """Without checksums and signature the server takes damaged bytes: the harness can be red."""
    config = Config(
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.session.Session().client("s3", endpoint_url=link.url, config=config)
    link.plant(Harm.FLIP_UP, "PUT")
    client.put_object(Bucket=s3_bucket, Key="a", Body=SMALL)
    link.heal()
    damaged = client.get_object(Bucket=s3_bucket, Key="a")["Body"].read()
    assert damaged != SMALL
    link.plant(Harm.FLIP_DOWN, "GET")
    assert client.get_object(Bucket=s3_bucket, Key="a")["Body"].read() == SMALL  # flipped back


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["whole", "in parts"])
@pytest.mark.parametrize("is_signed", [True, False])
def test_a_bit_flipped_on_the_way_up_is_refused(store, link, data, is_signed):
    if not is_signed:  # as over TLS, where the signature leaves the bytes to the checksum
        s3 = {"addressing_style": "path", "payload_signing_enabled": False}
        config = store.client.meta.config.merge(Config(s3=s3))
        store.client.meta.config.s3.update(config.s3)
    link.plant(Harm.FLIP_UP, "PUT")
    with pytest.raises(Transient):
        write(store, "a", data)
    assert bool(link.seen["unsigned PUT"]) is not is_signed
    assert names(store) == []
    link.heal()
    write(store, "a", data)
    assert read(store, "a") == data


def test_a_flipped_bit_in_a_file_that_comes_whole_is_noticed_by_the_client(store, link):
    write(store, "a", SMALL)
    link.plant(Harm.FLIP_DOWN, "GET", times=1)
    assert read(store, "a") == SMALL  # asked for again
    fault = link.plant(Harm.FLIP_DOWN, "GET")
    with pytest.raises(DigestMismatch):
        read(store, "a")
    assert fault.hit == 3


def test_a_flipped_bit_in_one_piece_of_a_file_is_noticed_by_the_re_read(store, link):
    write(store, "a", BIG)
    link.plant(Harm.FLIP_DOWN, "GET", times=1)
    with store.open("a", cold=True) as file:
        found = digest_stream(file)
    assert found.sha256 != hashlib.sha256(BIG).hexdigest()
    with store.open("a", cold=True) as file:
        assert digest_stream(file).sha256 == hashlib.sha256(BIG).hexdigest()


# -- broken connections ----------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [Harm.TRUNCATE, Harm.RESET_DOWN, Harm.RESET])
@pytest.mark.parametrize("data", [SMALL, BIG], ids=["whole", "in pieces"])
def test_a_download_that_breaks_off_is_tried_again(store, link, harm, data):
    write(store, "a", data)
    fault = link.plant(harm, "GET", times=2)
    assert read(store, "a") == data
    assert fault.hit == 2


@pytest.mark.parametrize("harm", [Harm.TRUNCATE, Harm.RESET_DOWN])
def test_a_download_that_always_breaks_off_is_unavailable(store, link, harm):
    write(store, "a", SMALL)
    link.plant(harm, "GET")
    with pytest.raises(StoreUnavailable):
        read(store, "a")


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["whole", "in parts"])
def test_an_upload_whose_connection_is_reset_is_tried_again(store, link, data):
    fault = link.plant(Harm.RESET, "PUT", times=2)
    write(store, "a", data)
    assert fault.hit == 2
    assert read(store, "a") == data


# -- SlowDown --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_who_is_asked_to_slow_down_waits_for_as_long_and_goes_on(store, link, method):
    write(store, "a", SMALL)
    fault = link.plant(Harm.SLOW_DOWN, method, times=2, retry_after="1")
    began = time.monotonic()
    write(store, "b", SMALL)
    assert read(store, "a") == SMALL
    assert fault.hit == 2
    assert time.monotonic() - began >= 2


def test_without_an_answer_how_long_the_wait_is_boto3s_own(store, link):
    fault = link.plant(Harm.SLOW_DOWN, "PUT", times=1)
    write(store, "a", SMALL)
    assert fault.hit == 1


def test_a_server_that_always_asks_to_slow_down_is_unavailable(store, link):
    fault = link.plant(Harm.SLOW_DOWN, "PUT", retry_after="0")
    with pytest.raises(StoreUnavailable, match="SlowDown") as caught:
        write(store, "a", SMALL)
    assert caught.value.code == "store-unavailable"
    assert fault.hit == 5  # tries, and then it is Airflow's turn
    link.heal()
    assert names(store) == []
