"""The pages as a browser shows them: their policy is enforced, they can be read, and worked by keyboard.

The browser's requests are answered by the application itself; no server runs and nothing else can be reached.
"""

from urllib.parse import urlsplit

import pytest

from dbb.flows.alarm_checks import find_decisions
from dbb.flows.alarming import Watch, look
from dbb.flows.cache_ages import note_cache_ages
from dbb.flows.catching_up import start_catch_up
from dbb.flows.expiring_units import UnitsPlace
from dbb.flows.maintenance import drain
from dbb.flows.work import ask_airflow
from dbb.hooks.expiry import SqlExpiry
from dbb.model.expiry import Rule
from dbb.model.kind import Kind
from dbb.wiring.pages import open_views
from support.browsing import CHROMIUM, FAULTS, grave_faults, open_chromium
from support.memory_airflow import MemoryAirflow
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import NIGHT, run_night

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")

HOST = "http://pages.test"
PAGES = (
    "nights", "night/20261121", "exposure/MC_O_20261121_000001", "exposure/MC_O_20261121_000004", "now", "lag",
    "quarantine", "buffers", "replicas", "budget", "alarms", "work", "outages", "no/such/page",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    with open_chromium() as made:
        yield made


@pytest.fixture
def night(world):
    for number in (1, 2, 3):
        take_exposure(world.summit, number)
    for number in (4, 5):
        unit = take_exposure(world.summit, number)
        name = image_name(unit, DETECTORS[0])
        world.summit.put(name, world.summit.data(name)[:-100])
    world.settle()
    run_night(world)
    backbone = world.backbone()
    views, airflow = open_views(backbone), MemoryAirflow()
    look(
        Watch(
            views.alarms,
            world.clock,
            {"decision": lambda: find_decisions(backbone)},
            [],
            lambda alarm: f"http://airflow/dbb/{alarm.link}",
        )
    )
    start_catch_up(airflow, NIGHT, NIGHT.next(), 1)
    drain(airflow, views.maintenance, "new disks", 0, lambda _: None)
    ask_airflow(backbone, views.maintenance, airflow, airflow)
    place = UnitsPlace(backbone, SqlExpiry(world.ledger), "frdf")
    note_cache_ages(backbone, place, [Rule("month", ("frdf",), Kind.RAW, 30)])
    return world


@pytest.fixture
def browse(chromium, make_client, night):
    """Open a page of the browser for somebody of a role; the application answers it."""
    contexts = []

    def answer(client, route):
        request, parts = route.request, urlsplit(route.request.url)
        kept = {
            name: value
            for name, value in request.headers.items()
            if name in ("content-type", "sec-fetch-site", "accept")
        }
        if request.frame.parent_frame:  # a browser says so itself to an address it trusts
            kept["sec-fetch-dest"] = "iframe"
        address = parts.path.removeprefix("/dbb") + (f"?{parts.query}" if parts.query else "")
        given = client.request(
            request.method, address, content=request.post_data_buffer, headers=kept
        )
        route.fulfill(status=given.status_code, headers=dict(given.headers), body=given.content)

    def open_page(role="VIEWER", **options):
        client = make_client(night.backbone(), known=True, role=role)
        context = chromium.new_context(base_url=HOST, **options)
        contexts.append(context)
        context.route("**/*", lambda route: answer(client, route))
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_can_be_read_by_everybody(browse, scheme, width):
    page = browse("ADMIN", color_scheme=scheme, viewport={"width": width, "height": 800})
    faults = {}
    for address in PAGES:
        page.goto(f"/dbb/{address}")
        faults[address] = page.evaluate(FAULTS)
    assert {address: found for address, found in faults.items() if found} == {}
    assert [text for text in page.said if "Content Security Policy" in text] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_breaks_a_grave_rule_of_accessibility(browse, scheme, width):
    view = {"width": width, "height": 800}
    page = browse("ADMIN", color_scheme=scheme, viewport=view, bypass_csp=True)
    faults = {}
    for address in PAGES:
        page.goto(f"/dbb/{address}")
        faults[address] = grave_faults(page)
    page.goto("/dbb/quarantine")
    page.locator("input[value=reject]").check()
    page.locator("input[name=why]").fill("seen with the summit")
    page.locator("input[name=id]").first.check()
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/quarantine/plan")
    faults["quarantine/plan"] = grave_faults(page)
    assert {address: found for address, found in faults.items() if found} == {}


def test_the_rules_of_accessibility_find_what_is_planted(browse):
    page = browse(bypass_csp=True)
    page.goto("/dbb/nights")
    page.evaluate(
        """() => document.querySelector("main").insertAdjacentHTML("beforeend",
            "<a href='x'></a><input name='x'><img src='x'><p style='color:#ccc;background:#fff'>pale</p>")"""
    )
    assert {"link-name", "label", "image-alt", "color-contrast"} <= set(grave_faults(page))


def test_the_check_finds_what_is_planted(browse):
    page = browse()
    page.goto("/dbb/nights")
    page.evaluate(
        """() => {
            document.querySelector("main").insertAdjacentHTML("beforeend",
                "<table><tr><th>x</th></tr></table><a href='x'></a><input name='x'>"
                + "<p class='note' id='pale'>pale</p><p id='pale'>twice</p>"
                + "<pre>" + "x".repeat(3000) + "</pre>");
            document.getElementById("pale").attributeStyleMap.set("color", "rgb(200, 200, 200)");
        }"""
    )
    faults = " ".join(page.evaluate(FAULTS))
    for what in (
        "no caption",
        "no scope",
        "no name",
        "no label",
        "contrast",
        "an id twice",
        "px wider",
    ):
        assert what in faults


COUNT_CLICKS = """
addEventListener("click", () => { sessionStorage.clicks = 1 + Number(sessionStorage.clicks || 0); }, true);
"""


def test_a_red_night_is_two_clicks_from_its_cause(browse, night):
    page = browse()
    page.add_init_script(COUNT_CLICKS)
    page.goto("/dbb/nights")
    assert "ACT" in page.locator("h1").inner_text()
    page.locator("a.button").click()
    page.wait_for_url("**/night/20261121")
    page.locator("tbody a[href$='exposure/MC_O_20261121_000004']").first.click()
    page.wait_for_url("**/exposure/MC_O_20261121_000004")
    (refused, *_) = [item for item in night.ledger.refusals() if item.unit.endswith("000004")]
    cause = page.get_by_role("region", name="Refused", exact=True).inner_text()
    for told in (refused.refusal_id[:12], refused.code, refused.reason, "held"):
        assert told in cause
    assert refused.next_action.replace("`", "") in cause
    commands = page.locator("code").all_inner_texts()
    assert f"dbb quarantine show {refused.refusal_id[:12]}" in commands
    assert int(page.evaluate("sessionStorage.clicks")) <= 2


def test_a_page_left_open_turns_unknown(browse):
    page = browse()
    page.goto("/dbb/nights")
    assert page.locator("h1").is_visible()
    assert not page.locator(".aged p").is_visible()
    page.evaluate("document.getAnimations().forEach((each) => { each.currentTime = 121000; })")
    assert not page.locator("h1").is_visible()
    assert page.locator(".aged p").is_visible()
    assert "UNKNOWN" in page.locator(".aged p").inner_text()
    assert page.evaluate(FAULTS) == []


def test_who_operates_decides_by_keyboard(browse, night):
    page = browse("USER")
    page.goto("/dbb/quarantine")
    held = len(night.ledger.refusals())
    page.locator("input[value=reject]").focus()
    page.keyboard.press("Space")
    page.locator("input[name=why]").focus()
    page.keyboard.type("seen with the summit")
    page.locator("input[name=id]").first.focus()
    page.keyboard.press("Space")
    page.locator("button[type=submit]").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/quarantine/plan")
    assert "Nothing is changed yet" in page.locator("h1").inner_text()
    assert page.evaluate(FAULTS) == []
    assert len(night.ledger.refusals()) == held
    page.locator("button[type=submit]").click()
    page.wait_for_url("**/quarantine/apply")
    assert "1 of 1 decided" in page.locator("h1").inner_text()
    assert page.evaluate(FAULTS) == []
    assert len(night.ledger.refusals()) == held - 1


def test_a_script_that_gets_into_a_page_is_not_run(browse):
    page = browse()
    page.goto("/dbb/nights")
    with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "document.title = 'taken over'";
                document.body.append(script);
            }"""
        )
    assert page.title() != "taken over"


AIRFLOW = """<!doctype html><title>Airflow</title><iframe src="/dbb/exposure/MC_O_20261121_000001"
sandbox="allow-scripts allow-same-origin allow-forms allow-downloads"></iframe>"""
"""A page that holds one of ours as Airflow does."""


def test_a_link_to_airflows_runs_leads_out_of_airflows_frame(browse):
    page = browse()
    page.route("**/plugin/**", lambda route: route.fulfill(body=AIRFLOW, content_type="text/html"))
    page.goto("/plugin/dbb-nights")
    page.frame_locator("iframe").get_by_role("link", name="Airflow").click()
    page.wait_for_url(f"{HOST}/")
