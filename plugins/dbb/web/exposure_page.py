"""The page of an exposure: why it stands where it stands, then all that happened to it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping

from dbb.flows.detectors import count_lacking, count_refused
from dbb.flows.exposure_story import ExposureStory, UnitStory
from dbb.model.day_obs import DayObs
from dbb.model.instrument import Instrument
from dbb.model.quarantine import Decision
from dbb.web.focal_plane import focal_plane
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, join, page, sentence, sign, table, tag
from dbb.web.signs import headline, sign_of


def exposure_html(
    story: ExposureStory, as_of: dt.datetime, instruments: Mapping[str, Instrument]
) -> str:
    """Write the page; ``as_of`` is when the ledger was read."""
    teller = next(unit for unit in story.units if unit.why == story.sentence)
    standing = teller.line.standing
    day_obs = DayObs(teller.line.row.day_obs)
    return page(
        f"{story.obs_id}: {standing}",
        navigation(
            "../",
            "",
            tag("a", f"Night {day_obs.date.isoformat()}", href=f"../night/{day_obs}"),
            tag("a", "JSON", href=f"{story.obs_id}?format=json"),
        ),
        ageing(headline(standing, sentence(story.sentence)), as_of, story.obs_id),
        read_at(as_of, story.obs_id),
        *itertools.chain.from_iterable(_unit(unit, instruments) for unit in story.units),
        _history(story),
        command_line(f"dbb exposure {story.obs_id}", f"dbb where {story.obs_id}"),
    )


def _unit(unit: UnitStory, instruments: Mapping[str, Instrument]) -> list[Html]:
    row = unit.line.row
    lacking = count_lacking([unit.line]).get(row.instrument, {})
    refused = count_refused(unit.line.refusals, instruments).get(row.instrument, {})
    plane = focal_plane(instruments[row.instrument], lacking, refused, row.obs_id)
    return [
        tag("h2", f"Part {row.part}: {row.arrived} of {row.expected} detectors"),
        _facts(unit),
        _places(unit),
        _refusals(unit),
        plane,
    ]


def _facts(unit: UnitStory) -> Html:
    row, facts = unit.line.row, unit.facts
    known: list[tuple[str, object]] = [("unit", row.unit)]
    if row.missing:
        known.append(("missing", ", ".join(row.missing)))
    if facts is not None:
        begin = facts.begin_tai.isoformat(sep=" ", timespec="seconds")
        known += [
            ("exposure", f"{facts.exposure_id}, {facts.observation_type}, {facts.physical_filter}"),
            ("taken", f"{facts.exposure_time_s:g} s from {begin} TAI"),
        ]
        if facts.target_name:
            known.append(("target", facts.target_name))
    if row.bundle is not None:
        known += [
            ("bundle", f"{row.bundle.size_bytes:,} bytes"),
            ("its sha256", tag("code", row.bundle.sha256)),
            ("manifest", tag("code", row.manifest_sha256)),
        ]
    return tag("dl", *(join((tag("dt", name), tag("dd", value))) for name, value in known))


def _places(unit: UnitStory) -> Html:
    return table(
        "Where it is",
        ["endpoint", "state", "since", "last read", "reason"],
        [
            [name, sign_of(place.state), place.since_at, place.verified_at, place.reason]
            for name, place in unit.line.places.items()
        ],
    )


def _refusals(unit: UnitStory) -> Html:
    return table(
        "Refused",
        ["refusal", "decision", "code", "endpoint", "file", "reason", "next", "decided by"],
        [
            [
                tag("code", item.refusal_id[:12]),
                sign("▲", item.decision, "act")
                if item.decision is Decision.HELD
                else sign("✓", item.decision, "none"),
                item.code,
                item.endpoint,
                item.name.rpartition("/")[2] or "-",
                item.reason,
                sentence(item.next_action) if item.decision is Decision.HELD else "-",
                item.decided_by or "-",
            ]
            for item in unit.refusals
        ],
    )


def _history(story: ExposureStory) -> Html:
    events = sorted(
        (event for unit in story.units for event in unit.events),
        key=lambda event: (event.at, event.unit),
    )
    return table(
        "What happened",
        ["at", "part", "endpoint", "from", "to", "reason", "by"],
        [
            [
                event.at,
                event.unit.partition(".")[2] or "1",
                event.endpoint,
                event.old_state or "-",
                sign_of(event.new_state),
                event.reason,
                event.actor,
            ]
            for event in events
        ],
    )
