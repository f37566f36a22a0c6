"""The canary's step: it waits without a worker, and ends through or stuck."""

import pytest
from airflow.sdk.exceptions import TaskDeferred

import dbb.operators.canary as steps
from dbb.errors import CanaryStuck
from dbb.operators.canary import FlyCanary
from support.canary_world import Aviary
from support.world import World

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def aviary(monkeypatch):
    made = Aviary(World())
    monkeypatch.setattr(steps, "_open", lambda _: made.cage())
    monkeypatch.setattr(steps, "now", made.world.clock.now)
    return made


def fly(aviary, looks, *, limit_s=600):
    """Run the step as Airflow does, which wakes it every ten seconds."""
    step, context = FlyCanary(task_id="fly", limit_s=limit_s), {"run_id": "scheduled__test"}
    begin = lambda: step.execute(context)  # noqa: E731
    for _ in range(looks):
        try:
            return begin()
        except TaskDeferred as waits:
            aviary.world.clock.advance(steps.LOOK_EVERY.total_seconds())
            aviary.world.catalog.run_daemons()
            begin = lambda given=waits.kwargs: step.go_on(context, None, **given)  # noqa: E731
    raise AssertionError("it waits for ever")


def test_it_waits_without_a_worker_and_tells_the_seconds_of_each_stage(aviary):
    stages = fly(aviary, 20)
    assert stages["lay down"] < stages["read at frdf"] <= 60
    assert aviary.left() == []


def test_one_that_sticks_fails_the_step(aviary, monkeypatch):
    monkeypatch.setattr(aviary.world.catalog, "run_daemons", lambda: None)
    with pytest.raises(CanaryStuck, match="copy to frdf"):
        fly(aviary, 20, limit_s=30)
    assert aviary.left() == []
