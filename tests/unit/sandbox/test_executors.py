"""Workers and their queue are there when somebody chose them, and the endpoint's tasks go to its own."""

from __future__ import annotations

import pytest

from dbb.settings import Settings
from sandbox import cli
from sandbox.allotted import Allotted
from sandbox.client_env import client_env
from sandbox.errors import SandboxError
from sandbox.executors import keep_executor
from sandbox.layout import Layout
from sandbox.registry import all_services
from sandbox.services.airflow import Scheduler
from sandbox.services.celery import EndpointWorker
from sandbox.services.redis import Redis


@pytest.fixture
def layout(tmp_path):
    return Layout(root=cli.Layout.find().root, state=tmp_path / "state")


def names(layout):
    return {service.name for service in all_services(layout, Allotted(layout.allotted_file))}


def queues(layout):
    environment = client_env(layout, Allotted(layout.allotted_file))
    settings = Settings.load(environment=environment)
    return {name: settings.endpoint(name).queue for name in ("usdf", "frdf", "chile")}


def test_tasks_run_on_this_machine_unless_somebody_chose_otherwise(layout):
    assert names(layout) & {"redis", "airflow-worker", "airflow-worker-frdf"} == set()
    assert set(queues(layout).values()) == {"default"}
    scheduler = Scheduler(layout, Allotted(layout.allotted_file))
    assert scheduler.template_values()["DBB_AIRFLOW_EXECUTOR"] == "LocalExecutor"


def test_celery_brings_a_queue_a_worker_and_one_more_at_an_endpoint(layout):
    keep_executor(layout, "celery", airflow_runs=False)
    assert names(layout) >= {"redis", "airflow-worker", "airflow-worker-frdf"}
    assert queues(layout) == {"usdf": "default", "frdf": "frdf", "chile": "default"}
    worker = EndpointWorker(layout, Allotted(layout.allotted_file))
    assert worker.template_values()["DBB_AIRFLOW_EXECUTOR"] == "CeleryExecutor"
    assert worker.command()[3:5] == ["--queues", "frdf"]
    keep_executor(layout, "local", airflow_runs=False)
    assert "redis" not in names(layout)


def test_the_executor_does_not_change_under_a_running_airflow(layout):
    keep_executor(layout, "celery", airflow_runs=False)
    keep_executor(layout, "celery", airflow_runs=True)
    with pytest.raises(SandboxError, match="sandbox down"):
        keep_executor(layout, "local", airflow_runs=True)
    assert layout.executor() == "celery"


def test_a_worker_is_ready_when_it_says_so_after_this_start(layout, monkeypatch):
    layout.make()
    worker = EndpointWorker(layout, Allotted(layout.allotted_file))
    monkeypatch.setattr(worker, "is_running", lambda: True)
    assert not worker.is_ready()
    log = layout.log(worker.name)
    log.write_text(f"{worker._begin}celery@frdf ready.\n")
    assert worker.is_ready()
    log.write_text(f"{log.read_text()}{worker._begin}")
    assert not worker.is_ready()


def test_the_brokers_password_is_in_no_command_line_and_no_file_for_others(layout):
    redis = Redis(layout, Allotted(layout.allotted_file))
    layout.make()
    redis.prepare()
    assert redis.password not in " ".join(redis.command())
    kept = layout.data("redis") / "redis.conf"
    assert f"requirepass {redis.password}" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
