"""Exports and the recovery drill with a real S3 server: as the archive's store, as what is sent to, as what is burnt."""

from __future__ import annotations

import pytest
from lsst.daf.butler import Butler

from dbb.cli import export
from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.errors import DigestMismatch, NotScratch
from dbb.flows.drilling import MARK, drill_endpoint
from dbb.flows.export_bag import send_tar
from dbb.hooks.posix_store import PosixStore
from dbb.hooks.s3_upload import S3Upload
from dbb.hooks.stores import open_store
from dbb.settings import Settings
from dbb.verify_bag import verify
from dbb.wiring.drills import open_scratch
from support.bags import make_key
from support.calibration_site import CalibrationSite
from support.exports import Exports, import_bag


@pytest.fixture
def world(s3_bucket, tmp_path):
    """The archive's store is on S3, the receiver's a folder."""
    made = CalibrationSite(tmp_path / "world")
    made.stores["usdf"] = open_store(f"s3://{s3_bucket}/usdf")
    made.catalog.stores["USDF"] = made.stores["usdf"]
    made.observe(2)
    return made


def test_an_export_of_objects_goes_to_a_bucket_as_one_tar(
    world, s3_bucket, tmp_path, monkeypatch, capsys
):
    exports = Exports(world, tmp_path / "out", *make_key(tmp_path))
    monkeypatch.setattr(export, "_open", lambda *_, **__: exports.ports)
    words = ["--collection", "LSSTCam/raw/all", "--dataset-type", "raw", "--owner", "somebody"]
    to = f"s3://{s3_bucket}/exports/night.tar"
    command = [
        "export",
        "make",
        "night",
        "--to",
        str(exports.folder),
        *words,
        "--tar",
        to,
        "--json",
    ]

    def make_context(settings, output):
        return Context(settings, output, lambda _: world.backbone())

    assert main(command, {"DBB_LEDGER_URL": "sqlite://"}, make_context) == 0
    capsys.readouterr()
    bucket = open_store(f"s3://{s3_bucket}/exports")
    tar = tmp_path / "night.tar"
    with bucket.open("night.tar") as stream:
        tar.write_bytes(stream.read())
    assert verify(str(tar), signers=str(exports.signers)).verdict == "valid"
    import_bag(exports.bag, tmp_path / "elsewhere")
    with Butler.from_config(str(tmp_path / "elsewhere")) as butler:
        assert len(butler.query_datasets("raw", "LSSTCam/raw/all")) == 4

    write = S3Upload.write
    monkeypatch.setattr(S3Upload, "write", lambda self, data: write(self, data.swapcase()))
    with pytest.raises(DigestMismatch):  # a link that changes bytes is seen, and nothing is left
        send_tar(PosixStore(exports.bag), "night", bucket, "other.tar")
    assert [file.name for file in bucket.list_files("")] == ["night.tar"]


def test_a_scratch_place_on_s3_is_burnt_and_comes_back(world, s3_bucket, tmp_path):
    env = {
        "DBB_STORE_SCRATCH": f"s3://{s3_bucket}/scratch",
        "DBB_BUTLER_SCRATCH": str(tmp_path / "scratch"),
        "DBB_STORE_USDF": f"s3://{s3_bucket}/usdf",
    }
    scratch = open_scratch(Settings.load(environment=env), "scratch")
    for _ in range(2):  # the second one burns what the first has brought
        done = drill_endpoint(world.backbone(), scratch, ("usdf", "frdf"))
        assert (done.wrong, done.units, done.files) == ((), 2, 4)
    store = open_store(env["DBB_STORE_SCRATCH"])
    names = {file.name for file in store.list_files("")}
    assert names == {MARK, *(file.name for file in world.stores["frdf"].list_files("raw/"))}
    with Butler.from_config(env["DBB_BUTLER_SCRATCH"], collections="LSSTCam/raw/all") as butler:
        (ref, *_) = butler.query_datasets("raw")
        assert butler.getURI(ref).scheme == "s3"
        butler.get(ref)
    # A prefix that a drill has not laid is left alone, and so is the archive's.
    precious = open_store(f"s3://{s3_bucket}/other")
    with precious.create("thesis.tex") as writer:
        writer.write(b"years of work")
    for place in ("other", "usdf"):
        with pytest.raises(NotScratch):
            drill_endpoint(
                world.backbone(),
                open_scratch(
                    Settings.load(
                        environment=env | {"DBB_STORE_SCRATCH": f"s3://{s3_bucket}/{place}"}
                    ),
                    "scratch",
                ),
                ("usdf", "frdf"),
            )
    assert precious.stat("thesis.tex") is not None
