"""A setting is filled or refused, never silently empty."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from sandbox.allotted import Allotted
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.render_config import render
from sandbox.services.airflow import AirflowApi
from support.airflow_settings import airflow_settings

TEMPLATE = Path(__file__).resolve().parents[3] / "airflow.cfg.template"


def test_a_name_is_filled():
    assert render("port = ${DBB_PORT}\n", {"DBB_PORT": "80"}) == "port = 80\n"


def test_a_default_stands_in_for_an_unset_name_only():
    assert render("a = ${DBB_A:-yes}", {}) == "a = yes"
    assert render("a = ${DBB_A:-yes}", {"DBB_A": "no"}) == "a = no"
    assert render("a = ${DBB_A:-}", {}) == "a = "


def test_all_unset_names_are_told_at_once():
    with pytest.raises(SandboxError, match="DBB_A, DBB_B"):
        render("a = ${DBB_A}\nb = ${DBB_B}", {})


def test_comments_are_left_alone():
    assert render("# write ${NAME} here", {}) == "# write ${NAME} here"


def test_a_value_cannot_add_a_setting():
    with pytest.raises(SandboxError, match="line break"):
        render("a = ${DBB_A}", {"DBB_A": "1\nexpose_config = True"})


@pytest.fixture
def rendered(tmp_path):
    layout = Layout(root=TEMPLATE.parent, state=tmp_path)
    api = AirflowApi(layout, Allotted(tmp_path / "allotted.json"))
    return render(TEMPLATE.read_text(), api.template_values()), api


def parsed(text):
    config = configparser.ConfigParser()
    config.read_string(text)
    return config


def test_the_sandbox_fills_every_placeholder_of_the_airflow_template(rendered):
    text, _ = rendered
    assert "${" not in "".join(line for line in text.splitlines() if not line.startswith("#"))
    assert parsed(text)["core"]["load_examples"] == "False"


def test_no_secret_reaches_the_rendered_file(rendered):
    text, api = rendered
    for secret in api.secrets().values():
        assert secret not in text


def test_production_gets_the_hardened_defaults(rendered):
    _, api = rendered
    required = {
        key: value
        for key, value in api.template_values().items()
        if f"${{{key}}}" in TEMPLATE.read_text()
    }
    config = parsed(render(TEMPLATE.read_text(), required))
    assert config["core"]["dags_are_paused_at_creation"] == "True"
    assert config["core"]["auth_manager"].endswith("FabAuthManager")
    assert config["api"]["host"] == "127.0.0.1"


def test_every_setting_has_a_reason_above_it():
    lines = TEMPLATE.read_text().splitlines()
    settings = [n for n, line in enumerate(lines) if line and line[0] not in "#[" and "=" in line]
    bare = [lines[n] for n in settings if lines[n - 1].startswith("[") or not lines[n - 1].strip()]
    assert bare == []


def test_every_setting_is_known_to_airflow():
    known = airflow_settings()
    unknown = [
        f"{section}.{key}"
        for section, keys in parsed(_without_placeholders()).items()
        for key in keys
        if section != "DEFAULT" and key.removesuffix("_cmd") not in known.get(section, {})
    ]
    assert unknown == []


def _without_placeholders():
    return TEMPLATE.read_text().replace("${", "(").replace("}", ")")
