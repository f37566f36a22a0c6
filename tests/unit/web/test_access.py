"""Who may see the pages: nobody whom Airflow does not know, on any address."""

import base64
import hashlib
import re

import pytest
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from dbb.errors import LedgerUnavailable
from dbb.settings import Settings
from dbb.web.access import make_token
from dbb.web.app import make_app
from dbb.web.framed import SCRIPT
from dbb.web.layout import PAGES
from dbb.wiring.base import open_ledger
from support.tiny_camera import take_exposure
from support.world import run_night

NAMES = {"day_obs": "20261121", "obs_id": "MC_O_20261121_000001", "address:path": ""}
"""What stands for the names in the addresses of routes: one that is missing here is an error."""

ROUTES = make_app().routes


def fill(path):
    """Give an address of a route."""
    return re.sub(r"\{([^}]+)\}", lambda match: NAMES[match[1]], path)


ADDRESSES = {route.path: fill(route.path) for route in ROUTES if "GET" in route.methods}
"""Every route of the application that shows something, and an address of it; a new one is here by itself."""

SENT_TO = {fill(route.path) for route in ROUTES if route.methods == {"POST"}}
"""Every route to which something can be sent."""

OTHERS = ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/night", "/night/x", "/a/b"]


def test_every_route_shows_or_takes_something_and_none_does_both():
    assert {fill(route.path) for route in ROUTES} == set(ADDRESSES.values()) | SENT_TO
    assert {"/quarantine/plan", "/quarantine/apply"} == SENT_TO
    assert len(ADDRESSES) == len(PAGES) + 3  # a night, an exposure, and an address that is none


@pytest.mark.parametrize("form", ["", "?format=json", "?format=x"])
@pytest.mark.parametrize("address", [*ADDRESSES.values(), *OTHERS])
def test_a_stranger_is_turned_away_everywhere(stranger, world, address, form):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    answer = stranger.get(address + form)
    assert answer.status_code == 401
    assert "MC_O_20261121" not in answer.text
    assert "Night" not in answer.text


@pytest.mark.parametrize("address", sorted(SENT_TO))
def test_a_stranger_can_send_nothing(stranger, address):
    for method in ("post", "get"):
        assert getattr(stranger, method)(address).status_code == 401


@pytest.mark.parametrize("address", [each for each in ADDRESSES.values() if each != "/"])
def test_a_viewer_sees_every_page(viewer, world, address):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    assert viewer.get(address).status_code == 200
    assert viewer.get(f"{address}?format=json").status_code == 200


@pytest.mark.parametrize("address", [*ADDRESSES.values(), *SENT_TO])
def test_somebody_without_a_role_sees_no_page(make_client, world, address):
    client = make_client(world.backbone(), known=True, role=None)
    answer = client.post(address) if address in SENT_TO else client.get(address)
    assert answer.status_code == 403
    assert "MC_O_20261121" not in answer.text


@pytest.mark.parametrize("address", sorted(SENT_TO))
def test_a_viewer_decides_nothing(viewer, address):
    answer = viewer.post(address, data={"token": make_token("anne"), "action": "reject"})
    assert answer.status_code == 403
    assert "may not decide" in answer.text


@pytest.mark.parametrize(("curators", "status"), [("", 400), ("anne", 400), ("17:anne", 403)])
def test_where_curators_are_named_nobody_else_decides(
    make_client, world, monkeypatch, curators, status
):
    monkeypatch.setenv("DBB_CURATORS", curators)
    client = make_client(world.backbone(), known=True, role="USER")
    form = {"token": make_token("anne"), "action": "reject"}
    assert (
        client.post("/quarantine/plan", data=form).status_code == status
    )  # 400: no reason is given
    assert client.get("/quarantine").status_code == 200


