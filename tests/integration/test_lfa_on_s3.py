"""The annex from a real bucket to an archive in a second and a receiver in a third, name by name."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import tracemalloc
import uuid

import boto3
import numpy as np
import pytest
from astropy.io import fits
from lsst.daf.butler import Butler

from dbb.flows.backbone import Backbone
from dbb.flows.lfa import announce
from dbb.flows.lfa_copying import copy_objects, find_objects
from dbb.flows.lfa_listing import list_bucket, list_day
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.engine import open_engine
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sidecars import read_sidecars
from dbb.hooks.stores import open_store
from dbb.model.day_obs import DayObs
from dbb.model.kind import Kind
from dbb.model.lfa import Announcement
from dbb.model.policy import Policy, PolicyBook, Selection
from dbb.wiring.base import SystemClock
from support.annex import make_annex, poison, run, state_of
from support.fake_catalog import MemoryCatalog
from support.world import POLICY, MemorySky

FIBER = (
    "FiberSpectrograph:Broad/fits/2026/11/21/FiberSpectrograph:Broad_2026-11-21T23:01:02.000.fits"
)
ODD = "DREAM:1/dream/2026/11/21/DREAM:1 #1?a=%41+b_2026-11-21T23:01:02.fits"
HEADER = "MTHeaderService/header/2026/11/21/MTHeaderService_header_MC_O_20261121_000001.yaml"
MIB = 1024 * 1024


@dataclasses.dataclass
class S3World:
    """Hold three buckets, a ledger, and two Butler repositories; Rucio is in memory."""

    stores: dict
    ledger: SqlLedger
    inbox: SqlInbox
    catalog: MemoryCatalog
    repositories: dict
    clock: SystemClock
    policies: PolicyBook

    def backbone(self):
        return Backbone(
            policy=dataclasses.replace(POLICY, receivers=()),
            policies=self.policies,
            instruments={},
            rses=RSES,
            ledger=self.ledger,
            inbox=self.inbox,
            calibrations=SqlCalibrations(self.ledger),
            clock=self.clock,
            catalog=self.catalog,
            inspector=None,
            indexer=None,
            sky=MemorySky(),
            sidecars=read_sidecars,
            store=self.stores.__getitem__,
            repository=self.repositories.__getitem__,
        )


RSES = {"usdf": "USDF", "frdf": "FRDF"}


@pytest.fixture
def buckets(s3_bucket):
    """Give the names of three buckets: the annex's, the archive's, the receiver's."""
    client = boto3.session.Session().client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"])
    names = [s3_bucket, uuid.uuid4().hex, uuid.uuid4().hex]
    for name in names[1:]:
        client.create_bucket(Bucket=name)
    return names


@pytest.fixture
def world(buckets, tmp_path):
    stores = {
        name: open_store(f"s3://{bucket}") for name, bucket in zip(RSES, buckets[1:], strict=True)
    }
    policies = PolicyBook((Policy("lfa-frdf", "frdf", Selection(Kind.LFA), ("usdf",)),))
    ledger = SqlLedger(open_engine(f"sqlite:///{tmp_path}/ledger.db"), SystemClock(), "test")
    ledger.migrate()
    for name in RSES:
        create_repository(tmp_path / name, list(load_instruments().values()))
    return S3World(
        stores=stores,
        ledger=ledger,
        inbox=SqlInbox(ledger),
        catalog=MemoryCatalog({rse: stores[name] for name, rse in RSES.items()}, (policies, RSES)),
        repositories={name: ButlerRepository(str(tmp_path / name)) for name in RSES},
        clock=SystemClock(),
        policies=policies,
    )


@pytest.fixture
def annex(world, buckets):
    made = make_annex(world)
    return dataclasses.replace(made, source=open_store(f"s3://{buckets[0]}"), bucket=buckets[0])


def put(annex, key, data):
    """Upload as a CSC does."""
    annex.source.client.put_object(Bucket=annex.bucket, Key=key, Body=data)


