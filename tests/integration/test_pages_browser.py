"""The pages in a browser: an operator logs in to Airflow, opens each, and decides; a viewer cannot.

Airflow's own API server serves them, with a database of its own, over a ledger that a whole night went through.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from dbb.wiring.pages import open_views
from sandbox.allotted import Allotted
from support.browsing import CHROMIUM, FAULTS, log_in, open_chromium
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import World, run_night

ROOT = Path(__file__).resolve().parents[2]
OBS_ID = "MC_O_20261121_000001"
PAGES = (
    "nights?last=20261121", "night/20261121", f"exposure/{OBS_ID}", "now", "lag?last=20261121", "quarantine",
    "buffers", "replicas", "budget", "alarms", "work", "outages", "no/such/page",
)  # fmt: skip
START_S = 420

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(ledger_url=f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db")
    for number in (1, 2, 3):
        take_exposure(made.summit, number)
    for number in (4, 5):
        unit = take_exposure(made.summit, number)
        name = image_name(unit, DETECTORS[0])
        made.summit.put(name, made.summit.data(name)[:-100])
    made.settle()
    run_night(made)
    canaries = open_views(made.backbone()).canaries
    canaries.reach(canaries.begin().number, "bundle")
    return made


@pytest.fixture(scope="module")
def airflow(world, tmp_path_factory):
    """Start Airflow's API server with two users; give its address."""
    home = tmp_path_factory.mktemp("airflow")
    port = Allotted(home / "allotted.json").port("airflow_api")
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({"olga": "operates", "vera": "views"}))
    env = {key: os.environ[key] for key in ("PATH", "LANG", "HOME") if key in os.environ} | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "olga:user,vera:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__API__SECRET_KEY": "only-for-this-test",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-test-and-long-enough-for-it",
        "DBB_LEDGER_URL": str(world.ledger.engine.url),
    }
    command = [sys.executable, "-m", "airflow"]
    subprocess.run(
        [*command, "db", "migrate"], env=env, check=True, capture_output=True, timeout=300
    )
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            base = f"http://127.0.0.1:{port}"
            _wait_for(f"{base}/api/v2/monitor/health", server, home / "server.log")
            yield base
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _wait_for(url, server, log):
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            requests.get(url, timeout=5).raise_for_status()
        except requests.RequestException:
            time.sleep(1)
        else:
            return
    pytest.fail(f"Airflow's API server did not come up:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def browser():
    with open_chromium() as made:
        yield made


def test_a_stranger_is_sent_away(browser, airflow):
    page = browser.new_context(base_url=airflow).new_page()
    for address in PAGES:
        assert page.goto(f"/dbb/{address}").status == 401


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_each_page_is_readable_by_everybody(browser, airflow, scheme, width):
    page = log_in(
        browser, airflow, "vera", "views",
        color_scheme=scheme, viewport={"width": width, "height": 800},
    )  # fmt: skip
    said = []
    page.on("console", lambda message: said.append(message.text))
    for address in PAGES:
        status = page.goto(f"/dbb/{address}").status
        assert status == (404 if address == "no/such/page" else 200), address
        assert page.evaluate(FAULTS) == [], address
    blocked = [text for text in said if "Content Security Policy" in text]
    assert blocked == []


def test_a_red_night_is_two_clicks_from_its_cause(browser, airflow, world):
    page = log_in(browser, airflow, "vera", "views")
    page.goto("/dbb/nights?last=20261121")
    assert "ACT" in page.locator("h1").inner_text()
    page.locator("a.button").click()
    page.locator("table a[href*='exposure/']").first.click()
    page.wait_for_url("**/exposure/*")
    reason = world.ledger.refusals()[0].reason.split(":")[0]
    page.locator("main", has_text=reason).wait_for()


def test_the_pages_are_in_airflows_menu(browser, airflow):
    page = log_in(browser, airflow, "vera", "views")
    page.goto("/plugin/dbb-nights", wait_until="networkidle")
    frame = page.frame_locator("iframe").first
    frame.locator("h1", has_text="ACT").wait_for()
    frame.get_by_role("link", name="Quarantine").click()
    frame.locator("h1", has_text="held in quarantine").wait_for()


def test_a_page_left_open_turns_unknown(browser, airflow):
    page = log_in(browser, airflow, "vera", "views")
    page.goto("/dbb/budget")
    page.goto("/dbb/nights?last=20261121")
    assert page.locator("h1").is_visible()
    assert not page.locator(".aged p").is_visible()
    page.evaluate("document.getAnimations().forEach((each) => { each.currentTime = 121000; })")
    assert not page.locator("h1").is_visible()
    assert "UNKNOWN" in page.locator(".aged p").inner_text()


def test_who_operates_decides_by_keyboard_and_who_views_cannot(browser, airflow, world):
    viewer = log_in(browser, airflow, "vera", "views")
    viewer.goto("/dbb/quarantine")
    assert viewer.locator("form").count() == 0
    page = log_in(browser, airflow, "olga", "operates")
    page.goto("/dbb/quarantine")
    held = len(world.ledger.refusals())
    assert held >= 2
    page.locator("input[value=reject]").focus()
    page.keyboard.press("Space")
    page.locator("input[name=why]").focus()
    page.keyboard.type("seen with the summit")
    page.locator("input[name=id]").first.focus()
    page.keyboard.press("Space")
    page.locator("button[type=submit]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/quarantine/plan")
    page.locator("h1", has_text="Nothing is changed yet").wait_for()
    assert len(world.ledger.refusals()) == held
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/quarantine/apply")
    page.locator("h1", has_text="1 of 1 decided").wait_for()
    assert len(world.ledger.refusals()) == held - 1
    (item,) = world.ledger.refusals(decision="rejected")
    assert item.decided_by == "olga: seen with the summit"
