"""The cache near the telescope over real images and a real Butler, with no service at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lsst.daf.butler import Butler

from dbb.hooks.butler_dataset_types import derive_id
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.instruments import load_instruments
from sandbox.synthetic_night import make_night

DAY = "20250115"
ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")


@pytest.fixture
def site(tmp_path):
    """Lay out a summit with two exposures of two detectors, and an empty cache."""
    summit = tmp_path / "summit"
    make_night(
        summit, DAY, exposures=2, seed=5, pixels=16, instruments=("LSSTCam",),
        detectors=("R22_S11", "R22_S12"),
    )  # fmt: skip
    then = time.time() - 60
    for path in summit.rglob("*.*"):
        os.utime(path, (then, then))
    (tmp_path / "cache").mkdir()
    known = load_instruments()
    create_repository(tmp_path / "butler", [known["LSSTCam"], known["LATISS"]])
    return tmp_path


def dbb(site, *words):
    environment = {key: os.environ[key] for key in KEPT if key in os.environ} | {
        "DBB_STORE_SUMMIT": (site / "summit").as_uri(),
        "DBB_STORE_OODS": (site / "cache").as_uri(),
        "DBB_BUTLER_OODS": str(site / "butler"),
        "DBB_OODS_JOURNAL": str(site / "journal.sqlite"),
        "DBB_SANDBOX_DIR": str(site / "none"),
        "PYTHONPATH": str(ROOT / "plugins"),
    }
    command = [sys.executable, "-m", "dbb", *words, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_real_images_are_served_without_ledger_rucio_or_airflow(site):
    counts = dbb(site, "oods", "ingest", "--day-obs", DAY)
    assert (counts["served"], counts["refused"]) == (4, 0)
    again = dbb(site, "oods", "ingest", "--day-obs", DAY)
    assert (again["served"], again["known"]) == (0, 4)
    with Butler.from_config(str(site / "butler")) as butler:
        refs = butler.query_datasets("raw", collections="LSSTCam/raw/oods", find_first=False)
        assert len(refs) == 4
        for ref in refs:
            theirs = derive_id(ref.datasetType, ref.dataId, "LSSTCam/raw/all")
            assert ref.id == derive_id(ref.datasetType, ref.dataId, "LSSTCam/raw/oods") != theirs
            with butler.get(ref) as images:
                assert images[0].header["OBSID"].startswith("MC_O_2025")
    status = dbb(site, "oods", "status")
    assert (status["images"], status["exposures"], status["not_merged"]) == (4, 2, 4)
    assert status["lag_p95_s"] >= 60
