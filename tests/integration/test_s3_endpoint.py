"""A facility whose store and RSE are a bucket: Rucio's conveyor, Butler and the reaper on real S3.

A sandbox of its own, because which sites are on S3 is decided when a sandbox begins.
"""

from __future__ import annotations

import dataclasses
import io
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from astropy.io import fits

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.reading_urls import sign_urls
from dbb.flows.registration import ask_for_copies, register_units
from dbb.flows.whereabouts import find_copies
from dbb.hooks.s3_store import S3Store
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.model.policy import PolicyBook
from dbb.ports.catalog import RuleWish
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from integration.conftest import RunningSandbox
from sandbox import rest
from sandbox.prepare import prepare
from sandbox.synthetic_night import make_night
from support.conformance_store import fetch

pytestmark = pytest.mark.sandbox

NIGHT = DayObs(20250301)
DETECTORS = ("R22_S11", "R22_S12")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """FRDF and CHILE on S3, the others in folders."""
    sandbox = RunningSandbox(tmp_path_factory.mktemp("s3-sandbox"))
    summit = tmp_path_factory.mktemp("summit")
    try:
        sandbox.command("up", "--only", "storage", "--s3", "FRDF", "--s3", "CHILE")
        env = {**sandbox.env, "DBB_STORE_SUMMIT": summit.as_uri(), "summit": str(summit)}
        with pytest.MonkeyPatch.context() as patched:
            for key, value in env.items():
                if key.startswith(("LSST_", "AWS_")):
                    patched.setenv(key, value)
            prepare(Settings.load(environment=env))
            yield env
    finally:
        sandbox.command("down")


@pytest.fixture(scope="module")
def backbone(environment):
    return open_backbone(Settings.load(environment=environment), "integration test")


@pytest.fixture(scope="module")
def published(backbone, environment):
    """Move a night to France, with one object damaged on its way; give units and source files."""
    summit = Path(environment["summit"])
    make_night(
        summit, str(NIGHT), exposures=2, seed=3, pixels=8, instruments=("LSSTCam",),
        detectors=DETECTORS,
    )  # fmt: skip
    source = {path.name: path.read_bytes() for path in summit.rglob("*.fits")}
    time.sleep(backbone.policy.settle_s + 1)
    units = receive_arrivals(backbone, NIGHT).work
    land_units(backbone, units)
    apply_gate(backbone, units, {})
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    come(backbone, environment, units)
    damage(backbone.store("frdf"), f"raw/{Unit.parse(units[0]).bundle_name}")
    first = publish_units(backbone, units, "frdf")
    for _ in range(200):
        cycle(environment)
        publish_units(backbone, look_for_copies(backbone, "frdf", units).work, "frdf")
        if state(backbone, units, "frdf") == {State.PUBLISHED}:
            break
        time.sleep(0.2)
    return units, source, first


def cycle(environment):
    rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)


def come(backbone, environment, units, endpoint="frdf"):
    for _ in range(200):
        if len(look_for_copies(backbone, endpoint, units).work) == len(units):
            return
        cycle(environment)
        time.sleep(0.2)
    pytest.fail(f"it does not come: {look_for_copies(backbone, endpoint, units)}")


def state(backbone, units, endpoint):
    found = backbone.ledger.deliveries(units)
    return {found[unit, endpoint].state for unit in units}


