"""The manifest is strict: what it does not say clearly is refused."""

import json

import pytest

from dbb.errors import BadManifest
from dbb.model import strict_json
from dbb.model.digest import Digest
from dbb.model.exposure import Unit
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import SafeName

DIGEST = Digest(5, "a" * 64, "0" * 8, "1" * 8)


@pytest.fixture
def manifest():
    return Manifest(
        unit=Unit.parse("LSSTCam/20261121/MC_O_20261121_000123"),
        scope="raw",
        bundle=DIGEST,
        entries=(
            Entry(SafeName("a.fits"), DIGEST, {"id": "00000000-0000-0000-0000-000000000001"}),
            Entry(SafeName("a.json"), DIGEST),
        ),
        missing=("R22_S11",),
        universe={"namespace": "daf_butler", "version": 8},
        records={"day_obs": [{"id": 20261121}], "exposure": []},
    )


def changed(manifest, change):
    document = json.loads(manifest.data)
    change(document)
    return strict_json.canonical(document)


def test_a_manifest_reads_back_as_it_was_written(manifest):
    again = Manifest.parse(manifest.data)
    assert again.data == manifest.data
    assert again.sha256 == manifest.sha256
    assert list(again.records) == ["day_obs", "exposure"]
    assert [entry.name for entry in again.images] == ["a.fits"]


def _drop_first(document):
    document["files"].pop(0)
    document["files"].append(document["files"][0])


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(schema="dbb-manifest/2"),
        lambda d: d.update(extra=1),
        lambda d: d.pop("missing"),
        lambda d: d.update(unit="../x"),
        lambda d: d.update(files=[]),
        lambda d: d["files"][0].update(name="../a.fits"),
        lambda d: d["files"][0].update(name="dir/a.fits"),
        lambda d: d["files"][0].update(sha256="A" * 64),
        lambda d: d["files"][0].update(sha256="a" * 32),
        lambda d: d["files"][0].update(bytes=-1),
        lambda d: d["files"][0].update(bytes="5"),
        lambda d: d["files"][0].update(bytes=True),
        lambda d: d["files"][0].pop("adler32"),
        lambda d: d["files"].reverse(),
        lambda d: d["files"].append(d["files"][0]),
        lambda d: d.update(bundle=None),
        lambda d: d.update(records=[1, 2]),
        lambda d: d.update(universe="daf_butler"),
        lambda d: d.update(missing=["../x"]),
        _drop_first,
    ],
)
def test_a_manifest_that_is_wrong_anywhere_is_refused(manifest, change):
    with pytest.raises(BadManifest):
        Manifest.parse(changed(manifest, change))


def test_a_manifest_in_another_form_of_the_same_json_is_refused(manifest):
    with pytest.raises(BadManifest, match="canonical"):
        Manifest.parse(json.dumps(json.loads(manifest.data), indent=1).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b'{"schema": NaN}'])
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(BadManifest):
        Manifest.parse(data)
