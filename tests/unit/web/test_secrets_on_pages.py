"""No page and no document shows a secret, whatever stands in the ledger and whatever is away."""

import dataclasses

import pytest

from dbb import secrecy
from dbb.errors import StoreUnavailable
from dbb.flows.alarm_checks import find_decisions
from dbb.flows.alarming import Watch, look
from dbb.web.app import make_app, the_backbone
from dbb.wiring.pages import open_views
from support.canary_secrets import found_in_text
from support.planted_secrets import CLOSED, LEDGER, environment, planted, telling_everything
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import run_night

NAMES = {"{day_obs}": "20261121", "{obs_id}": "MC_O_20261121_000001", "{address:path}": "x"}


@pytest.fixture
def env(monkeypatch):
    """Plant every secret."""
    env = environment(CLOSED, LEDGER)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


@pytest.fixture
def logged(env):
    with telling_everything() as text:
        secrecy.guard_logs(env)
        yield text


def record_an_error_that_knows_all(world, env):
    """Refuse an exposure, and raise an alarm of it, in the words of a client that tells all it has."""
    world.summit.put(image_name(take_exposure(world.summit, 1), DETECTORS[0]), b"not FITS")
    world.settle()
    run_night(world)
    error = StoreUnavailable.for_store(env["DBB_QSERV_URL_USDF"], " ".join(env.values()))
    (refusal,) = world.ledger.refusals()
    told = {"reason": error.message, "next_action": f"Look at {error.where}."}
    world.ledger.refuse([dataclasses.replace(refusal, refusal_id="all", **told)])
    checks = {"decision": lambda: find_decisions(world.backbone())}
    look(Watch(open_views(world.backbone()).alarms, world.clock, checks, [], lambda _: ""))


def ask(client):
    """Ask every page, as a page and as a document; give the answers, and all that stands in them."""
    answers = []
    for route in make_app().routes:
        address = route.path
        for name, value in NAMES.items():
            address = address.replace(name, value)
        if "POST" in route.methods:
            answers.append(client.post(address, data={"action": "reject", "id": "all", "why": "x"}))
        else:
            answers += [client.get(address), client.get(f"{address}?format=json")]
    return answers, "".join(str(each.headers) + each.text for each in answers)


def test_pages_over_a_ledger_that_was_told_everything(client, world, env, logged):
    record_an_error_that_knows_all(world, env)
    answers, written = ask(client)
    assert "The store does not answer: postgresql+psycopg://dbb:***@127.0.0.1:1/dbb" in written
    assert sum(each.status_code == 200 for each in answers) >= 20
    assert found_in_text(written + logged.getvalue(), planted(env)) == []


def test_pages_while_the_ledger_is_away(make_client, env, logged):
    the_backbone.cache_clear()  # of a test before, whose ledger was there
    answers, written = ask(make_client(known=True))
    assert "ledger-unavailable" in written
    assert sum(each.status_code == 503 for each in answers) >= 20
    assert found_in_text(written + logged.getvalue(), planted(env)) == []


def test_an_error_that_hides_nothing_is_seen_on_pages(client, world, env, monkeypatch):
    """The harness sees what it is there for."""
    monkeypatch.setattr("dbb.errors.base.conceal", lambda text: text)
    record_an_error_that_knows_all(world, env)
    _, written = ask(client)
    assert found_in_text(written, planted(env)) == sorted(planted(env))
