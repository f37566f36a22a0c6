"""What can be checked of a page in a browser without anything from elsewhere: names, structure, contrast, width."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium")
"""The browser that is on the machine, or None."""


@contextmanager
def open_chromium():
    """Start the browser that is on the machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield made
        made.close()


GRAVE = ("serious", "critical")
PATIENCE_MS = 90_000
"""How long a step in Airflow's pages may take, which load a program first; on a machine that is full, half a minute."""


def grave_faults(page):
    """Run the rules of axe-core; name the grave violations, each with the elements that break it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return {
        each["id"]: [node["html"][:160] for node in each["nodes"]]
        for each in found
        if each["impact"] in GRAVE
    }


def log_in(browser, airflow, name, password, **options):
    """Log in to Airflow as a person does; give the page."""
    context = browser.new_context(base_url=airflow, **options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto("/", wait_until="networkidle")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda url: "/auth/" not in url)
    return page


FAULTS = r"""
() => {
  const faults = [];
  const say = (what, element) => faults.push(what + ": " + element.outerHTML.slice(0, 120));
  const shown = (e) => e.getClientRects().length && getComputedStyle(e).visibility !== "hidden";
  const named = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim();
  if (!document.documentElement.lang) faults.push("the page names no language");
  if (!document.title) faults.push("the page has no title");
  if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  for (const e of document.querySelectorAll("a, button")) if (!named(e)) say("no name", e);
  for (const e of document.querySelectorAll("input:not([type=hidden])"))
    if (!(e.labels && e.labels.length && named(e.labels[0]))) say("no label", e);
  for (const e of document.querySelectorAll("svg[role=img]")) if (!named(e)) say("no name", e);
  for (const e of document.querySelectorAll("table")) {
    if (!e.caption) say("no caption", e);
    for (const h of e.querySelectorAll("th")) if (!h.scope) say("no scope", h);
  }
  for (const e of document.querySelectorAll(".wide")) if (e.tabIndex !== 0) say("no keyboard", e);
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  };
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !shown(e) || e.closest("svg, title")) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) say("contrast " + contrast.toFixed(2), e);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 1) faults.push("the page is " + wide + " px wider than its window");
  return [...new Set(faults)];
}
"""
"""Give the faults of the page, in words; none where all is well."""
