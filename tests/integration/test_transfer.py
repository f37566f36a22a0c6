"""The transfer over the real parts: POSIX stores, Rucio with its daemons, two Butlers, PostgreSQL.

Airflow is left out here, so that each step can be looked at; ``test_raw_transfer_dag.py`` has it.
"""

from __future__ import annotations

import datetime as dt
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.copies import count_copies, look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.releasing import read_again, release_units
from dbb.flows.repairing import carry_out, finish_repairs, plan_repairs
from dbb.flows.scrubbing import reread_copies
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.keeping import open_keeping
from sandbox import rest
from sandbox.prepare import prepare
from sandbox.synthetic_night import CATALOGUE, Kind, deliver_late, make_night, resend_good
from sandbox.synthetic_night.faults import RESENT
from support.held_dags import held

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox):
    """Let the clock's runs read, find and mend nothing of what is damaged here."""
    with held(sandbox, "reconcile", "repair", "scrub"):
        yield


@pytest.fixture(scope="module")
def environment(sandbox, tmp_path_factory):
    """The sandbox's addresses, with a summit of this module's own."""
    summit = tmp_path_factory.mktemp("summit")
    env = {**sandbox.env, "DBB_STORE_SUMMIT": summit.as_uri()}
    prepare(Settings.load(environment=env))
    return env | {"summit": str(summit)}


@pytest.fixture
def backbone(environment):
    return open_backbone(Settings.load(environment=environment), "integration test")


def fresh_night(backbone):
    """Name a night that nobody has used yet: a sandbox may outlive a test run."""
    day_obs = DayObs(20250101)
    while backbone.ledger.units_of_night("LSSTCam", day_obs.value):
        day_obs = day_obs.next()
    return day_obs


def cycle(environment):
    """Have Rucio's daemons work once."""
    rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)


def move(backbone, environment, day_obs, *, cycles=200):
    """Do what one run of the DAG does, except for the expectations."""
    work = receive_arrivals(backbone, day_obs).work
    land_units(backbone, work)
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, work)], {})
    register_units(backbone, work)
    publish_units(backbone, work, "usdf")
    for _ in range(cycles):
        for endpoint in backbone.policy.receivers:
            look = look_for_copies(backbone, endpoint, work)
            publish_units(backbone, look.work, endpoint)
        if count_copies(backbone, work)["waiting"] == 0:
            break
        cycle(environment)
        time.sleep(0.2)  # the copy service works in its own time
    read_again(backbone, work)
    release_units(backbone, work)
    return work


def take_night(environment, day_obs, **options):
    options = {"exposures": 2, "seed": 7, "pixels": 16, "instruments": ("LSSTCam",), **options}
    plan = make_night(Path(environment["summit"]), str(day_obs), **options)
    settle(environment)
    return plan


def settle(environment, age_s=60):
    """Let files come to rest by dating them back."""
    then = time.time() - age_s
    for path in Path(environment["summit"]).rglob("*.*"):
        os.utime(path, (then, then))


def states(backbone, units):
    found = backbone.ledger.deliveries(units)
    return {
        endpoint: sorted({str(found[unit, endpoint].state) for unit in units})
        for endpoint in ("summit", "usdf", "frdf")
    }


DONE = {"summit": ["released"], "usdf": ["published"], "frdf": ["published"]}


def test_a_night_goes_from_the_summit_to_published_at_both_endpoints(backbone, environment):
    day_obs = fresh_night(backbone)
    take_night(environment, day_obs)
    pixels = {}
    for path in Path(environment["summit"]).rglob("*.fits"):
        pixels[path.name] = path.read_bytes()
    assert len(pixels) == 2 * 205
    units = move(backbone, environment, day_obs)
    assert states(backbone, units) == DONE
    assert list(Path(environment["summit"]).rglob("*.fits")) == []
    assert backbone.ledger.refusals(day_obs=day_obs.value) == []
    for endpoint in ("usdf", "frdf"):
        _check_as_a_user(environment, endpoint, day_obs, pixels)
    again = receive_arrivals(backbone, day_obs)  # a finished night is no work
    assert (again.work, again.waiting, again.finished) == ([], [], 2)


