"""``dbb exposure``: one exposure's story."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.exposure_story import UnitStory, exposure_story
from dbb.flows.standing import Standing

HELP = "Tell what happened to an exposure, and why it is not published."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("obs_id", metavar="OBS_ID", help="MC_O_20261121_000123, or a unit")


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write why it stands where it stands, then its history."""
    output = context.output
    story = exposure_story(context.backbone, given.obs_id)
    output.document(story.to_json())
    output.say(story.sentence)
    for unit in story.units:
        _write_unit(context, unit)
    events = sorted(
        (event for unit in story.units for event in unit.events),
        key=lambda event: (event.at, event.unit),
    )
    output.say()
    output.table(
        ["at", "unit", "endpoint", "from", "to", "reason", "actor"],
        [
            [
                event.at,
                event.unit.rpartition("/")[2],
                event.endpoint,
                event.old_state or "-",
                event.new_state,
                event.reason,
                event.actor,
            ]
            for event in events
        ],
    )
    acts = any(unit.line.standing is Standing.ACT for unit in story.units)
    return Exit.FINDINGS if acts else Exit.WELL


def _write_unit(context: Context, unit: UnitStory) -> None:
    output, row = context.output, unit.line.row
    if output.form != "table":
        return
    output.say()
    output.say(f"unit      {row.unit}, {row.arrived} of {row.expected} detectors")
    if row.missing:
        output.say(f"missing   {', '.join(row.missing)}")
    if row.bundle is not None:
        output.say(f"manifest  sha256 {row.manifest_sha256}")
        output.say(f"bundle    sha256 {row.bundle.sha256}, {row.bundle.size_bytes:,} bytes")
    if unit.facts is not None:
        facts = unit.facts
        output.say(
            f"exposure  {facts.exposure_id}, {facts.observation_type}, {facts.physical_filter}, "
            f"{facts.exposure_time_s:g} s from {facts.begin_tai.isoformat(sep=' ')} TAI"
        )
    output.say()
    places = unit.line.places
    output.table(
        ["endpoint", "state", "since", "verified", "reason"],
        [
            [name, place.state or "-", place.since_at, place.verified_at, place.reason]
            for name, place in places.items()
        ],
        is_main=False,
    )
    output.say()
    output.table(
        ["refusal", "decision", "endpoint", "code", "file", "reason", "by"],
        [
            [
                item.refusal_id,
                item.decision,
                item.endpoint,
                item.code,
                item.name.rpartition("/")[2] or "-",
                item.reason,
                item.decided_by,
            ]
            for item in unit.refusals
        ],
        is_main=False,
    )
