"""The account of outages: when nothing was published although exposures waited, and how much of it was planned."""

from __future__ import annotations

from dbb.flows.outage_history import YEAR_DAYS
from dbb.flows.outages import PRODUCTION_MAX_DOWNTIME, Outage, OutageReport
from dbb.model.day_obs import DayObs
from dbb.web.bars import bar
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, page, sign, table, tag
from dbb.web.signs import spoken


def outages_html(report: OutageReport) -> str:
    """Write the page."""
    is_year = report.days == YEAR_DAYS
    address = "outages" if is_year else f"outages?days={report.days}"
    json = f"{address}{'?' if is_year else '&'}format=json"
    return page(
        "Outages",
        navigation("", "outages", tag("a", "JSON", href=json)),
        ageing(spoken(report.sentence), report.as_of, address),
        read_at(report.as_of, address),
        _what_next(report),
        table(
            "When the archive published no raw exposure although one waited; the bar is what nobody planned against 24 hours",
            ["begun", "ended", "night", "hours", "planned", "unplanned", "of 24 h", "verdict"],
            [_cells(each) for each in report.outages],
        ),
        command_line("dbb outages" if is_year else f"dbb outages --days {report.days}"),
    )  # fmt: skip


def _what_next(report: OutageReport) -> Html:
    """Say where to look while one lasts; afterwards each line leads to its night."""
    if not any(each.lasts for each in report.outages):
        return Html("")
    return tag(
        "p",
        "One lasts. ", tag("a", "Now", href="now"), " says which part is silent and what waits, ",
        tag("a", "Work", href="work"), " whether a maintenance holds it. ", tag("code", "dbb doctor"),
        " looks at each part; the runbook is ", tag("code", "docs/operate/production-outage.md"), ".",
    )  # fmt: skip


def _cells(each: Outage) -> list[object]:
    row = each.to_json()
    limit_h = PRODUCTION_MAX_DOWNTIME.total_seconds() / 3600
    hours = row["unplanned_hours"]
    night = DayObs.at(each.begun_at)
    return [
        each.begun_at,
        sign("◌", "lasts", "wait") if each.lasts else each.until,
        tag("a", night.date.isoformat(), href=f"night/{night}"),
        f"{row['hours']:,} h",
        f"{row['planned_hours']:,} h",
        f"{hours:,} h",
        bar(
            [(hours / limit_h, "act" if each.is_too_long else "wait" if each.lasts else "good")],
            f"{hours:,} h of {limit_h:,.0f} h",
        ),
        _verdict(each),
    ]


def _verdict(each: Outage) -> Html:
    if each.is_too_long:
        return sign("▲", "too long", "act")
    return sign("◌", "within so far", "wait") if each.lasts else sign("✓", "within", "good")