def _check_as_a_user(environment, endpoint, day_obs, pixels):
    """``butler query-datasets`` lists the raws, ``butler.get`` reads the source's pixels."""
    from lsst.daf.butler import Butler

    repository = environment[f"DBB_BUTLER_{endpoint.upper()}"]
    where = f"instrument='LSSTCam' and exposure.day_obs={day_obs}"
    butler_tool = Path(sys.executable).with_name("butler")
    listed = subprocess.run(
        [butler_tool, "query-datasets", repository, "raw", "--where", where, "--limit", "0"],
        check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": "plugins"},
    ).stdout  # fmt: skip
    assert listed.count("LSSTCam/raw/all") == 2 * 197
    with Butler.from_config(repository, collections="LSSTCam/raw/all") as butler:
        for dataset_type, number in (("raw", 2 * 197), ("guider_raw", 2 * 8)):
            refs = butler.query_datasets(dataset_type, where=where, limit=None)
            assert len(refs) == number
            for ref in refs[:3]:
                found = butler.get(ref)
                record = butler.query_dimension_records("exposure", data_id=ref.dataId)[0]
                detector = butler.query_dimension_records("detector", data_id=ref.dataId)[0]
                guider = "_guider" if dataset_type == "guider_raw" else ""
                source = pixels[f"{record.obs_id}_{detector.full_name}{guider}.fits"]
                with fits.open(io.BytesIO(source)) as expected:
                    assert len(found) == len(expected)
                    assert np.array_equal(found[1].data, expected[1].data)


def test_every_planted_fault_ends_as_its_catalogue_says(backbone, environment):
    day_obs = fresh_night(backbone)
    plan = take_night(
        environment, day_obs, exposures=13, faults={str(kind): 1 for kind in CATALOGUE}
    )
    move(backbone, environment, day_obs)
    assert states(backbone, plan.clean) == DONE
    assert _held(backbone, day_obs) == _expected(plan, later=False)
    resend_good(plan)
    deliver_late(plan)
    settle(environment, age_s=7200)  # so old that an incomplete exposure waits no longer
    move(backbone, environment, day_obs)
    assert states(backbone, list(plan.faults)) == DONE
    assert _held(backbone, day_obs) == _expected(plan, later=True)


def _held(backbone, day_obs):
    return {(item.unit, item.code) for item in backbone.ledger.refusals(day_obs=day_obs.value)}


def _expected(plan, *, later):
    """What must be held before, and after, the late and the good files came."""
    lasting = {Kind.UNEXPECTED_FILE, Kind.UNSAFE_NAME}
    kinds = (
        lasting | {Kind.MISSING_DETECTOR, Kind.CONFLICTING_DUPLICATE} if later else lasting | RESENT
    )
    return {(unit, fault.code) for unit, fault in plan.faults.items() if fault.kind in kinds}


def _copy(environment, endpoint, unit, ending):
    root = Path(environment[f"DBB_STORE_{endpoint.upper()}"].removeprefix("file://"))
    (path,) = root.rglob(f"{unit.rpartition('/')[2]}*{ending}")
    return path


def test_rot_and_a_lost_file_at_the_archive_are_found_and_brought_back_by_rucio(
    backbone, environment
):
    day_obs = fresh_night(backbone)
    take_night(environment, day_obs)
    units = move(backbone, environment, day_obs)
    whole = {
        path: path.read_bytes()
        for path in (_copy(environment, "usdf", unit, ".zip") for unit in units)
    }
    rotten, gone = whole
    rotten.write_bytes(
        whole[rotten][:5000] + bytes([whole[rotten][5000] ^ 1]) + whole[rotten][5001:]
    )
    gone.unlink()

    settings = Settings.load(environment=environment)
    readings = open_keeping(settings, "integration test")
    overdue = reread_copies(
        backbone, readings, "usdf", dt.timedelta(microseconds=1), dt.timedelta(minutes=10)
    )
    assert overdue.damaged >= 2
    rows = open_keeping(settings, "integration test")
    order = settings.sources_of_repair
    for _ in range(200):
        finish_repairs(backbone, rows)
        plan = plan_repairs(backbone, rows, order)
        if plan:
            carry_out(backbone, plan)
        elif states(backbone, units) == DONE:
            break
        cycle(environment)
        time.sleep(0.2)
    assert states(backbone, units) == DONE
    assert {path: path.read_bytes() for path in whole} == whole
    assert backbone.ledger.refusals(day_obs=day_obs.value) == []
