"""What each step begins with: keys that its run may have, and how much of the processor; and who answers approvals."""

import json

import pytest

from dbb.expiry_rules import load_expiry
from dbb.settings import Settings

HOSTILE = ("20261121; rm -rf /", "{{ 7*7 }}", "../../etc", "x\ny")
"""Texts that a parameter with a narrow meaning must not take."""

FREE = {
    "efd_etl.accept_reason", "export_bundle.licence", "export_bundle.owner",
    "export_bundle.title", "export_bundle.where", "maintenance.reason",
}  # fmt: skip
"""Parameters that are text by nature: the schema says that they are text, the step checks what they mean."""

DESCRIBE = """
import json, os
from types import SimpleNamespace
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.exceptions import ParamValidationError
from dbb.errors import UnknownParameter
folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
hostile = json.loads(os.environ["HOSTILE"])
bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")

def takes(param, value):
    try:
        param.resolve(value)
    except ParamValidationError:
        return False
    return True

lowered = set()

def stops(task, dag, conf):
    os.nice = lambda by: lowered.add((dag.dag_id, by))
    hook = task._pre_execute_hook if hasattr(task, "_pre_execute_hook") else task.partial_kwargs["pre_execute"]
    try:
        hook({"dag": dag, "task": task, "dag_run": SimpleNamespace(conf=conf)})
    except UnknownParameter as error:
        return str(error)
    return ""

told = {}
for dag in bag.dags.values():
    params = {name: dag.params.get_param(name) for name in dag.params}
    told[dag.dag_id] = {
        "params": {
            name: {"any": any(takes(param, value) for value in ([[]], {"a": [1]}, -1.5e300)),
                   "hostile": [text for text in hostile if takes(param, text)]}
            for name, param in params.items()
        },
        "well": {task.task_id: stops(task, dag, dict.fromkeys(params)) + stops(task, dag, None) for task in dag.tasks},
        "wrong": {task.task_id: stops(task, dag, {"dayobs": 1}) for task in dag.tasks},
        "asks": {task.task_id: [each["id"] for each in task.assigned_users or []]
                 for task in dag.tasks if task.task_type == "ApprovalOperator"},
    }
print(json.dumps({"errors": bag.import_errors, "dags": told, "background": sorted(lowered)}))
"""


@pytest.fixture(scope="module")
def told(run_airflow_code):
    environment = {"HOSTILE": json.dumps(HOSTILE), "DBB_CURATORS": "anne, 17:Bob B"}
    answer = json.loads(run_airflow_code(DESCRIBE, **environment).splitlines()[-1])
    assert answer["errors"] == {}
    return answer


@pytest.fixture
def dags(told):
    return told["dags"]


def test_every_parameter_refuses_values_of_another_kind(dags):
    loose = [
        f"{dag_id}.{name}"
        for dag_id, dag in dags.items()
        for name, param in dag["params"].items()
        if param["any"]
    ]
    assert loose == []


def test_every_parameter_refuses_hostile_text_unless_it_is_text_by_nature(dags):
    loose = {
        f"{dag_id}.{name}"
        for dag_id, dag in dags.items()
        for name, param in dag["params"].items()
        if param["hostile"]
    }
    assert loose == FREE


def test_every_step_refuses_keys_that_are_no_parameters(dags):
    for dag_id, dag in dags.items():
        assert dag["wrong"], dag_id
        for step, error in dag["wrong"].items():
            assert "unknown-parameter" in error, (dag_id, step)
            assert "'dayobs'" in error


def test_no_step_refuses_the_dags_own_parameters(dags):
    for dag_id, dag in dags.items():
        assert {step: error for step, error in dag["well"].items() if error} == {}, dag_id


def test_every_approval_names_who_may_answer(dags):
    asking = {dag_id: dag["asks"] for dag_id, dag in dags.items() if dag["asks"]}
    assert set(asking) == {"export_bundle", "qserv_rollback", "repair"} | {
        f"expire_{name}" for name in load_expiry(Settings.load()).endpoints
    }
    for steps in asking.values():
        for users in steps.values():
            assert users == ["anne", "17"]


def test_only_what_can_wait_leaves_the_processor_to_others(told):
    lowered = dict(told["background"])
    assert set(lowered.values()) == {15}
    assert {"raw_transfer", "scrub_usdf", "reconcile_usdf", "export_bundle"} <= set(lowered)
    in_time = {"raw_tonight", "deliver_frdf", "calibration_daily", "alert_archive", "alarm_watch"}
    assert in_time <= set(told["dags"])
    assert not in_time & set(lowered)
