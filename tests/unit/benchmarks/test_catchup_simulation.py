"""The simulated day: tonight is not delayed by an earlier night unless it has to share what it needs."""

import pytest
from benchmarks import catchup_simulation
from benchmarks.catchup_simulation import Machine, simulate

MACHINE = Machine(cores=4, parallelism=8, latency_s=1.0, task_cpu_s=0.4)
LIVE = {"live": 60, "every_s": 12.0, "hours": 0.5}


def test_one_exposure_takes_the_time_of_its_steps():
    (latency,) = simulate(MACHINE, live=1, every_s=1, earlier=0, hours=0.1, settle_s=5).latencies
    # It settles; five tasks follow each other, each after a second and with its own CPU time.
    work = 0.1 + sum((0.40, 0.0, 0.034, 0.095))
    assert latency == pytest.approx(5 + 5 * (1.0 + 0.4) + work, abs=0.01)


def test_an_earlier_night_comes_back_and_tonight_is_as_quick_as_alone():
    alone, beside = (simulate(MACHINE, earlier=earlier, **LIVE) for earlier in (0, 200))
    assert len(beside.latencies) == 60
    assert len(beside.caught_up) == 200
    assert beside.quantile(0.95) == pytest.approx(alone.quantile(0.95), abs=1.0)


def test_in_the_pool_and_with_the_priority_of_tonight_it_would_delay_it(monkeypatch):
    alone = simulate(MACHINE, earlier=0, **LIVE)
    monkeypatch.setattr(catchup_simulation, "EARLIER", catchup_simulation.TONIGHT + 50)
    monkeypatch.setattr(catchup_simulation, "EARLIER_POOL", "raw")
    assert simulate(MACHINE, earlier=400, **LIVE).quantile(0.95) > alone.quantile(0.95) + 20


def test_cores_are_shared():
    few = Machine(cores=0.5, parallelism=8, latency_s=1.0, task_cpu_s=0.4)
    assert simulate(few, earlier=0, **LIVE).quantile(0.5) > simulate(
        MACHINE, earlier=0, **LIVE
    ).quantile(0.5)


def test_what_can_wait_leaves_few_cores_to_tonight(monkeypatch):
    few = Machine(cores=1, parallelism=8, latency_s=1.0, task_cpu_s=0.4, byte_cpu_s=0.5)
    alone, beside = (simulate(few, earlier=earlier, **LIVE) for earlier in (0, 40))
    monkeypatch.setattr(catchup_simulation, "NICENESS", 0)
    equal = simulate(few, earlier=40, **LIVE)
    assert beside.quantile(0.5) < alone.quantile(0.5) * 1.15
    assert equal.quantile(0.5) > alone.quantile(0.5) * 1.3
