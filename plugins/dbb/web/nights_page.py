"""The first screen: one verdict on the last nights, then a calendar strip and a line for each night."""

from __future__ import annotations

import datetime as dt

from dbb.flows.night_sums import NightSum
from dbb.flows.nights import NightsReport
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import FIRST, DayObs
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, join, page, sentence, table, tag
from dbb.web.signs import headline, look_of, sign_of


def nights_html(report: NightsReport) -> str:
    """Write the page."""
    last, number = report.nights[0].day_obs, len(report.nights)
    address = f"nights?last={last}&number={number}"
    head, dash, tail = report.sentence.partition(" — ")
    verdict = headline(
        report.verdict, tag("strong", head), dash, sentence(tail), " ", _button(report)
    )
    return page(
        f"Nights: {report.verdict}",
        navigation("", "nights", tag("a", "JSON", href=f"{address}&format=json")),
        ageing(verdict, report.as_of, address),
        tag("p", report.release_sentence),
        read_at(report.as_of, address, *_look(report)),
        _strip(report, last, number),
        _table(report),
        command_line("dbb nights", report.next_command),
    )


def _button(report: NightsReport) -> Html:
    """Lead to the cause: what is held of that night, or the night whose bad rows stand first."""
    cause = report.cause
    if report.verdict is Verdict.UNKNOWN:
        return tag("a", "See what runs", href="now", class_="button")
    if cause is None or report.verdict not in (Verdict.ACT, Verdict.WAITING):
        return Html("")
    number = cause.problems if report.verdict is Verdict.ACT else cause.standings["waiting"]
    text = f"Show the {number:,} of {cause.day_obs.date.isoformat()}"
    return tag("a", text, href=f"night/{cause.day_obs}", class_="button")


def _look(report: NightsReport) -> tuple[object, ...]:
    if report.looked is None:
        return (f" Nobody has looked at {report.source} yet.",)
    return (f" Last look at {report.source}: ", report.looked, ".")


def _strip(report: NightsReport, last: DayObs, number: int) -> Html:
    """Draw a calendar, the oldest night first: each night a link with its day, sign and word."""
    cells = [_cell(night) for night in reversed(report.nights)]
    step = dt.timedelta(days=number)
    links = []
    if last.date - step >= FIRST:
        links.append(_shift("← earlier", last.date - step, number))
    if last.date + step <= report.as_of.date() + step:
        links.append(_shift("later →", min(last.date + step, dt.date.max), number))
    first = report.nights[-1].day_obs.date
    title = tag("h2", f"{first.isoformat()} to {last.date.isoformat()}", id="strip")
    strip = tag("ol", *(tag("li", cell) for cell in cells), class_="strip", aria_labelledby="strip")
    return join((title, tag("p", join(links, " ")), strip))


def _shift(text: str, last: dt.date, number: int) -> Html:
    return tag("a", text, href=f"nights?last={last:%Y%m%d}&number={number}")


def _cell(night: NightSum) -> Html:
    symbol, kind = look_of(night.verdict)
    day = night.day_obs.date
    told = (
        tag("span", f"{day:%b} {day.day}", class_="day"),
        tag("span", symbol, aria_hidden="true"),
        tag("span", night.verdict),
    )
    return tag("a", join(told, " "), href=f"night/{night.day_obs}", class_=f"cell {kind}")


def _table(report: NightsReport) -> Html:
    known = [night for night in report.nights if night.verdict is not Verdict.EMPTY]
    return table(
        "The nights of which something is known, the newest first",
        ["night", "verdict", "exposures", "waiting", "act", "held", "at source", "expected", "why"],
        [
            [
                tag("a", night.day_obs.date.isoformat(), href=f"night/{night.day_obs}"),
                sign_of(night.verdict),
                f"{night.exposures:,}",
                f"{night.standings['waiting']:,}",
                f"{night.standings['act']:,}",
                _held(night),
                f"{night.at_source:,}",
                night.expected_at(report.second_reading_after_s) or "-",
                "; ".join(f"{why} ({count:,})" for why, count in night.whys.most_common(2)) or "-",
            ]
            for night in known
        ],
    )


def _held(night: NightSum) -> object:
    if not night.held_refusals:
        return "0"
    return tag("a", f"{night.held_refusals:,}", href=f"quarantine?day_obs={night.day_obs}")
