"""Sites of the sandbox whose store is a bucket."""

from pathlib import Path

import pytest

from sandbox.allotted import Allotted
from sandbox.client_env import client_env
from sandbox.copy_service.copying import Copier
from sandbox.copy_service.guard import Guard
from sandbox.copy_service.posix import PosixStorage
from sandbox.copy_service.s3 import S3Storage
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.registry import all_services
from sandbox.s3_sites import buckets, keep_s3_sites
from sandbox.seaweedfs import SeaweedFs


@pytest.fixture
def layout(tmp_path):
    return Layout(Path(__file__).parents[3], tmp_path / "state")


def services(layout):
    return [type(s) for s in all_services(layout, Allotted.load(layout.allotted_file))]


def test_without_them_there_is_no_s3_server(layout):
    assert SeaweedFs not in services(layout)
    assert buckets(layout, Allotted.load(layout.allotted_file)) == []


def test_each_has_a_bucket_and_a_key_of_its_own(layout):
    keep_s3_sites(layout, ["UKDF", "FRDF", "UKDF"])
    assert SeaweedFs in services(layout)
    allotted = Allotted.load(layout.allotted_file)
    env = client_env(layout, allotted)
    assert env["DBB_STORE_FRDF"] == "s3://frdf_store@frdf/store"
    assert env["DBB_STORE_USDF"].startswith("file://")
    keys = [bucket.rucio_setting()["secret_key"] for bucket in buckets(layout, allotted)]
    assert len({*keys, allotted.secret("s3")}) == 3
    keep_s3_sites(layout, ["FRDF", "UKDF"])  # the same again is well


def test_a_sandbox_that_has_begun_keeps_its_stores(layout):
    Allotted.load(layout.allotted_file).port("copy")
    with pytest.raises(SandboxError, match="elsewhere"):
        keep_s3_sites(layout, ["FRDF"])


def test_a_site_must_be_one(layout):
    with pytest.raises(SandboxError, match="NOWHERE"):
        keep_s3_sites(layout, ["NOWHERE"])


def test_a_sites_door_leads_to_its_folder_and_no_further(tmp_path):
    guard = Guard.of([tmp_path.as_uri(), "s3s://127.0.0.1:1/frdf/store"])
    door = f"davs://localhost:443{tmp_path}/raw/a?copy_mode=push"
    assert guard.real_path(door) == tmp_path / "raw/a"
    with pytest.raises(Exception, match="outside"):
        guard.real_path("davs://localhost:443/etc/passwd")
    with pytest.raises(Exception, match="only files of this machine"):
        guard.real_path(f"davs://elsewhere:443{tmp_path}/raw/a")
    copier = Copier(guard)
    assert isinstance(copier.storage(door), PosixStorage)
    assert isinstance(copier.storage("s3s://127.0.0.1:1/frdf/store/a"), S3Storage)
