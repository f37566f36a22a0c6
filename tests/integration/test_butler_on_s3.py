"""A Butler whose datastore is in a bucket, and which serves bundles from buckets beside it."""

from __future__ import annotations

import pytest

from dbb.hooks.butler_setup import create_repository
from dbb.hooks.instruments import load_instruments
from dbb.hooks.stores import open_store


@pytest.fixture
def repository(s3_bucket, tmp_path):
    instruments = [load_instruments()["LSSTCam"]]
    for _ in range(2):  # safe to repeat
        create_repository(
            tmp_path / "butler", instruments, datastore_root=f"s3://{s3_bucket}/butler/"
        )
    return str(tmp_path / "butler")


def test_what_is_put_into_butler_lies_in_the_bucket_and_reads_back(repository, s3_bucket):
    from lsst.daf.butler import Butler, DatasetType

    with Butler.from_config(repository, writeable=True, run="u/test") as butler:
        kind = DatasetType(
            "notes", ("instrument",), "StructuredDataDict", universe=butler.dimensions
        )
        butler.registry.registerDatasetType(kind)
        ref = butler.put({"seeing": 0.7}, "notes", instrument="LSSTCam")
        assert butler.getURI(ref).scheme == "s3"
    with Butler.from_config(repository, collections="u/test") as butler:
        assert butler.get("notes", instrument="LSSTCam") == {"seeing": 0.7}
        key = butler.getURI(ref).relativeToPathRoot
    assert [
        f"butler/{file.name}" for file in open_store(f"s3://{s3_bucket}/butler").list_files("")
    ] == [key]
