"""``dbb doctor``: what is wrong with this installation, and what to do next."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit, exit_of
from dbb.doctor import examine, first_remedy

HELP = (
    "Examine the installation: packages, settings, ledger, stores, Rucio, Butler, clock, Airflow."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write a line for every check; the worst one is the exit code."""
    del given
    output = context.output
    findings = list(examine(context.settings))
    wrong = [finding for finding in findings if finding.error is not None]
    output.document(
        {
            "schema": "dbb-doctor/1",
            "is_well": not wrong,
            "next": first_remedy(findings),
            "checks": [finding.to_json() for finding in findings],
        }
    )
    output.table(
        ["result", "check", "detail", "next"],
        [list(finding.to_json().values()) for finding in findings],
    )
    output.say()
    warnings = sum(1 for finding in findings if finding.error is None and finding.remedy)
    output.say(
        f"{len(wrong)} of {len(findings)} checks found something wrong; {warnings} warnings."
    )
    if wrong or warnings:
        output.say(f"Next: {first_remedy(findings)}")
    return max((exit_of(item.error) for item in wrong if item.error), default=Exit.WELL)
