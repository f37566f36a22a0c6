"""What all pages share: one small navigation, the verdict that ages, and when the ledger was read."""

from __future__ import annotations

import datetime as dt

from dbb.web.markup import Html, join, tag

PAGES = {
    "nights": "Nights",
    "now": "Now",
    "alarms": "Alarms",
    "work": "Work",
    "lag": "Lag",
    "quarantine": "Quarantine",
    "buffers": "Buffers",
    "replicas": "Replicas",
    "budget": "Loss budget",
    "outages": "Outages",
}
"""The pages that need no name of something, by address; the first one is the first screen."""


def navigation(up: str, here: str, *more: Html) -> Html:
    """Link the pages; ``up`` leads to their folder, ``more`` is what belongs to this page alone."""
    links = [tag("a", "Airflow", href=f"{up or './'}../", target="_top")]
    for address, name in PAGES.items():
        current = "page" if address == here else ""
        links.append(tag("a", name, href=f"{up}{address}", aria_current=current))
    return join((*links, *more), " ")


def ageing(headline: Html, as_of: dt.datetime, address: str) -> Html:
    """Show a verdict for two minutes; then the page says by itself that it is too old to tell."""
    again = tag("a", "Read again", href=address)
    told = ("UNKNOWN: this was read at ", as_of, " UTC, more than two minutes ago. ", again)
    old = tag("p", tag("span", "?", aria_hidden="true"), tag("span", *told), class_="verdict act")
    return join((tag("div", headline, class_="fresh"), tag("div", old, class_="aged")))


def read_at(as_of: dt.datetime, address: str, *more: object) -> Html:
    """Say when the ledger was read, and offer to read it again."""
    again = tag("a", "Read again", href=address)
    return tag(
        "p", "Read from the ledger at ", as_of, ". All times are UTC. ", again, *more, class_="note"
    )


def command_line(*commands: str) -> Html:
    """Name the commands that say the same."""
    shown = join((tag("code", command) for command in commands if command), " then ")
    return tag("p", "On the command line: ", shown, class_="note")
