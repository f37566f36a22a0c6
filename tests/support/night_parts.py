"""Fixtures of tests over the real parts with a summit of the module's own: ``from support.night_parts import *``."""

from __future__ import annotations

import pytest

from dbb.hooks.rucio_client import make_client
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from sandbox.prepare import prepare

__all__ = ["backbone", "environment", "rucio"]


@pytest.fixture(scope="module")
def environment(sandbox, tmp_path_factory):
    """Give the sandbox's addresses; ``summit`` is the folder of its store."""
    summit = tmp_path_factory.mktemp("summit")
    env = {**sandbox.env, "DBB_STORE_SUMMIT": summit.as_uri()}
    prepare(Settings.load(environment=env))
    return env | {"summit": str(summit)}


@pytest.fixture
def backbone(environment):
    return open_backbone(Settings.load(environment=environment), "integration test")


@pytest.fixture
def rucio(environment):
    names = ("HOST", "ACCOUNT", "USER", "PASSWORD")
    client = make_client(*(environment[f"DBB_RUCIO_{name}"] for name in names))
    yield client
    client.close()
