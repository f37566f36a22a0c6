"""What goes on now."""

from __future__ import annotations

from dbb.flows.now import NowReport, Pulse
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, page, sentence, sign, table, tag
from dbb.web.signs import spoken

_PULSES = {Pulse.ALIVE: ("✓", "good"), Pulse.SILENT: ("▲", "act"), Pulse.NEVER: ("-", "none")}


def now_html(report: NowReport) -> str:
    """Write the page."""
    return page(
        "Now",
        navigation("", "now", tag("a", "JSON", href="now?format=json")),
        ageing(spoken(report.sentence), report.as_of, "now"),
        read_at(report.as_of, "now"),
        table(
            "Signs of life",
            ["part", "pulse", "last sign", "trouble"],
            [
                [each.part, _pulse(each.pulse(report.as_of)), each.at or "-", sentence(each.trouble or "-")]
                for each in report.heartbeats
            ],
        ),
        tag("p", "Airflow's own parts: ", tag("a", "its health", href="../", target="_top"), class_="note"),
        table(
            "What waits, and why",
            ["endpoint", "waits for", "deliveries", "the oldest since"],
            [
                [each.endpoint, each.waits_for, f"{each.deliveries:,}", each.since_at or "-"]
                for each in report.waiting
            ],
        ),
        table(
            "What the links carried within the last hour",
            ["to", "units", "MB", "MB/s", "last"],
            [
                [
                    link.endpoint,
                    f"{link.units:,}",
                    f"{link.size_bytes / 1e6:,.1f}",
                    f"{link.bytes_per_s / 1e6:,.3f}",
                    link.last_at or "-",
                ]
                for link in report.links
            ],
        ),
        _canary(report),
        table(
            "Events that nobody has dealt with yet",
            ["Rucio storage element", "events", "the newest"],
            [[rse, f"{number:,}", newest or "-"] for rse, (number, newest) in report.events.items()],
        ),
        command_line("dbb now"),
    )  # fmt: skip


def _pulse(pulse: Pulse) -> Html:
    symbol, kind = _PULSES[pulse]
    return sign(symbol, pulse, kind)


def _canary(report: NowReport) -> Html:
    if report.canary is None:
        return tag("p", "No canary has flown: the DAG ", tag("code", "canary"), " is off.")
    return table(
        f"Canary {report.canary.number}: {report.canary.outcome}",
        ["stage", "reached after"],
        [[name, f"{took:,.1f} s"] for name, took in report.stages_s.items()],
    )
