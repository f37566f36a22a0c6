"""Sidecars are a producer's: whatever they hold, they are read or refused, and nothing else happens."""

import io
import json
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbb.errors import DbbError
from dbb.hooks.sidecars import read_sidecars
from dbb.model.kind import Kind
from support.fake_clock import FixedClock
from support.fake_store import MemoryStore

FOLDER = "incoming/products/20261121/x/"

words = st.sampled_from(
    ["id", "run", "datasetType", "dataId", "component", "name", "dimensions", "storageClass", "files",
     "records", "refs", "universe", "universe_version", "dataset_types", "description", "version",
     "data", "type", "element", "x.fits", "artifact_map", "index_version"]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
documents = st.one_of(
    st.binary(max_size=60),
    values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(words, values, max_size=8).map(lambda value: json.dumps(value).encode()),
)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(files, kind=Kind.PRODUCT):
    store = MemoryStore("usdf", FixedClock())
    for name, data in files.items():
        store.put(FOLDER + name, data)
    return read_sidecars(store, FOLDER, files, kind)


@RELAXED
@given(
    documents, st.sampled_from(["x.fits.json", "x.fits.yaml", "manifest.json", "_dimensions.yaml"])
)
def test_any_document_is_read_or_refused(data, name):
    try:
        told = read({"x.fits": b"x", name: data})
    except DbbError:
        return
    assert set(told.files) == {"x.fits"}


@RELAXED
@given(documents)
def test_any_index_of_a_zip_is_read_or_refused(index):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("_butler_zip_index.json", index)
    with pytest.raises(DbbError):
        read({"x.zip": archive.getvalue()})


@RELAXED
@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 255))
def test_a_broken_zip_is_refused(tail, place, byte):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("_butler_zip_index.json", b'{"refs": {}}' * 5)
    data = bytearray(archive.getvalue())
    data[place % len(data)] = byte
    with pytest.raises(DbbError):
        read({"x.zip": bytes(data) + tail})


@pytest.mark.parametrize("name", ["_dimensions.yaml", "a.json", "x.fits.json", "x.zip"])
def test_among_permanent_files_nothing_is_a_document(name):
    told = read({"x.fits": b"x", name: b"anything"}, Kind.FILE)
    assert set(told.files) == {"x.fits", name}
