"""The same transfer with the summit and the archive on a real S3 server: no other code path."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from pathlib import Path

import pytest
from astropy.io import fits

from dbb.errors import DbbError
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.releasing import read_again, release_units
from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.engine import open_engine
from dbb.hooks.fits_inspector import FitsInspector
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sidecars import read_sidecars
from dbb.hooks.stores import open_store
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.policy import PolicyBook
from dbb.wiring.base import SystemClock
from sandbox.synthetic_night import make_night
from support.fake_catalog import MemoryCatalog
from support.s3_proxy import Harm, bad_link
from support.world import POLICY, MemorySky

NIGHT = DayObs(20261001)


@pytest.fixture
def link(s3_server):
    with bad_link(s3_server.url()) as proxy:
        yield proxy


@pytest.fixture
def backbone(s3_bucket, link, tmp_path, monkeypatch):
    monkeypatch.setenv("S3_ENDPOINT_URL", link.url)
    stores = {name: open_store(f"s3://{s3_bucket}/{name}") for name in ("summit", "usdf")}
    instruments = load_instruments()
    create_repository(
        tmp_path / "butler",
        list(instruments.values()),
        datastore_root=f"s3://{s3_bucket}/butler/",
    )
    ledger = SqlLedger(open_engine(f"sqlite:///{tmp_path}/ledger.db"), SystemClock(), "test")
    ledger.migrate()
    return Backbone(
        policy=dataclasses.replace(POLICY, receivers=(), copies_before_release=1, settle_s=0),
        policies=PolicyBook(),
        instruments=instruments,
        rses={"summit": "", "usdf": "USDF"},
        ledger=ledger,
        calibrations=SqlCalibrations(ledger),
        inbox=SqlInbox(ledger),
        clock=SystemClock(),
        catalog=MemoryCatalog({"USDF": stores["usdf"]}),
        inspector=FitsInspector(instruments),
        indexer=ButlerIndexer(instruments.values()),
        sky=MemorySky(),
        sidecars=read_sidecars,
        store=stores.__getitem__,
        repository=lambda _name: ButlerRepository(str(tmp_path / "butler")),
    )


@pytest.mark.parametrize(("harm", "method"), [(Harm.FLIP_UP, "PUT"), (Harm.FLIP_DOWN, "GET")])
def test_what_a_bad_link_damages_is_never_published(backbone, link, tmp_path, harm, method):
    make_night(
        tmp_path / "camera", str(NIGHT), exposures=1, pixels=16, instruments=("LSSTCam",),
        detectors=("R22_S11",),
    )  # fmt: skip
    for path in sorted((tmp_path / "camera").rglob("*.*")):
        with backbone.source.create(str(path.relative_to(tmp_path / "camera"))) as writer:
            writer.write(path.read_bytes())
    time.sleep(1)
    fault = link.plant(harm, method, part="/usdf/raw/")
    [unit] = receive_arrivals(backbone, NIGHT).work
    with contextlib.suppress(DbbError):
        land_units(backbone, [unit])
    assert fault.hit
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, [unit])], {})
    register_units(backbone, [unit])
    with contextlib.suppress(DbbError):
        publish_units(backbone, [unit], "usdf")
    delivery = backbone.ledger.deliveries([unit]).get((unit, "usdf"))
    assert delivery is None or delivery.state not in (State.VERIFIED, State.PUBLISHED)
    assert list(backbone.source.list_files("LSSTCam/"))
    link.heal()
    receive_arrivals(backbone, NIGHT)
    land_units(backbone, [unit])
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, [unit])], {})
    register_units(backbone, [unit])
    assert publish_units(backbone, [unit], "usdf")["published"] == 1


def test_an_exposure_goes_from_one_bucket_to_published_in_another(backbone, tmp_path):
    from lsst.daf.butler import Butler

    make_night(tmp_path / "camera", str(NIGHT), exposures=1, pixels=16, instruments=("LSSTCam",))
    sent = {}
    for path in sorted((tmp_path / "camera").rglob("*.*")):
        sent[path.name] = path.read_bytes()
        with backbone.source.create(str(path.relative_to(tmp_path / "camera"))) as writer:
            writer.write(sent[path.name])
    time.sleep(1)  # S3 tells times in whole seconds
    [unit] = receive_arrivals(backbone, NIGHT).work
    assert land_units(backbone, [unit])["landed"] == 1
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, [unit])], {})
    register_units(backbone, [unit])
    assert publish_units(backbone, [unit], "usdf")["published"] == 1
    read_again(backbone, [unit])
    assert release_units(backbone, [unit])["released"] == 1
    assert list(backbone.source.list_files("LSSTCam/")) == []
    assert backbone.ledger.deliveries([unit])[unit, "usdf"].state is State.PUBLISHED
    repository = str(Path(tmp_path) / "butler")
    with Butler.from_config(repository, collections="LSSTCam/raw/all") as butler:
        data_id = {"instrument": "LSSTCam", "exposure": 2026100100001, "detector": 94}
        assert butler.getURI("raw", data_id).scheme == "s3"
        found = butler.get("raw", data_id)
        with fits.open(io.BytesIO(sent["MC_O_20261001_000001_R22_S11.fits"])) as expected:
            assert (found[1].data == expected[1].data).all()
