"""The pages with the auth manager that production has by default, its real users and their roles."""

import json
import re

import pytest

CODE = """
import json
from airflow.utils.db import initdb
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient
from dbb.settings import Settings
from dbb.wiring.base import open_ledger

initdb()
open_ledger(Settings.load(), "test").migrate()
with get_application_builder() as builder:
    for role in ("Viewer", "User", "Op", "Admin"):
        mail = f"{role}@example.org"
        assert builder.sm.add_user(role, "A", role, mail, builder.sm.find_role(role), f"of {role}")

told = {}
with TestClient(create_app()) as client:
    client.cookies.clear()
    stranger = [client.get(f"/dbb/{page}").status_code for page in ("nights", "quarantine")]
    for role in ("Viewer", "User", "Op", "Admin"):
        asked = {"username": role, "password": f"of {role}"}
        token = client.post("/auth/token", json=asked).json()["access_token"]
        client.cookies.clear()
        known = {"Authorization": f"Bearer {token}"}
        told[role] = [
            client.get("/dbb/nights", headers=known).status_code,
            client.get("/dbb/quarantine", headers=known).status_code,
            client.post("/dbb/quarantine/plan", headers=known).status_code,
        ]
print(json.dumps({"stranger": stranger, "roles": told}))
"""


@pytest.fixture
def default_manager(request):
    """Give the auth manager that the template names where nobody chooses another."""
    template = (request.config.rootpath / "airflow.cfg.template").read_text()
    return re.search(r"auth_manager = \$\{DBB_AIRFLOW_AUTH_MANAGER:-(\S+)\}", template)[1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("curators", ["", "2"])
def test_real_users_may_do_what_their_roles_say(
    run_airflow_code, default_manager, tmp_path, curators
):
    answer = run_airflow_code(
        CODE,
        AIRFLOW_HOME=str(tmp_path),
        AIRFLOW__API_AUTH__JWT_SECRET="0" * 64,
        AIRFLOW__CORE__AUTH_MANAGER=default_manager,
        DBB_LEDGER_URL=f"sqlite:///{tmp_path}/ledger.db",
        DBB_CURATORS=curators,
    )
    told = json.loads(answer.splitlines()[-1])
    assert told["stranger"] == [401, 401]
    decides = {"User"} if curators else {"User", "Op", "Admin"}  # the second that was made is User
    for role, (nights, quarantine, plan) in told["roles"].items():
        assert (nights, quarantine) == (200, 200)
        assert plan == (400 if role in decides else 403)  # an empty form is refused after the role