def told(annex, key, csc, **fields):
    topic = f"summit.lsst.sal.{csc}.logevent_largeFileObjectAvailable"
    return Announcement.of_event(topic, {"url": f"s3://{annex.bucket}/{key}", **fields})


def got(world, place, key):
    store = world.stores[place]
    answer = store.client.get_object(Bucket=store.bucket, Key=f"lfa/{key}")
    return answer["Body"].read()


def test_objects_go_from_bucket_to_bucket_under_their_own_keys(world, annex, tmp_path):
    image = io.BytesIO()
    fits.PrimaryHDU(np.arange(6, dtype=np.int16)).writeto(image)
    data = {FIBER: image.getvalue(), ODD: b"odd", HEADER: b"a: 1\n"}
    for key, content in data.items():
        put(annex, key, content)
    md5 = hashlib.md5(data[HEADER], usedforsecurity=False).hexdigest()
    announce(
        annex,
        [
            told(annex, FIBER, "FiberSpectrograph"),
            told(annex, ODD, "DREAM", byteSize=3),
            told(annex, HEADER, "MTHeaderService", byteSize=5, checkSum=md5, mimeType="YAML"),
        ],
    )
    assert run(world, annex) == {"checked": 3}
    for key, content in data.items():
        assert state_of(annex, key).state == "sealed"
        for place in RSES:
            assert got(world, place, key) == content
    for place in RSES:
        with Butler.from_config(str(tmp_path / place), collections="FiberSpec/raw/all") as butler:
            data_id = {"instrument": "FiberSpec", "exposure": 20261121_39662000_0, "detector": 0}
            assert butler.getURI("rawSpectrum", data_id).scheme == "s3"
            assert butler.get("rawSpectrum", data_id)[0].data.tolist() == list(range(6))
    assert world.ledger.refusals() == []
    assert list_bucket(annex)["new"] == 0
    assert run(world, annex) == {}


def test_an_object_that_is_overwritten_in_its_bucket_is_noticed_by_its_etag(world, annex):
    put(annex, HEADER, b"a: 1\n")
    assert list_bucket(annex)["new"] == 1
    run(world, annex)
    put(annex, HEADER, b"a: 1\n")
    day = DayObs(20261121)
    assert list_day(annex, day)["changed"] == 0, "the same bytes are the same version"
    put(annex, HEADER, b"a: 2\n")
    assert list_day(annex, day)["changed"] == 1
    assert run(world, annex) == {"compared": 1}
    (held,) = world.ledger.refusals()
    assert held.code == "conflicting-duplicate"
    assert got(world, "frdf", HEADER) == b"a: 1\n"
    with world.stores["usdf"].open(held.kept_as) as stream:
        assert stream.read() == b"a: 2\n"


def test_an_object_that_comes_late_damaged_and_again_is_published_in_the_end(world, annex):
    announce(annex, [told(annex, HEADER, "MTHeaderService", byteSize=5)])
    assert run(world, annex) == {"absent": 1}
    put(annex, HEADER, b"a: ")
    list_day(annex, DayObs(20261121))
    assert run(world, annex) == {"refused": 1}
    put(annex, HEADER, b"a: 1\n")
    list_day(annex, DayObs(20261121))
    assert run(world, annex) == {"checked": 1}
    assert got(world, "frdf", HEADER) == b"a: 1\n"
    assert world.ledger.refusals() == []
    assert poison(world) == []


def test_a_large_object_takes_no_more_memory_than_a_smaller_one(world, annex):
    peaks_bytes = []
    for mebibytes in (48, 144):
        key = f"DREAM/dream/2026/11/21/{mebibytes}.bin"
        put(annex, key, os.urandom(MIB) * mebibytes)
        list_bucket(annex)
        tracemalloc.start()
        try:
            copied = copy_objects(world.backbone(), annex, find_objects(annex))
            peaks_bytes.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert copied["checked"] == 1
    assert peaks_bytes[1] < peaks_bytes[0] + 8 * MIB
    assert hashlib.sha256(got(world, "usdf", key)).hexdigest() == state_of(annex, key).sha256
