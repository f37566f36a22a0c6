"""What Airflow and the installed providers can be told, by section and option."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import yaml
from airflow.providers.celery.get_provider_info import get_provider_info


def airflow_settings():
    """Give the names of all options by section."""
    airflow = Path(importlib.util.find_spec("airflow").submodule_search_locations[0])
    described = (airflow / "config_templates" / "config.yml").read_text()
    sections = {**yaml.safe_load(described), **get_provider_info()["config"]}
    return {name: set(section["options"]) for name, section in sections.items()}
