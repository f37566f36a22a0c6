"""The pages over a ledger in a file, asked by people of several roles and by a stranger."""

from __future__ import annotations

import json
import warnings

import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.backbone import Backbone
from support.world import World

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow itself imports what Starlette calls deprecated
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient

    from dbb.web.app import make_app, the_backbone


@pytest.fixture
def world(tmp_path):
    return World(ledger_url=f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def make_client():
    """Make a browser of the pages over a backbone; without one, the pages open their own."""
    create_auth_manager()
    clients = []

    def make(
        backbone: Backbone | None = None, *, known: bool, role: str | None = "ADMIN"
    ) -> TestClient:
        app = make_app()
        if backbone is not None:
            app.dependency_overrides[the_backbone] = lambda: backbone
        if known:
            user = SimpleAuthManagerUser(username="anne", role=role)
            app.dependency_overrides[get_user] = lambda: user
        clients.append(TestClient(app))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client, world):
    return make_client(world.backbone(), known=True)


@pytest.fixture
def viewer(make_client, world):
    return make_client(world.backbone(), known=True, role="VIEWER")


@pytest.fixture
def stranger(make_client, world):
    return make_client(world.backbone(), known=False)


@pytest.fixture
def dbb(world, capsys):
    """Run the command line over the same world; give its document."""

    def run(*arguments):
        main(
            [*arguments, "--json"],
            {"DBB_LEDGER_URL": "sqlite://"},
            lambda settings, output: Context(settings, output, lambda _: world.backbone()),
        )
        return json.loads(capsys.readouterr().out)

    return run
