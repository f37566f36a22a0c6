"""``dbb night``: say whether a night is safe."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.night import NightReport, night_report, night_rows
from dbb.flows.standing import NightRow, Standing
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import DayObs

HELP = "Say whether a night is safe, waits, or needs a decision; then every exposure."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "day_obs", metavar="DAY_OBS", nargs="?", help="the night, YYYYMMDD; tonight if left out"
    )
    parser.add_argument("--all", action="store_true", help="also list the exposures that are safe")


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the verdict first; the exit code tells a night that needs a person."""
    backbone, output = context.backbone, context.output
    day_obs = DayObs.parse(given.day_obs) if given.day_obs else DayObs.at(backbone.clock.now())
    report = night_report(backbone, day_obs)
    rows = night_rows(backbone, report)
    output.document(report.to_json(rows))
    output.say(report.sentence)
    shown = [
        line
        for line in rows
        if given.all or output.form != "table" or line.standing is not Standing.SAFE
    ]
    output.say()
    output.table(_columns(report), [_cells(report, line) for line in shown])
    _write_numbers(context, report)
    bad = report.verdict in (Verdict.ACT, Verdict.UNKNOWN)
    return Exit.FINDINGS if bad else Exit.WELL


def _columns(report: NightReport) -> list[str]:
    return ["exposure", "part", "detectors", *report.endpoints, "gate", "standing", "since", "why"]


def _cells(report: NightReport, line: NightRow) -> list[object]:
    row = line.row
    return [
        row.obs_id,
        row.part,
        f"{row.arrived}/{row.expected}",
        *(line.places[name].state or "-" for name in report.endpoints),
        row.gate or "-",
        line.standing,
        line.since_at,
        line.why,
    ]


def _write_numbers(context: Context, report: NightReport) -> None:
    output = context.output
    if output.form != "table":
        return
    lags = [
        [lag.endpoint, lag.exposures, f"{lag.p50_s:.0f}", f"{lag.p95_s:.0f}", f"{lag.max_s:.0f}"]
        for lag in report.lags
    ]
    output.say()
    output.table(["published at", "exposures", "p50_s", "p95_s", "max_s"], lags, is_main=False)
    results = [
        [result.suite, result.instrument, result.exposures, result.failed, result.at]
        for result in report.expectations
    ]
    output.say()
    columns = ["expectations", "instrument", "exposures", "failed", "at"]
    output.table(columns, results, is_main=False)
    if report.next_command:
        output.say()
        output.say(f"Next: {report.next_command}")