@pytest.mark.parametrize(
    ("role", "sees", "acts"),
    [
        (None, False, False),
        ("VIEWER", True, False),
        ("USER", True, True),
        ("OP", True, True),
        ("ADMIN", True, True),
    ],
)
def test_roles_are_those_of_the_auth_manager(make_client, role, sees, acts):
    del make_client  # it has made the auth manager
    manager, user = get_auth_manager(), SimpleAuthManagerUser(username="bob", role=role)
    entities = DagAccessEntity
    may = {
        (method, entity): manager.is_authorized_dag(method=method, access_entity=entity, user=user)
        for method, entity in (
            ("GET", entities.RUN), ("GET", entities.TASK_LOGS), ("POST", entities.RUN), ("PUT", None),
            ("PUT", entities.TASK_INSTANCE), ("PUT", entities.HITL_DETAIL),
        )
    }  # fmt: skip
    assert {may[each] for each in may if each[0] == "GET"} == {sees}
    assert {may[each] for each in may if each[0] != "GET"} == {acts}
    assert not manager.is_authorized_hitl_task(assigned_users={"anne"}, user=user)
    assert manager.is_authorized_hitl_task(assigned_users={"bob"}, user=user)


@pytest.mark.parametrize("address", ADDRESSES.values())
def test_every_page_forbids_scripts_and_foreign_content(client, address):
    policy = client.get(address).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    allowed = "form-action 'self'" if address == "/quarantine" else "form-action 'none'"
    assert allowed in policy
    assert client.get(address).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("address", ADDRESSES.values())
def test_no_page_has_a_script_or_a_style_of_an_element(client, world, address):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    text = client.get(address).text
    assert not re.search(r"<script|<link|<iframe|<img|\son\w+=|\sstyle=|https?://", text)


@pytest.mark.parametrize("address", ADDRESSES.values())
def test_only_a_page_in_a_frame_has_the_one_script_that_leads_out_of_it(client, address):
    answer = client.get(address, headers={"sec-fetch-dest": "iframe"})
    assert re.findall("<script>(.*?)</script>", answer.text, re.DOTALL) == [SCRIPT]
    policy = answer.headers["content-security-policy"]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert policy.endswith(f"; script-src 'sha256-{digest}'")
    assert "unsafe" not in policy
    assert "script" not in client.get(address).headers["content-security-policy"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("address", ADDRESSES.values())
def test_nothing_can_be_sent(client, address, method):
    assert getattr(client, method)(address).status_code == 405


@pytest.mark.parametrize("address", OTHERS[:4])
def test_there_is_no_description_of_the_application(client, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert "unknown-item" in answer.text


def test_a_stranger_is_not_told_that_the_ledger_is_down(make_client, monkeypatch):
    monkeypatch.setenv("DBB_LEDGER_URL", "postgresql+psycopg://dbb@127.0.0.1:1/dbb")
    assert make_client(known=False).get("/night/20261121").status_code == 401


def test_a_page_changes_nothing(client, world):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    before = dump(world)
    for address in ADDRESSES.values():
        client.get(address)
    assert dump(world) == before


def dump(world):
    with world.ledger.engine.connect() as connection:
        return list(connection.connection.driver_connection.iterdump())


# -- when the ledger cannot be read ----------------------------------------------------------------


@pytest.mark.parametrize("address", list(ADDRESSES.values())[:-1])
def test_a_ledger_that_does_not_answer_is_said_with_its_code(make_client, monkeypatch, address):
    monkeypatch.setenv("DBB_LEDGER_URL", "postgresql+psycopg://dbb:secret@127.0.0.1:1/dbb")
    answer = make_client(known=True).get(address)
    assert answer.status_code == 503
    assert "ledger-unavailable" in answer.text
    assert "docs/operate/ledger-unavailable.md" in answer.text
    assert "secret" not in answer.text


def test_a_ledger_that_goes_away_later_is_said_too(make_client, world, monkeypatch):
    backbone = world.backbone()

    def gone(*_):
        raise LedgerUnavailable.for_cause("server closed the connection")

    monkeypatch.setattr(backbone.ledger, "alike_of_night", gone)
    answer = make_client(backbone, known=True).get("/night/20261121?format=json")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "ledger-unavailable"


def test_a_ledger_that_is_mended_is_read_without_a_restart(make_client, monkeypatch, tmp_path):
    url = f"sqlite:///{tmp_path}/later.db"
    monkeypatch.setenv("DBB_LEDGER_URL", url)
    client = make_client(known=True)
    answer = client.get("/night/20261121")
    assert answer.status_code == 500
    assert "schema-out-of-date" in answer.text
    open_ledger(Settings.load(), "test").migrate()
    assert client.get("/night/20261121").status_code == 200
