"""The pages as a browser shows them: their policy is enforced, they can be read, and worked by keyboard.

The browser's requests are answered by the application itself; no server runs and nothing else can be reached.
"""

from urllib.parse import urlsplit

import pytest

from support.browsing import CHROMIUM, FAULTS, open_chromium
from support.tiny_camera import DETECTORS, image_name, take_exposure
from support.world import run_night

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")

HOST = "http://pages.test"
PAGES = (
    "nights", "night/20261121", "exposure/MC_O_20261121_000001", "exposure/MC_O_20261121_000004", "now", "lag",
    "quarantine", "buffers", "replicas", "budget", "no/such/page",
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


def test_a_red_night_is_two_clicks_from_its_cause(browse, night):
    page = browse()
    page.goto("/dbb/nights")
    assert "ACT" in page.locator("h1").inner_text()
    page.locator("a.button").click()
    page.locator("tbody a[href*='exposure/']").first.click()
    assert "why" not in page.url
    (first, *_) = [item for item in night.ledger.refusals() if item.unit.endswith("000004")]
    assert first.reason[:40] in page.locator("main").inner_text()


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
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'taken over'";
            document.body.append(script);
        }"""
    )
    assert page.title() != "taken over"
    assert any("Content Security Policy" in text for text in page.said)
