"""The page of an exposure: why it stands where it stands, then all that happened to it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from urllib.parse import urlencode

from dbb.flows.detectors import count_refused
from dbb.flows.exposure_story import ExposureStory, UnitStory
from dbb.model.day_obs import DayObs
from dbb.model.instrument import Instrument
from dbb.model.quarantine import Decision
from dbb.web.focal_plane import focal_plane
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, exactly, join, page, sentence, sign, table, tag
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
    lacking = dict.fromkeys(row.missing, 1)
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
            ("its adler32", tag("code", row.bundle.adler32)),
            ("its crc32c", tag("code", row.bundle.crc32c)),
            ("manifest", tag("code", row.manifest_sha256)),
        ]
    known += [(f"DID, {what}", tag("code", did)) for what, did in unit.dids.items()]
    butler = unit.butler
    query = f"instrument='{butler['instrument']}' AND exposure={butler['exposure']}"
    known += [
        ("Butler's run", tag("code", butler["run"])),
        ("its images", join((tag("code", name) for name in butler["dataset_types"]), " and ")),
        ("where", tag("code", query)),
    ]
    return tag("dl", *(join((tag("dt", name), tag("dd", value))) for name, value in known))


def _places(unit: UnitStory) -> Html:
    return table(
        "Where it is",
        ["endpoint", "state", "since", "last read", "rule", "reason"],
        [
            [
                name,
                sign_of(place.state),
                place.since_at,
                place.verified_at,
                _rule(unit, name),
                place.reason,
            ]
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
    begin = events[0].at if events else None
    return table(
        "What happened, to the millisecond",
        ["at", "after", "part", "endpoint", "from", "to", "reason", "by"],
        [
            [
                exactly(event.at),
                "-" if begin is None else f"{(event.at - begin).total_seconds():,.3f} s",
                event.unit.partition(".")[2] or "1",
                event.endpoint,
                event.old_state or "-",
                sign_of(event.new_state),
                event.reason,
                _actor(event.actor),
            ]
            for event in events
        ],
    )


def _rule(unit: UnitStory, endpoint: str) -> object:
    delivery = unit.deliveries.get(endpoint)
    return "-" if delivery is None or not delivery.rule_id else tag("code", delivery.rule_id)


def _actor(actor: str) -> object:
    """Lead to the runs of Airflow that have this name, and so to their logs; people have none."""
    if "__" not in actor:
        return actor
    query = urlencode({"run_id_pattern": actor})
    return tag("a", actor, href=f"../../dag_runs?{query}", target="_top")
