"""Products, permanent files and objects over the real Rucio, real Butlers, real daemons."""

from __future__ import annotations

import datetime as dt
import io
import json
import secrets
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from astropy.io import fits
from lsst.daf.butler import Butler

from dbb.flows.copies import count_copies, look_for_copies
from dbb.flows.lfa import announce
from dbb.flows.lfa_copying import copy_objects, find_objects
from dbb.flows.lfa_sealing import seal_parcels
from dbb.flows.parcels import take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.whereabouts import find_copies
from dbb.model.delivery import State
from dbb.model.lfa import Announcement
from dbb.settings import Settings
from dbb.wiring.annex import open_annex
from dbb.wiring.backbone import open_backbone
from sandbox import rest
from sandbox.prepare import prepare
from support.held_dags import held

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox):
    """Let no run of the clock's, or that an announcement wakes, take what is laid down here."""
    with held(sandbox, "lfa_replication", "parcel_transfer"):
        yield


@pytest.fixture(scope="module")
def environment(sandbox):
    prepare(Settings.load(environment=sandbox.env))
    return sandbox.env


@pytest.fixture
def settings(environment):
    return Settings.load(environment=environment)


@pytest.fixture
def backbone(settings):
    return open_backbone(settings, "integration test")


def folder(environment, store):
    return Path(urlsplit(environment[f"DBB_STORE_{store}"]).path)


def bring(backbone, environment, units):
    """Do what the DAGs do after a unit is at the archive."""
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    for _ in range(300):
        for endpoint in ("frdf", "chile"):
            publish_units(backbone, look_for_copies(backbone, endpoint, units).work, endpoint)
        if not count_copies(backbone, units)["waiting"]:
            return
        rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)
        time.sleep(0.2)  # the copy service works in its own time
    raise AssertionError(count_copies(backbone, units))


def put(environment, unit, files):
    place = folder(environment, "USDF") / "incoming" / unit
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    (place / "_READY").touch()


def test_products_come_back_to_chile_and_are_served_there(environment, settings, backbone):
    name, dataset = f"batch-{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
    unit = f"products/20261121/{name}"
    ref = {"id": dataset, "dataset_type": "survey_summary", "run": f"u/{name}", "data_id": {}}
    with Butler.from_config(settings.resolve(settings.endpoint("chile").butler)) as butler:
        universe = {"namespace": butler.dimensions.namespace, "version": butler.dimensions.version}
    manifest = {
        "files": {
            "summary.json": {
                "refs": [ref],
                "formatter": "lsst.daf.butler.formatters.json.JsonFormatter",
            }
        },
        "dataset_types": {
            "survey_summary": {
                "dimensions": [], "storage_class": "StructuredDataDict", "is_calibration": False
            }
        },
        "universe": universe,
        "records": [],
    }  # fmt: skip
    put(
        environment,
        unit,
        {"summary.json": b'{"depth": 27.1}', "manifest.json": json.dumps(manifest).encode()},
    )
    assert take_parcels(backbone, [unit]) == {"taken": 1, "refused": 0}
    bring(backbone, environment, [unit])
    for place in ("usdf", "frdf", "chile"):
        root = settings.resolve(settings.endpoint(place).butler)
        with Butler.from_config(root) as butler:
            assert butler.get(butler.get_dataset(uuid.UUID(dataset))) == {"depth": 27.1}
    found = find_copies(backbone, None, list(backbone.ledger.units([unit]).values()))
    assert {copy.endpoint: copy.state for copy in found.copies} == dict.fromkeys(
        ("usdf", "frdf", "chile"), "published"
    )
    assert all(len(copy.replicas) == 2 for copy in found.copies)


def test_permanent_files_have_a_second_copy_in_france(environment, backbone):
    unit = f"files/20261121/weather-{uuid.uuid4().hex[:8]}"
    put(environment, unit, {"a.txt": b"rain", "deep/b.bin": b"\0" * 100_000})
    take_parcels(backbone, [unit])
    bring(backbone, environment, [unit])
    assert backbone.ledger.deliveries([unit])[unit, "frdf"].state is State.PUBLISHED
    assert (unit, "chile") not in backbone.ledger.deliveries([unit])
    assert (folder(environment, "FRDF") / unit / "a.txt").read_bytes() == b"rain"


def test_an_object_keeps_its_own_name_through_rucio(environment, settings, backbone):
    token = uuid.uuid4().hex[:8]
    key = f"DREAM:1/dream/2026/11/21/DREAM:{token}_2026-11-21T23:01:02.fits"
    annex = open_annex(settings)
    place = folder(environment, "LFA") / key
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"SIMPLE")
    topic = "lsst.sal.DREAM.logevent_largeFileObjectAvailable"
    url = f"https://s3.example.org/{annex.bucket}/{key}"
    assert announce(annex, [Announcement.of_event(topic, {"url": url})]) == 1
    copy_objects(backbone, annex, find_objects(annex))
    units = seal_parcels(backbone, annex)
    bring(backbone, environment, units)
    assert (folder(environment, "FRDF") / "lfa" / key).read_bytes() == b"SIMPLE"
    (found,) = annex.objects.by_key([key])
    assert backbone.ledger.deliveries([found.unit])[found.unit, "frdf"].state is State.PUBLISHED


def test_a_spectrum_of_the_annex_is_served_wherever_it_comes(environment, settings, backbone):
    annex = open_annex(settings)
    image = io.BytesIO()
    fits.PrimaryHDU(np.arange(6, dtype=np.int16)).writeto(image)
    began = dt.datetime(2026, 11, 21, 14) + dt.timedelta(seconds=secrets.randbelow(70_000))  # noqa: DTZ001 - TAI
    leaf = f"FiberSpectrograph:Red_{began.isoformat()}.fits"
    key = f"FiberSpectrograph:Red/fits/2026/11/21/{leaf}"
    place = folder(environment, "LFA") / key
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(image.getvalue())
    topic = "lsst.sal.FiberSpectrograph.logevent_largeFileObjectAvailable"
    url = f"s3://{annex.bucket}/{key}"
    announce(annex, [Announcement.of_event(topic, {"url": url})])
    copy_objects(backbone, annex, find_objects(annex))
    bring(backbone, environment, seal_parcels(backbone, annex))
    (found,) = annex.objects.by_key([key])
    for name in ("usdf", "frdf"):
        root = settings.resolve(settings.endpoint(name).butler)
        with Butler.from_config(root) as butler:
            ref = butler.get_dataset(uuid.UUID(found.dataset_id))
            assert (ref.datasetType.name, ref.run) == ("rawSpectrum", "FiberSpec/raw/all")
            assert butler.get(ref)[0].data.tolist() == list(range(6))
