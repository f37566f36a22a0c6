"""What events of the annex say, and the names that its objects have."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbb.errors import LfaEventUnusable, UnsafeName
from dbb.model.lfa import MAX_BYTES, Announcement, normalise_mime
from dbb.model.lfn import escape_name, unescape_name
from support.annex import BUCKET, event

TOPIC = "summit.lsst.sal.FiberSpectrograph.logevent_largeFileObjectAvailable"
KEY = "FiberSpectrograph:Broad/fits/2026/11/21/FiberSpectrograph:Broad_2026-11-21T23:01:02.000.fits"


# -- names -----------------------------------------------------------------------------------------


def test_a_colon_is_written_so_that_rucio_takes_it():
    assert escape_name("a:b/c+d.fits") == "a+3Ab/c+2Bd.fits"
    assert unescape_name("a+3Ab/c+2Bd.fits") == "a:b/c+d.fits"


@given(st.text(min_size=1, max_size=40))
def test_every_name_that_can_be_escaped_comes_back_as_it_was(name):
    with contextlib.suppress(UnsafeName, UnicodeEncodeError):
        assert unescape_name(escape_name(name)) == name


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_names_are_never_one(one, other):
    with contextlib.suppress(UnsafeName, UnicodeEncodeError):
        assert (escape_name(one) == escape_name(other)) == (one == other)


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"s3://{BUCKET}/{KEY}",
        f"https://s3.example.org/{BUCKET}/{KEY}",
        f"https://s3.example.org/{BUCKET}/{KEY.replace(':', '%3A')}",
    ],
)
def test_every_form_of_a_url_names_the_same_object(url):
    found = Announcement.of_event(TOPIC, {"url": url})
    assert (found.bucket, found.key) == (BUCKET, KEY)
    assert (found.csc, found.generator) == ("FiberSpectrograph", "fits")
    assert (found.mime_type, found.day_obs) == ("application/fits", 20261121)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"url": None},
        {"url": "file:///tmp/x.fits"},
        {"url": "s3://"},
        {"url": f"s3://{BUCKET}/"},
        {"url": f"s3://{BUCKET}/../x"},
        {"url": f"s3://{BUCKET}/a//b"},
        {"url": f"https://host/{BUCKET}/a/%2e%2e/b"},
    ],
)
def test_an_event_that_names_no_object_has_its_code(fields):
    with pytest.raises(LfaEventUnusable):
        Announcement.of_event(TOPIC, fields)


@pytest.mark.parametrize("size", [0, -1, -2147483648, None, "12"])
def test_a_size_that_cannot_be_meant_is_none(size):
    assert event(byteSize=size).declared_bytes is None


def test_a_checksum_that_is_no_md5_is_none():
    assert event(checkSum="xyz").declared_md5 == ""
    assert event(checkSum="AB" * 16).declared_md5 == "ab" * 16


@pytest.mark.parametrize(
    ("told", "key", "found"),
    [
        ("YAML", "a", "application/yaml"),
        ("", "a.fits", "application/fits"),
        ("", "a.fits.fz", "application/fits"),
        ("text/plain", "a.fits", "text/plain"),
        ("nonsense", "a.json", "application/json"),
        ("", "a.xyz", "application/octet-stream"),
    ],
)
def test_a_mime_type_is_normalised(told, key, found):
    assert normalise_mime(told, key) == found


@pytest.mark.parametrize("key", ["a/b#1.fits", "a/b?c=d.fits", "a/%41.fits", "a/b c+d.fits"])
def test_the_key_of_an_s3_url_is_taken_as_it_is(key):
    assert event(key).key == key


@pytest.mark.parametrize(
    ("written", "key"),
    [("a/%41.fits", "a/A.fits"), ("a/b.fits?X-Amz-Date=1#x", "a/b.fits"), ("a/b%23", "a/b#")],
)
def test_the_key_of_an_https_url_is_written_as_urls_are(written, key):
    url = f"https://s3.example.org:443/{BUCKET}/{written}"
    assert Announcement.of_event(TOPIC, {"url": url}).key == key


@pytest.mark.parametrize(
    "url",
    [
        "http://[bad",
        f"s3://{BUCKET}/a/\ud800.fits",
        f"https://h/{BUCKET}/a/%ff.fits",
        f"s3://{BUCKET}/" + "x" * 2000,
        "\0",
        "s3:bucket/key",
    ],
)
def test_a_url_that_is_none_has_its_code_and_breaks_nothing(url):
    with pytest.raises(LfaEventUnusable):
        Announcement.of_event(TOPIC, {"url": url})


@pytest.mark.parametrize("size", [2**63, 10**30, True])
def test_a_size_that_no_database_keeps_is_none(size):
    assert event(byteSize=size).declared_bytes is None
    assert event(byteSize=MAX_BYTES).declared_bytes == MAX_BYTES


def test_text_that_no_database_takes_is_written_otherwise():
    assert event(id="a\0b\ud800").obs_id == "a?b?"


FIELDS = st.dictionaries(
    st.sampled_from(["url", "byteSize", "checkSum", "mimeType", "id", "generator"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters()),
        st.sampled_from(["s3://", "https://h/", "s3://b/"]).flatmap(
            lambda start: st.text(st.characters()).map(lambda rest: start + rest)
        ),
    ),
)


@given(FIELDS)
def test_an_event_is_an_announcement_that_a_database_takes_or_has_its_code(fields):
    try:
        found = Announcement.of_event(TOPIC, fields)
    except LfaEventUnusable:
        return
    for text in (found.bucket, found.key, found.csc, found.mime_type, found.obs_id, found.folder):
        assert "\0" not in text
        text.encode("utf-8")
    assert found.declared_bytes is None or 0 < found.declared_bytes < 2**63


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        (KEY, "FiberSpectrograph:Broad/fits"),
        ("a/b.fits", ""),
        (".a/b/2026/11/21/c", ""),
        ("a/b.part/2026/11/21/c", ""),
    ],
)
def test_the_folder_above_the_date_is_known(key, folder):
    assert event(key).folder == folder


def test_a_key_of_a_listing_that_is_no_utf8_has_its_code():
    with pytest.raises(LfaEventUnusable):
        Announcement.of_listing(BUCKET, "a/\udcff.fits")
