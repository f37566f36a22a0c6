"""The page of a night: the verdict, then the exposures that need somebody, then the rest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from dbb.flows.detectors import count_refused
from dbb.flows.night import NightReport
from dbb.flows.standing import NOT_WANTED, NightRow, Standing
from dbb.model.day_obs import FIRST, DayObs
from dbb.model.delivery import State
from dbb.model.instrument import Instrument
from dbb.web.focal_plane import focal_plane
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, join, page, sentence, sign, table, tag
from dbb.web.selection import Selection
from dbb.web.signs import headline, sign_of

REFUSALS = 50
"""Held items that a night lists; the quarantine has all."""


def night_document(
    report: NightReport, rows: Sequence[NightRow], selection: Selection
) -> dict[str, Any]:
    """Give what ``dbb night --json`` gives; a selection leaves out rows and nothing else."""
    document = report.to_json(rows)
    if selection.first is not None and selection.last is not None:
        document["first"] = str(selection.first.obs_id)
        document["last"] = str(selection.last.obs_id)
    return document


def night_html(
    report: NightReport,
    rows: Sequence[NightRow],
    selection: Selection,
    instruments: Mapping[str, Instrument],
) -> str:
    """Write the page; ``rows`` are those that the selection shows."""
    _, number, pages = selection.show(report.problems_first)
    address = selection.address(report.day_obs)
    return page(
        f"Night {report.day_obs.date.isoformat()}: {report.verdict}",
        _navigation(report.day_obs, address),
        ageing(_verdict(report), report.as_of, address),
        read_at(report.as_of, address),
        _selected(report, selection),
        _stages(report),
        _refusals(report),
        _choices(report, selection),
        table("Exposures, problems first", _columns(report), [_cells(report, row) for row in rows]),
        _pages(report.day_obs, selection, number, pages),
        *_planes(report, instruments),
        _lags(report),
        _expectations(report),
        command_line(f"dbb night {report.day_obs}", report.next_command),
    )


def _navigation(day_obs: DayObs, address: str) -> Html:
    day = dt.timedelta(days=1)
    links = []
    if day_obs.date > FIRST:
        links.append(_night_link(day_obs.date - day, "← "))
    if day_obs.date < dt.date.max:
        links.append(_night_link(day_obs.date + day, "", " →"))
    links.append(tag("a", "JSON", href=f"{address}{'&' if '?' in address else '?'}format=json"))
    return navigation("../", "", *links)


def _night_link(date: dt.date, before: str, after: str = "") -> Html:
    return tag("a", before, date.isoformat(), after, href=f"{date:%Y%m%d}")


def _verdict(report: NightReport) -> Html:
    """Show the command line's very sentence; its beginning stands out."""
    head, dash, tail = report.sentence.partition(" — ")
    return headline(report.verdict, tag("strong", head), dash, sentence(tail))


def _selected(report: NightReport, selection: Selection) -> Html:
    if selection.first is None or selection.last is None:
        return Html("")
    first, last = str(selection.first.obs_id), str(selection.last.obs_id)
    span = first if first == last else f"{first} to {last}"
    number = len(selection.choose(report.lines))
    return tag(
        "p",
        f"Listed below: {number:,} of {len(report.lines):,}, {span}. The verdict is the whole "
        "night's. ",
        tag("a", "List the whole night", href=str(report.day_obs)),
    )


def _stages(report: NightReport) -> Html:
    """Count the units by endpoint and state: how far the night is, at a glance."""
    reached = {name for states in report.states.values() for name in states}
    states = [
        str(state) for state in (*State, "unknown", NOT_WANTED.state) if str(state) in reached
    ]
    rows = [
        [name, *(f"{counts[state]:,}" if state in counts else "-" for state in states)]
        for name, counts in report.states.items()
    ]
    return table(
        "How far the exposures are", ["endpoint", *map(sign_of, states)], rows if states else []
    )


def _choices(report: NightReport, selection: Selection) -> Html:
    """Offer the standings of which there is any, each with its number."""
    known = [(str(each), report.counts[str(each)]) for each in Standing if report.counts[str(each)]]
    if len(known) < 2:
        return Html("")
    links = [
        tag(
            "a",
            f"{word or 'all'} ({number:,})",
            href=selection.address(report.day_obs, standing=word, page=""),
            aria_current="true" if selection.standing == word else "",
        )
        for word, number in (("", len(report.lines)), *known)
    ]
    return tag("p", "Show: ", join(links, " "), class_="choices")


def _pages(day_obs: DayObs, selection: Selection, number: int, pages: int) -> Html:
    if pages == 1:
        return Html("")
    near = sorted({1, *range(number - 2, number + 3), pages} & set(range(1, pages + 1)))
    links = [
        tag(
            "a",
            each,
            href=selection.address(day_obs, page=str(each) if each > 1 else ""),
            aria_current="page" if each == number else "",
        )
        for each in near
    ]
    return tag("p", f"Page {number} of {pages}: ", join(links, " "), class_="choices")


def _planes(report: NightReport, instruments: Mapping[str, Instrument]) -> list[Html]:
    """Draw the cameras that took something this night."""
    refused = count_refused(report.refusals, instruments)
    return [
        focal_plane(
            instruments[name],
            report.lacking.get(name, {}),
            refused.get(name, {}),
            f"{name}, all night",
        )
        for name in sorted({line.instrument for line in report.lines})
    ]


def _columns(report: NightReport) -> list[str]:
    return ["exposure", "standing", "detectors", *report.endpoints, "gate", "since", "why"]


def _cells(report: NightReport, line: NightRow) -> list[object]:
    row = line.row
    name = row.obs_id if row.part == 1 else f"{row.obs_id}.{row.part}"
    return [
        tag("a", name, href=f"../exposure/{name}"),
        sign_of(line.standing),
        f"{row.arrived}/{row.expected}",
        *(sign_of(line.places[name].state) for name in report.endpoints),
        row.gate or "-",
        line.since_at,
        line.why,
    ]


def _refusals(report: NightReport) -> Html:
    listed = table(
        "Held in quarantine",
        ["refusal", "code", "endpoint", "item", "found", "reason", "next"],
        [
            [
                tag("code", item.refusal_id[:12]),
                sign("▲", item.code, "act"),
                item.endpoint,
                item.name.rpartition("/")[2] or item.unit.rpartition("/")[2],
                item.found_at,
                item.reason,
                sentence(item.next_action),
            ]
            for item in report.refusals[:REFUSALS]
        ],
    )
    number = len(report.refusals)
    if not number:
        return listed
    where = f"../quarantine?day_obs={report.day_obs}"
    return join((listed, tag("p", tag("a", f"Decide on the {number:,} held", href=where))))


def _lags(report: NightReport) -> Html:
    return table(
        "From an exposure's last file to its publication",
        ["endpoint", "exposures", "half within", "95 % within", "longest"],
        [
            [
                lag.endpoint,
                f"{lag.exposures:,}",
                *(f"{seconds:,.0f} s" for seconds in (lag.p50_s, lag.p95_s, lag.max_s)),
            ]
            for lag in report.lags
        ],
    )


def _expectations(report: NightReport) -> Html:
    return table(
        "Expectations",
        ["suite", "instrument", "outcome", "exposures", "at"],
        [
            [
                result.suite,
                result.instrument,
                sign("▲", f"{result.failed:,} failed", "act")
                if result.failed
                else sign("✓", "none failed", "good"),
                f"{result.exposures:,}",
                result.at,
            ]
            for result in report.expectations
        ],
    )
