"""The alarms: what must be known now, since when, what next, and who was told; then the log."""

from __future__ import annotations

from collections.abc import Sequence

from dbb.flows.alarm_log import AlarmReport
from dbb.model.alarm import Alarm
from dbb.web.addresses import PREFIX
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, join, page, sentence, sign, table, tag
from dbb.web.signs import spoken


def alarms_html(report: AlarmReport, query: str) -> str:
    """Write the page."""
    address = f"alarms{query}"
    json = f"{address}{'&' if query else '?'}format=json"
    looked = (
        (" All checks were last run at ", report.looked, ".")
        if report.looked
        else (" No check was ever run.",)
    )
    return page(
        "Alarms",
        navigation("", "alarms", tag("a", "JSON", href=json)),
        ageing(spoken(report.sentence), report.as_of, address),
        read_at(report.as_of, address, *looked),
        table(
            "What must be known now, the oldest first",
            ["number", "alarm", "where", "since", "told", "what", "next"],
            [[*_cells(report, each), sentence(each.next_action)] for each in report.open],
        ),
        table(
            "What is over, the newest first",
            ["number", "alarm", "where", "since", "told", "what", "over"],
            [[*_cells(report, each), each.ended_at] for each in report.over],
        ),
        command_line("dbb alarms list --all"),
    )


def _cells(report: AlarmReport, alarm: Alarm) -> list[object]:
    is_open = alarm.ended_at is None
    return [
        alarm.number,
        sign("▲", alarm.code, "act") if is_open else sign("✓", alarm.code, "good"),
        alarm.where or "-",
        alarm.since_at,
        _told(report, alarm),
        join((alarm.what, _link(alarm)), " "),
    ]


def _link(alarm: Alarm) -> Html:
    """Lead to the page that shows it; else name its runbook."""
    _, is_page, below = alarm.link.partition(f"{PREFIX}/")
    if is_page:
        return tag("a", "See it", href=below)
    return tag("code", f"docs/operate/{alarm.code}.md")


def _told(report: AlarmReport, alarm: Alarm) -> object:
    told: Sequence[Html] = [
        join((f"{each.channel}, {each.news} ", each.at))
        for each in report.told.get(alarm.number, ())
    ]
    return join(told, "; ") if told else "nobody: no channel is set"
