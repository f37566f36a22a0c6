"""The EFD's archive beside a real InfluxDB."""

from __future__ import annotations

import pytest

from support.efd_world import EfdWorld
from support.influx_server import running_influx


@pytest.fixture(scope="session")
def server(tmp_path_factory, request):
    with running_influx(request.config.rootpath, tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture
def efd(server):
    world = EfdWorld(server.url())
    world.at(1)
    yield world
    world.influx.close()
