"""Exports and the canary on real Airflow: triggered by its API, seen on the disk and in the ledger."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.watching import open_cage
from sandbox.export_key import SIGNER, allowed_signers
from sandbox.layout import Layout
from sandbox.night import Night
from support.dag_runs import Runs
from support.real_night import finished_night, store_folder

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def layout(sandbox_airflow):
    return Layout(root=ROOT, state=sandbox_airflow.state)


@pytest.fixture(scope="module")
def night(layout):
    made = Night(layout, print, "20250101")
    made.prepare()
    return made


def verify(bag, signers):
    """Verify a bag as its reader does: by the program that lies in it, without the project."""
    command = [sys.executable, "-I", str(bag / "verify_bag.py"), str(bag), "--json"]
    done = subprocess.run(
        [*command, "--signers", str(signers)], check=False, capture_output=True, text=True, cwd="/"
    )
    return done.returncode, json.loads(done.stdout)


def test_an_export_by_the_dag_is_valid_to_its_own_verifier(night, layout, tmp_path):
    env = {**night.env, "DBB_STORE_SUMMIT": tmp_path.as_uri(), "summit": str(tmp_path)}
    backbone = open_backbone(Settings.load(environment=env), "integration test")
    day, units = finished_night(backbone, env, 2)
    name = f"night-{uuid.uuid4().hex[:8]}"
    runs = Runs(night, "export_bundle")
    states = runs.end(
        runs.trigger(
            name=name, owner="integration test", collections=["LSSTCam/raw/all"],
            where="instrument = 'LSSTCam' AND exposure.day_obs = night", bind={"night": day.value},
        )
    )  # fmt: skip
    assert states == {
        "plan_export": "success", "ask_a_person": "skipped", "make_export": "success",
    }  # fmt: skip
    bag = Path(night.env["DBB_EXPORT_ROOT"]) / name
    rows = [json.loads(line) for line in (bag / "snapshot.jsonl").read_text().splitlines()]
    assert {row["unit"] for row in rows} == set(units)
    assert {row["dataset_type"] for row in rows} == {"raw"}
    signers = allowed_signers(layout)
    code, report = verify(bag, signers)
    assert (code, report["verdict"], report["signed_by"]) == (0, "valid", SIGNER)
    key = Path(night.env["DBB_EXPORT_KEY"])
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    # The verifier is one that can say no.
    damaged = bag / rows[0]["path"]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\1")
    code, report = verify(bag, signers)
    assert (code, [each["code"] for each in report["findings"]]) == (1, ["changed-file"])


def test_a_canary_by_the_dag_goes_round_and_is_removed(night):
    settings = Settings.load(environment=night.env)
    cage = open_cage(settings, "integration test")
    newest = cage.rows.newest(1)
    known = newest[0].number if newest else 0
    runs = Runs(night, "canary")
    assert runs.end(runs.trigger(), 700) == {"fly_canary": "success"}
    # The oldest of the new ones: the clock's next may fly already.
    canary = min(
        (each for each in cage.rows.newest(9) if each.number > known), key=lambda c: c.number
    )
    assert canary.outcome == "through"
    stages = cage.rows.stages(canary)
    assert {f"read at {place}" for place in settings.raw.publishers} <= set(stages)
    print(f"canary {canary.number}: {stages}")  # noqa: T201 - the figure
    for _ in range(5):  # each run first removes what Rucio had yet to delete
        if canary.number not in {each.number for each in cage.rows.left()}:
            break
        runs.end(runs.trigger(), 700)
    assert canary.number not in {each.number for each in cage.rows.left()}
    for place in settings.raw.publishers:
        folder = store_folder(night.env, place) / "raw" / canary.unit.folder
        assert not any(path.is_file() for path in folder.rglob("*"))
