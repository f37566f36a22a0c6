"""An operator's morning in a browser, on real Airflow, Rucio and Butler: a red night, its cause, a backfill.

``--pictures docs/images`` has the pictures of the tutorial made anew.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from pathlib import Path

import pytest

from dbb.settings import Settings
from dbb.wiring.base import open_ledger
from sandbox.layout import Layout
from sandbox.night import DAG, Night
from sandbox.synthetic_night import resend_good
from support.airflow_ui import await_backfill, choose_appearance, fill_backfill, start_backfill
from support.browsing import CHROMIUM, FAULTS, log_in, open_chromium
from support.command_line import dbb
from support.dag_runs import no_slots
from support.pictures import take_picture
from support.sandbox_nights import SETTLED_S, fresh_night, make

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.airflow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium"),
]

ROOT = Path(__file__).resolve().parents[2]
WINDOW = {"width": 1200, "height": 720}
PAGES = "/plugin/dbb-nights/dbb"
"""Where Airflow shows the pages in its frame."""


@pytest.fixture(scope="module")
def nights(sandbox_airflow):
    """Lay two nights: one moved, with a file that was cut off; of the other the ledger knows nothing."""
    layout = Layout(root=ROOT, state=sandbox_airflow.state)
    ledger = open_ledger(Settings.load(environment=sandbox_airflow.env), "test")
    first = fresh_night(ledger, after=20250801)
    while ledger.units_of_night("LSSTCam", first.next().value):
        first = fresh_night(ledger, after=first.next().value)
    red, unseen = (Night(layout, print, str(day)) for day in (first, first.next()))
    red.prepare()
    red.plan = make(red, 3, "--fault", "truncated=1")
    red.transfer()
    make(unseen, 2)
    return red, unseen


@pytest.fixture(scope="module")
def browser():
    with open_chromium() as made:
        yield made


@pytest.fixture(scope="module")
def page(browser, nights):
    """Log in once, with a browser that has no scheme of its own: the pages must ask Airflow."""
    env = nights[0].env
    return log_in(
        browser, env["DBB_AIRFLOW_URL"], env["DBB_AIRFLOW_USER"], env["DBB_AIRFLOW_PASSWORD"],
        viewport=WINDOW, color_scheme="null",
    )  # fmt: skip


@pytest.fixture
def picture(page, picture_folder):
    """Keep a picture of what the browser shows."""

    def keep(name):
        page.wait_for_load_state("networkidle")
        path = picture_folder / f"{name}.png"
        take_picture(page, path)
        assert path.stat().st_size < 120_000, name

    return keep


def show(page, address):
    """Open one of the pages in Airflow's frame; give the frame."""
    page.goto(f"{PAGES}/{address}", wait_until="networkidle")
    frame = page.frame_locator("iframe").first
    frame.locator("h1").wait_for()
    return frame


def word_of(frame, night):
    """Give the verdict that the calendar shows for a night."""
    return frame.locator(f".cell[href$='night/{night.day_obs}'] span").last.inner_text()


def test_a_red_night_is_shown_in_airflow_down_to_its_cause(page, nights, picture):
    red, unseen = nights
    (refused,) = (unit.rpartition("/")[2] for unit in red.plan.faults)
    page.goto("/dags?name_pattern=raw", wait_until="networkidle")
    page.get_by_text(DAG, exact=True).first.wait_for()
    picture("dags")
    frame = show(page, f"nights?last={unseen.day_obs}&number=7")
    assert "ACT" in frame.locator("h1").inner_text()
    assert word_of(frame, red) == "ACT"
    picture("nights")
    frame.locator("a.button").click()
    frame.locator("h1", has_text="truncated-file").wait_for()
    frame.get_by_text("On the command line").wait_for()
    picture("night")
    frame.locator(f"tbody a[href$='exposure/{refused}']").first.click()
    frame.locator("h1", has_text=refused).wait_for()
    assert "truncated-file" in frame.get_by_role("region", name="Refused", exact=True).inner_text()
    frame.get_by_text("On the command line").wait_for()
    picture("exposure")
    frame = show(page, f"quarantine?day_obs={red.day_obs}")
    frame.locator("h1", has_text="held in quarantine").wait_for()
    picture("quarantine")


def test_a_backfill_in_airflows_own_form_turns_the_verdicts_safe(page, nights, picture):
    red, unseen = nights
    span = ("--from", red.day_obs, "--to", unseen.day_obs)
    resend_good(red.plan)
    time.sleep(SETTLED_S)
    code, plan = dbb(red, "catchup", "plan", *span)
    assert (code, [night["exposures"] for night in plan["nights"]]) == (1, [1, 2])

    begin = dt.datetime.strptime(red.day_obs, "%Y%m%d").replace(tzinfo=dt.UTC)
    form = fill_backfill(page, DAG, begin, begin + dt.timedelta(days=2), runs_at_once=2)
    form.get_by_text("2 runs will be triggered.").wait_for()
    picture("backfill")
    with no_slots(red, "raw"):  # or a night may be done before it is asked about
        start_backfill(page, form)
        code, told = dbb(red, "catchup", "status")
        assert (code, told["state"], told["nights_left"]) == (0, "running", 2)
    await_backfill(page)

    code, told = dbb(red, "catchup", "status")
    assert (code, told["state"], told["nights_done"], told["nights_left"]) == (0, "ended", 2, 0)
    assert [night["verdict"] for night in told["nights"]] == ["SAFE", "SAFE"]
    code, plan = dbb(red, "catchup", "plan", *span)
    assert (code, plan["exposures"]) == (0, 0)
    frame = show(page, f"nights?last={unseen.day_obs}&number=7")
    assert [word_of(frame, night) for night in nights] == ["SAFE", "SAFE"]
    for night in nights:
        assert "SAFE" in show(page, f"night/{night.day_obs}").locator("h1").inner_text()


def test_an_exposure_leads_to_its_tasks_log_and_the_task_back_to_it(page, nights):
    """Start after the backfill, which has made the runs."""
    obs_id = f"MC_O_{nights[1].day_obs}_000001"
    frame = show(page, f"exposure/{obs_id}")
    frame.get_by_role("link", name=re.compile("^backfill__")).first.click()
    page.wait_for_url("**/dag_runs?**")
    page.locator("table a[href*='/runs/backfill__']").first.click()
    page.wait_for_url(f"**/dags/{DAG}/runs/**")
    page.get_by_role("link", name="check_and_land_exposures").first.click()
    page.wait_for_url("**/tasks/check_and_land_exposures/**")
    page.get_by_text(re.compile(r"action=\S+ units=2")).first.wait_for()
    page.get_by_role("link", name="Details", exact=True).click()
    page.get_by_role("link", name="Exposures of this chunk").click()
    page.wait_for_url(f"**/dbb/night/{nights[1].day_obs}?first=**")
    page.get_by_role("link", name=obs_id).first.click()
    page.wait_for_url(f"**/dbb/exposure/{obs_id}")
    page.locator("h1", has_text=obs_id).wait_for()
    page.get_by_role("link", name="Airflow", exact=True).click()
    page.get_by_role("link", name="Data Backbone").first.wait_for()


def test_the_pages_follow_airflows_own_switch(page, nights):
    for name, is_dark in (("Dark Mode", True), ("Light Mode", False)):
        choose_appearance(page, name)
        frame = show(page, f"night/{nights[0].day_obs}")
        body = frame.locator("body")
        query = "() => matchMedia('(prefers-color-scheme: dark)').matches"
        assert body.evaluate(query) is is_dark
        assert body.evaluate(FAULTS) == []