def damage(store, name):
    """Flip one bit of an object, as the server's disk would not tell."""
    place = {"Bucket": store.bucket, "Key": f"{store.prefix}{name}"}
    data = bytearray(store.client.get_object(**place)["Body"].read())
    data[len(data) // 2] ^= 1
    store.client.put_object(**place, Body=bytes(data))


def copy_by_rule(backbone, environment, unit, rse, source):
    """Bring a unit somewhere by a rule alone; give the rule."""
    did = Did("raw", Unit.parse(unit).rucio_dataset)
    wish = RuleWish(rse, "Nightly", source_rse=source)
    rule = backbone.catalog.ensure_rules([did], wish)[did]
    for _ in range(200):
        status = backbone.catalog.rules([rule])[rule]
        if status.state == "ok":
            return rule
        cycle(environment)
        time.sleep(0.2)
    pytest.fail(f"{rse} does not get it from {source}: {status}")


def test_an_exposure_is_published_from_the_bucket(backbone, published):
    units, _, first = published
    assert first == {"published": 1, "waiting": 0, "refused": 1}  # the damaged one was noticed
    assert state(backbone, units, "frdf") == {State.PUBLISHED}
    steps = [e.new_state for e in backbone.ledger.events(units[0]) if e.endpoint == "frdf"]
    assert State.SUSPECT in steps
    assert steps.count(State.PUBLISHED) == 1


def test_butler_reads_the_sources_pixels_from_the_bucket(environment, published):
    from lsst.daf.butler import Butler

    units, source, _ = published
    where = f"instrument='LSSTCam' and exposure.day_obs={NIGHT}"
    with Butler.from_config(
        environment["DBB_BUTLER_FRDF"], collections="LSSTCam/raw/all"
    ) as butler:
        refs = butler.query_datasets("raw", where=where, limit=None)
        assert len(refs) == len(units) * len(DETECTORS)
        for ref in refs:
            uri = butler.getURI(ref)
            assert (uri.scheme, uri.netloc) == ("s3", "frdf_store@frdf")
            detector = butler.query_dimension_records("detector", data_id=ref.dataId)[0]
            record = butler.query_dimension_records("exposure", data_id=ref.dataId)[0]
            with fits.open(
                io.BytesIO(source[f"{record.obs_id}_{detector.full_name}.fits"])
            ) as expected:
                assert np.array_equal(butler.get(ref)[1].data, expected[1].data)


def test_rucio_names_the_objects_as_the_store_does(backbone, published):
    units, _, _ = published
    copy = whereabouts(backbone, units[0], "frdf")
    store = backbone.store("frdf")
    assert isinstance(store, S3Store)
    keys = {file.name for file in store.list_files("raw/")}
    assert len(copy.replicas) == 2
    for replica in copy.replicas:
        assert replica.startswith("https://127.0.0.1:")
        assert replica.partition("/frdf/store/")[2] in keys
    assert copy.verified_at is not None


def test_a_dead_link_waits_with_its_reason_and_age_and_stops_nobody_else(backbone, environment):
    """The way to UKDF is cut: France gets its copy, and Britain's says since when it waits."""
    book = PolicyBook(
        tuple(
            dataclasses.replace(
                policy, what=dataclasses.replace(policy.what, region=""), sources=("usdf",)
            )
            if policy.name == "raw-ukdf"
            else policy
            for policy in backbone.policies
        )
    )
    backbone = dataclasses.replace(backbone, policies=book)
    mount = Path(urlsplit(environment["DBB_STORE_UKDF"]).path)
    cut = mount.rename(mount.with_name("ukdf-cut"))
    night = NIGHT.next()
    make_night(
        Path(environment["summit"]), str(night), exposures=1, seed=4, pixels=8,
        instruments=("LSSTCam",), detectors=DETECTORS,
    )  # fmt: skip
    time.sleep(backbone.policy.settle_s + 1)
    [unit] = receive_arrivals(backbone, night).work
    land_units(backbone, [unit])
    apply_gate(backbone, [unit], {})
    register_units(backbone, [unit])
    publish_units(backbone, [unit], "usdf")
    ask_for_copies(backbone, [unit], "ukdf")
    come(backbone, environment, [unit], "frdf")
    assert publish_units(backbone, [unit], "frdf")["published"] == 1
    for _ in range(200):
        look = look_for_copies(backbone, "ukdf", [unit])
        if "STORE MISSING" in look.waiting.get(unit, ""):
            break
        cycle(environment)
        time.sleep(0.2)
    first = whereabouts(backbone, unit, "ukdf")
    assert "STORE MISSING" in first.waits_for
    assert first.state == "expected"
    assert first.stuck_at is not None
    look_for_copies(backbone, "ukdf", [unit])
    assert whereabouts(backbone, unit, "ukdf").stuck_at == first.stuck_at
    assert whereabouts(backbone, unit, "frdf").state == "published"
    cut.rename(mount)
    come(backbone, environment, [unit], "ukdf")
    assert publish_units(backbone, [unit], "ukdf")["published"] == 1
    after = whereabouts(backbone, unit, "ukdf")
    assert (after.state, after.waits_for, after.stuck_at) == ("published", "", None)
    assert after.verified_at is not None


def whereabouts(backbone, unit, endpoint):
    rows = list(backbone.ledger.units([unit]).values())
    copies = find_copies(backbone, Unit.parse(unit), rows).copies
    return next(copy for copy in copies if copy.endpoint == endpoint)


def test_others_read_a_file_from_the_bucket_by_an_address(backbone, published):
    units, _, _ = published
    rows = list(backbone.ledger.units(units[:1]).values())
    signed = sign_urls(backbone, rows, 60)
    assert {item.endpoint for item in signed} == {"frdf"}  # the archive's store is a folder
    for item in signed:
        with backbone.store("usdf").open(f"raw/{item.did.name}") as file:
            assert fetch(item.url) == file.read()


def test_from_bucket_to_folder_and_from_bucket_to_bucket(backbone, environment, published):
    units, _, _ = published
    name = f"raw/{Unit.parse(units[0]).bundle_name}"
    rules = {
        place: copy_by_rule(backbone, environment, units[0], place.upper(), "FRDF")
        for place in ("ukdf", "chile")
    }
    with backbone.store("usdf").open(name) as file:
        expected = file.read()
    for place in rules:
        with backbone.store(place).open(name, cold=True) as file:
            assert file.read() == expected
    # A rule that is dropped takes the object with it, and no other copy.
    backbone.catalog.drop_rules([rules["chile"]])
    for _ in range(200):
        cycle(environment)
        if backbone.store("chile").stat(name) is None:
            break
        time.sleep(0.2)
    assert backbone.store("chile").stat(name) is None
    assert backbone.store("frdf").stat(name) is not None
