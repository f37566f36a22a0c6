"""Airflow's own screens, worked as a person does: its form for a backfill, its banner, its switch."""

from __future__ import annotations

BACKFILL_MS = 900_000


def fill_backfill(page, dag_id, begin, end, runs_at_once):
    """Fill Airflow's form "Run Backfill" for all runs between two days; give the form."""
    page.goto(f"/dags/{dag_id}", wait_until="networkidle")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.locator("[role=dialog]").filter(has_text=dag_id).first
    form.get_by_text("Run this Dag for a range of dates").click()
    _choose_midnight(page, form, "From", begin)
    _choose_midnight(page, form, "To", end)
    form.get_by_text("All Runs", exact=True).click()
    form.locator("input[name=max_active_runs]").fill(str(runs_at_once))
    return form


def _choose_midnight(page, form, name, day):
    """Choose 00:00 of a day in one of the form's two fields, whose calendars have the fields' names."""
    form.get_by_text("Select date and time").first.click()
    date = page.get_by_role("textbox", name=name, exact=True)
    date.fill(f"{day:%Y/%m/%d}")
    date.press("Enter")
    calendar = page.get_by_role("dialog").filter(has=date).last
    time = calendar.get_by_placeholder("HH:mm")
    time.fill("00:00")
    time.press("Enter")
    form.get_by_role("heading").first.click()
    date.wait_for(state="hidden")


def start_backfill(page, form):
    """Start what the form describes; Airflow says so by a banner on the DAG's page."""
    form.get_by_role("button", name="Run Backfill").click()
    page.get_by_text("Backfill in progress").first.wait_for()


def await_backfill(page):
    """Watch the DAG's page until the banner has gone."""
    banner = page.get_by_text("Backfill in progress").first
    banner.wait_for(state="hidden", timeout=BACKFILL_MS)


def choose_appearance(page, name):
    """Throw Airflow's own switch: ``Light Mode``, ``Dark Mode``."""
    page.get_by_role("button", name="User").click()
    page.get_by_role("menuitem", name="Appearance").click()
    page.get_by_role("menuitemradio", name=name).click()
    page.keyboard.press("Escape")
