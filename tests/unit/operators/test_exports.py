"""The steps of the export DAG, over a real Butler."""

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

import dbb.operators.exports as steps
from dbb.errors import BadDocument
from dbb.operators.exports import MakeExport, PlanExport, export_params
from dbb.verify_bag import verify
from support.bags import make_key
from support.calibration_site import CalibrationSite
from support.exports import Exports

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def exports(tmp_path, monkeypatch):
    world = CalibrationSite(tmp_path / "world")
    world.observe(1)
    made = Exports(world, tmp_path / "out", *make_key(tmp_path))
    monkeypatch.setattr(steps, "open_for_run", lambda _: world.backbone())
    monkeypatch.setattr(steps, "_open", lambda _: made.ports)
    monkeypatch.setenv("DBB_EXPORT_ROOT", str(made.folder))
    return made


@pytest.fixture
def run():
    pushed = {}
    given = {name: param.value for name, param in export_params("usdf", ("usdf",)).items()}
    given |= {"name": "night", "owner": "somebody", "where": "instrument = 'LSSTCam'"}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    return {"run_id": "manual__test", "params": given, "ti": ti, "pushed": pushed}


def test_a_small_export_asks_nobody_and_is_made(exports, run):
    with pytest.raises(DownstreamTasksSkipped) as caught:
        PlanExport(task_id="plan", approval="ask").execute(run)
    assert caught.value.tasks == ["ask"]
    assert run["pushed"]["lines"].startswith("night for somebody: 2 datasets, 2 files, ")
    assert not exports.bag.exists()
    made = MakeExport(task_id="make").execute(run)
    assert (made["datasets"], made["left_out"]) == (2, 0)
    assert verify(made["place"], signers=str(exports.signers)).verdict == "valid"


@pytest.mark.usefixtures("exports")
def test_a_large_export_asks_a_person_with_its_size(run, monkeypatch):
    monkeypatch.setenv("DBB_EXPORT_APPROVAL_BYTES", "1000")
    planned = PlanExport(task_id="plan", approval="ask").execute(run)
    assert planned["bytes"] > 1000


@pytest.mark.usefixtures("exports")
def test_an_export_without_a_name_or_an_owner_is_refused(run):
    for field in ("name", "owner"):
        with pytest.raises(BadDocument):
            PlanExport(task_id="plan", approval="ask").execute(
                run | {"params": run["params"] | {field: ""}}
            )
