"""``dbb audit``: compare the records of past nights, and list what was found."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit, exit_of
from dbb.flows.reconcile_views import Scan
from dbb.flows.reconciling import reconcile_night
from dbb.model.day_obs import DayObs
from dbb.model.finding import Finding, FindingState

HELP = "Compare stores, Rucio, Butler and ledger of past nights; list what does not agree."
SCHEMA = "dbb-audit/1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--day-obs", metavar="D", help="compare this night, YYYYMMDD")
    parser.add_argument("--from", dest="first", metavar="D", help="compare from this night on")
    parser.add_argument("--to", dest="last", metavar="D", help="up to this night; both included")
    parser.add_argument(
        "--endpoint", action="append", metavar="E", help="only there; may be given again"
    )
    parser.add_argument(
        "--list", action="store_true", help="compare nothing, list what earlier scans found"
    )
    parser.add_argument("--all", action="store_true", help="also list findings that are closed")


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Compare the nights, if any are named; list their findings, or all. Confirmed ones are 1."""
    endpoints = [context.settings.endpoint(name).name for name in given.endpoint or ()]
    nights = _nights(given)
    scans: list[Scan] = []
    places = endpoints or context.sources.endpoints
    context.output.progress.expect("reconcile", len(nights) * len(places))
    for night in [] if given.list else nights:
        scans += reconcile_night(context.sources, night, endpoints)
    span = (nights[0].value, nights[-1].value) if nights else ()
    found = context.sources.findings.find(*span, endpoints=endpoints, with_closed=given.all)
    _write(context, scans, found)
    if any(each.state is FindingState.CONFIRMED for each in found):
        return Exit.FINDINGS
    silent = [error for scan in scans for error in scan.silent]
    return exit_of(silent[0]) if silent else Exit.WELL


def _nights(given: argparse.Namespace) -> list[DayObs]:
    first, last = given.first or given.day_obs, given.last or given.day_obs
    if first is None and last is None:
        return []
    parsed = [DayObs.parse(text) for text in (first or last, last or first)]
    return list(DayObs.range(*parsed))


def _write(context: Context, scans: list[Scan], found: list[Finding]) -> None:
    output = context.output
    output.document(
        {
            "schema": SCHEMA,
            "scans": [_scan(scan) for scan in scans],
            "findings": [each.to_json() for each in found],
        }
    )
    output.table(
        ["night", "endpoint", "subject", "finding", "state", "since", "scans", "policy", "reason"],
        [
            [
                each.sighting.day_obs,
                each.sighting.endpoint,
                each.sighting.subject,
                each.sighting.discrepancy,
                each.state,
                each.first_seen_at,
                each.scans,
                each.sighting.discrepancy.truth,
                each.sighting.discrepancy.reason,
            ]
            for each in found
        ],
    )
    output.say()
    if scans:
        units = sum(scan.units for scan in scans)
        output.say(f"{len(scans)} comparisons of a night at an endpoint, {units} deliveries.")
    confirmed = sum(each.state is FindingState.CONFIRMED for each in found)
    output.say(
        f"{confirmed} findings are confirmed, of {len(found)}; each: reference/reconcile.md."
    )
    for error in dict.fromkeys(error for scan in scans for error in scan.silent):
        output.error(error)


def _scan(scan: Scan) -> dict[str, object]:
    return {
        "day_obs": scan.day_obs.value,
        "endpoint": scan.endpoint,
        "at": scan.at.isoformat(timespec="milliseconds"),
        "units": scan.units,
        "sightings": len(scan.sightings),
        "unsettled": len(scan.unsettled),
        "silent": [str(error) for error in scan.silent],
    }
