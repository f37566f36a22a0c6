"""How workers get at chunk files: addresses, marks, signatures, and the form in which files are sent."""

import hashlib
import io
import tracemalloc

import pytest
import requests

from dbb.errors import DigestMismatch, QservUnfit
from dbb.hooks.qserv.pushing import Form, read_checked
from dbb.hooks.qserv.serving import hide_signatures, leaf_of, open_serving
from dbb.model.qserv import ChunkFile
from dbb.ports.store import READ_BYTES

SIGNED = "https://s3.site/bucket/chunks/{}?X-Amz-Date={}&X-Amz-Expires=3600&X-Amz-Signature=ab12"


def chunk_file(data=b"1\t2\n", **more):
    digest = hashlib.blake2b(data, digest_size=20).hexdigest()
    about = {"table": "Object", "chunk": 7, "is_overlap": False, "part": 0, "path": "c/7.txt"}
    return ChunkFile(**{**about, "rows": 1, "size_bytes": len(data), "digest": digest, **more})


@pytest.mark.parametrize("url", ["ftp://host/a", "", "chunks", "s3:/bucket"])
def test_an_address_of_no_way_is_refused(tmp_path, url):
    with pytest.raises(Exception, match=r"qserv-unfit|policy-unreadable"):
        open_serving(tmp_path, url)


@pytest.mark.parametrize("signed_s", [0, 60, 8 * 3600, 7 * 86_400 + 1])
def test_addresses_outlast_the_time_in_which_they_are_read(tmp_path, signed_s):
    with pytest.raises(QservUnfit, match="lapse while workers wait"):
        open_serving(tmp_path, "s3://bucket/chunks", signed_s)


@pytest.mark.parametrize("url", ["file:///staging", "https://host/staging/"])
def test_a_served_folder_names_the_file_and_by_the_web_its_bytes(tmp_path, url):
    serving, file = open_serving(tmp_path, url), chunk_file()
    told = serving.url_of(file)
    assert told.startswith(f"{url.rstrip('/')}/c/7.txt")
    assert (file.digest in told) == url.startswith("https")
    assert serving.mark(file) == serving.mark_in(told)
    assert not serving.is_lapsed(told)


def test_a_mark_outlives_a_signature_and_not_a_change(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    serving, file = open_serving(tmp_path, "s3://bucket/chunks"), chunk_file()
    old, new = (SIGNED.format(leaf_of(file), f"20{year}0101T000000Z") for year in (20, 99))
    assert serving.mark_in(old) == serving.mark_in(new) == serving.mark(file)
    assert serving.mark(chunk_file(b"3\t4\n")) != serving.mark(file)
    assert serving.is_lapsed(old)
    assert not serving.is_lapsed(new)
    assert not serving.is_lapsed("https://elsewhere/file")


def test_what_differs_in_anything_has_another_mark():
    marks = {
        leaf_of(chunk_file(**more))
        for more in ({}, {"table": "Source"}, {"chunk": 8}, {"is_overlap": True}, {"part": 1})
    }
    assert len(marks) == 5


def test_a_signature_is_hidden_and_the_rest_is_not():
    told = f"404 Not Found for url: {SIGNED.format('a', 'b')} (try 2)"
    assert hide_signatures(told) == (
        "404 Not Found for url: https://s3.site/bucket/chunks/a?(signed) (try 2)"
    )
    assert hide_signatures("https://host/a?blake2b=12") == "https://host/a?blake2b=12"


# -- the form --------------------------------------------------------------------------------------


def drain(form, size=1000):
    return b"".join(iter(lambda: form.read(size), b""))


@pytest.mark.parametrize("data", [b"1\t2\n", b"", b"x" * (2 * READ_BYTES + 5)])
@pytest.mark.parametrize("size", [7_777, 1 << 20])
def test_a_form_is_as_long_as_it_says_and_ends_with_the_file(data, size):
    form = Form({"chunk": 7, "escaped": "\\\\"}, "7.txt", io.BytesIO(data), chunk_file(data))
    body = drain(form, size)
    assert len(body) == len(form)
    head, _, rest = body.partition(b"Content-Type: text/csv\r\n\r\n")
    assert head.index(b'name="chunk"\r\n\r\n7\r\n') < head.index(b'filename="7.txt"')
    assert rest.startswith(data)
    assert rest.endswith(b"--\r\n")
    prepared = requests.Request("POST", "http://host/", data=form).prepare()
    assert prepared.headers["Content-Length"] == str(len(body))
    assert "Transfer-Encoding" not in prepared.headers


@pytest.mark.parametrize("changed", [b"1\t3\n", b"1\t2", b"1\t2\n3\t4\n"])
def test_the_last_bytes_of_a_file_that_changed_are_never_given(changed):
    file = chunk_file(b"1\t2\n")
    given = []
    with pytest.raises(DigestMismatch):
        given.extend(read_checked(io.BytesIO(changed), file, "it"))
    assert given == []
    with pytest.raises(DigestMismatch):
        drain(Form({}, "7.txt", io.BytesIO(changed), file))


def test_a_large_file_is_sent_in_little_memory():
    pieces = 40
    digest = hashlib.blake2b(digest_size=20)
    for _ in range(pieces):
        digest.update(bytes(READ_BYTES))

    class Zeros(io.RawIOBase):
        left = pieces

        def read(self, size=-1):
            assert size == READ_BYTES
            self.left -= 1
            return bytes(size) if self.left >= 0 else b""

    file = chunk_file(size_bytes=pieces * READ_BYTES, digest=digest.hexdigest())
    tracemalloc.start()
    form = Form({}, "7.txt", Zeros(), file)
    sent = sum(map(len, iter(lambda: form.read(16_384), b"")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == len(form) > 160e6
    assert peak < 32e6
