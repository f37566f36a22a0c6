"""The steps of the EFD's archive: one call of a flow each, for the hours of the run."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from dbb.errors import EfdUnavailable
from dbb.model.efd import CellState, to_ns
from dbb.operators import efd as steps
from dbb.wiring import backbone as backbone_wiring
from dbb.wiring import base as base_wiring
from dbb.wiring import efd as efd_wiring
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT, make_efd
from support.fake_efd import MemorySource
from support.world import World

SPAN = {"begin": BEGIN.isoformat(), "end": (BEGIN + HOUR).isoformat()}


@pytest.fixture
def world(monkeypatch):
    made = World()
    made.clock._now = BEGIN + HOUR + HOUR / 6
    monkeypatch.setenv("DBB_EFD_URL", "memory://")
    monkeypatch.setattr(steps, "open_for_run", lambda _: made.backbone())
    return made


@pytest.fixture
def source(world, monkeypatch):
    made = MemorySource()
    made.write(MOUNT, to_ns(BEGIN), azimuth0=1.0, private_seqNum=1)
    monkeypatch.setattr(efd_wiring, "open_efd_extraction", lambda *_: make_efd(world, made))
    return made


@pytest.fixture
def context():
    return {"run_id": "r", "outlet_events": defaultdict(SimpleNamespace)}


def test_a_run_extracts_its_hour_and_tells_who_waits_for_the_instrument(world, source, context):
    asset = steps.archived("LSSTCam")
    expect = steps.ExpectHours(task_id="a", **SPAN)
    compare = steps.FindLatePoints(task_id="b", look_back_h="5", **SPAN)
    extract = steps.ExtractOpenHours(task_id="c", limit_s="60", **SPAN)
    seal = steps.ArchiveHours(task_id="d", outlets=[asset], **SPAN)
    assert expect.execute(context) == {"opened": 2}
    assert compare.execute(context) == {"compared": 0, "reopened": 0, "gone": 0}
    assert extract.execute(context)["extracted"] == 1
    assert seal.execute(context) == {"parcels": 1}
    assert context["outlet_events"][asset].extra == SPAN
    assert asset.name == "efd/LSSTCam"
    efd = make_efd(world, source)
    assert {cell.state for cell in efd.cells.cells([MOUNT, EVENT], BEGIN, BEGIN + HOUR)} == {
        CellState.EXTRACTED
    }
    source.write(MOUNT, to_ns(BEGIN) + 1, azimuth0=2.0, private_seqNum=2)
    assert compare.execute(context)["reopened"] == 1


@pytest.mark.usefixtures("source")
def test_comparing_looks_back_as_far_as_it_is_told(context):
    steps.ExpectHours(task_id="a", **SPAN).execute(context)
    steps.ExtractOpenHours(task_id="c", limit_s="60", **SPAN).execute(context)
    later = {"begin": (BEGIN + 3 * HOUR).isoformat(), "end": (BEGIN + 4 * HOUR).isoformat()}
    for look_back_h, compared in (("2", 0), ("3", 2)):
        step = steps.FindLatePoints(task_id="b", look_back_h=look_back_h, **later)
        assert step.execute(context)["compared"] == compared


def test_a_source_that_is_down_fails_the_step(source, context):
    steps.ExpectHours(task_id="a", **SPAN).execute(context)
    source.is_down = True
    with pytest.raises(EfdUnavailable):
        steps.ExtractOpenHours(task_id="c", limit_s="60", **SPAN).execute(context)


@pytest.mark.usefixtures("source")
def test_where_there_is_no_efd_the_steps_are_skipped(context, monkeypatch):
    monkeypatch.delenv("DBB_EFD_URL")
    with pytest.raises(AirflowSkipException):
        steps.ExpectHours(task_id="a", **SPAN).execute(context)


def test_what_differs_by_run_is_a_template():
    for step in (steps.ExpectHours, steps.ArchiveHours):
        assert set(step.template_fields) == {"begin", "end"}
    assert "look_back_h" in steps.FindLatePoints.template_fields
    assert "limit_s" in steps.ExtractOpenHours.template_fields


def test_the_real_ports_can_be_opened(tmp_path):
    """Nothing is asked of the EFD before it is needed: its gaps can be seen while it is away."""
    from dbb.settings import Settings

    store = tmp_path / "store"
    store.mkdir()
    settings = Settings.load(
        environment={
            "DBB_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
            "DBB_STORE_USDF": store.as_uri(),
        }
    )
    base_wiring.open_ledger(settings, "test").migrate()
    backbone = backbone_wiring.open_backbone(settings, "test")
    efd = efd_wiring.open_efd_extraction(settings, backbone, "test")
    assert efd.cells.first() is None
