"""The guide for production names settings, files and pools that exist."""

import json
import re
from pathlib import Path

import pytest
import yaml

from support.airflow_settings import airflow_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operate/production.md").read_text(encoding="utf-8")
NOT_INSTALLED = {"kubernetes_executor", "edge"}
"""Sections of providers that are not in the lock: nothing here can tell whether their options exist."""


def test_every_setting_of_airflow_exists():
    known = airflow_settings()
    named = re.findall(r"`\[([a-z_]+)\] ([a-z_]+)`", PAGE)
    assert len(named) > 20
    for section, option in named:
        if section not in NOT_INSTALLED:
            assert option in known.get(section, ()), f"[{section}] {option}"


@pytest.mark.parametrize("section", sorted(NOT_INSTALLED))
def test_what_nothing_here_can_check_is_said_to_be_unverified(section):
    assert section not in airflow_settings()
    assert f"`[{section}]`" in PAGE.split("**Not verified here:**")[1]


def test_every_variable_of_ours_is_in_the_reference():
    reference = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(DBB_[A-Z0-9_]+(?:<ENDPOINT>)?)`", reference))
    named = set(re.findall(r"\bDBB_[A-Z0-9_]+(?:<ENDPOINT>)?", PAGE))
    assert named
    assert named <= documented, named - documented


def test_every_file_exists():
    for name in re.findall(r"`((?:include|plugins|tests)/[\w./]+)`", PAGE):
        assert (ROOT / name).exists(), name


def test_every_pool_is_described():
    for name in json.loads((ROOT / "include/pools.json").read_text()):
        assert f"`{name}`" in PAGE, name


def test_every_secret_of_the_template_is_named():
    template = (ROOT / "airflow.cfg.template").read_text()
    for name in re.findall(
        r"^(?!#).*DBB_AIRFLOW_SECRETS_DIR\}/(celery_\w+)", template, re.MULTILINE
    ):
        assert f"$DBB_AIRFLOW_SECRETS_DIR/{name}" in PAGE


def test_the_clocks_that_it_explains_are_those_of_the_template():
    template = (ROOT / "airflow.cfg.template").read_text()
    for setting, said in (
        ("task_instance_heartbeat_timeout = 60", "heartbeat_timeout` (60 s)"),
        ("heartbeat_timeout_detection_interval = 10", "detection_interval` (10 s)"),
        (
            "visibility_timeout = ${DBB_AIRFLOW_VISIBILITY_S:-300}",
            "`DBB_AIRFLOW_VISIBILITY_S`, 300 s",
        ),
    ):
        assert setting in template
        assert said in PAGE


def test_the_pod_is_a_document():
    (pod,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    container = yaml.safe_load(pod)["spec"]["containers"][0]
    assert container["name"] == "base"  # the one that Airflow fills in
