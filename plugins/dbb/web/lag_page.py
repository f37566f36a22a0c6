"""How long the last nights took against the 24 hours, and the calibrations' 1,200 seconds while they run."""

from __future__ import annotations

import datetime as dt

from dbb.flows.calibration_budget import Budget
from dbb.flows.lag_report import L1_PUBLIC_T_S, LagReport
from dbb.model.calibration import CAL_PROC_TIME_S, Attempt
from dbb.model.day_obs import DayObs
from dbb.model.night_units import NightLags
from dbb.web.bars import bar
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, page, sign, table, tag
from dbb.web.signs import spoken


def lag_html(report: LagReport, query: str) -> str:
    """Write the page."""
    address = f"lag{query}"
    return page(
        "Lag",
        navigation("", "lag", tag("a", "JSON", href=f"{address}{'&' if query else '?'}format=json")),
        ageing(spoken(report.sentence), report.as_of, address),
        read_at(report.as_of, address),
        table(
            "From an exposure's last file to its publication; the bar is the longest against 24 hours",
            ["night", "endpoint", "published", "open", "half within", "95 % within", "longest", "of 24 h", "late"],
            [_cells(each, report.as_of) for each in report.nights],
        ),
        *(_gauge(*each) for each in report.calibrations),
        Html("") if report.calibrations else tag("p", "No calibration is under way.", class_="note"),
        command_line("dbb lag", "dbb calibration show GROUP"),
    )  # fmt: skip


def _cells(each: NightLags, now: dt.datetime) -> list[object]:
    longest = max(each.max_s or 0.0, each.longest_open_s(now) or 0.0)
    share = longest / L1_PUBLIC_T_S
    day = DayObs(each.day_obs).date.isoformat()
    return [
        tag("a", day, href=f"night/{each.day_obs}"),
        each.endpoint,
        f"{each.published:,}",
        f"{each.open:,}",
        *(_seconds(value) for value in (each.p50_s, each.p95_s, each.max_s)),
        bar([(share, "act" if each.late else "good")], f"{longest:,.0f} s of {L1_PUBLIC_T_S:,} s"),
        sign("▲", f"{each.late:,} late", "act") if each.late else sign("✓", "none", "good"),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} s"


def _gauge(attempt: Attempt, budget: Budget) -> Html:
    left = CAL_PROC_TIME_S - budget.total_s
    shares = [
        (
            share.seconds / CAL_PROC_TIME_S,
            "act" if share.is_late else ("wait" if number % 2 else "good"),
        )
        for number, share in enumerate(budget.shares)
    ]
    told = f"{budget.total_s:,.0f} s of {CAL_PROC_TIME_S:,} s are spent, {left:,.0f} s are left"
    rows = [
        [
            share.step,
            f"{share.seconds:,.1f} s",
            f"{share.budget_s:,} s",
            sign("▲", "late", "act") if share.is_late else sign("◌" if share.is_running else "✓",
                "runs" if share.is_running else "done", "wait" if share.is_running else "good"),
        ]
        for share in budget.shares
    ]  # fmt: skip
    return tag(
        "section",
        tag("h2", attempt.unit),
        tag("p", bar(shares, told), " ", told),
        table(f"Steps of {attempt.unit}", ["step", "took", "may take", "state"], rows),
    )
