"""One exposure's story: what happened when, where it is, and why it is not published yet."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

from dbb.flows.backbone import Backbone
from dbb.flows.finding import find_units
from dbb.flows.night import refusal_json
from dbb.flows.standing import NightRow, Standing, judge_unit
from dbb.model.delivery import Delivery, State
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.quarantine import Refusal
from dbb.ports.ledger import DeliveryEvent, UnitRow

SCHEMA = "dbb-exposure/1"


@dataclass(frozen=True)
class UnitStory:
    """Hold what the ledger knows of one unit.

    Parameters
    ----------
    line
        Its line of the night.
    deliveries
        By endpoint.
    refusals
        All, decided or not, oldest first.
    events
        Its history, oldest first.
    facts
        What the header says; None before a file was read.
    scope, run
        Rucio's scope of its files, and Butler's run collection of its images.
    """

    line: NightRow
    deliveries: dict[str, Delivery]
    refusals: tuple[Refusal, ...]
    events: tuple[DeliveryEvent, ...]
    facts: ExposureFacts | None
    scope: str
    run: str

    @property
    def dids(self) -> dict[str, str]:
        """Give what Rucio calls its dataset, its bundle and its manifest."""
        unit = Unit.parse(self.line.row.unit)
        names = {
            "dataset": unit.rucio_dataset, "bundle": unit.bundle_name, "manifest": unit.manifest_name,
        }  # fmt: skip
        return {what: f"{self.scope}:{name}" for what, name in names.items()}

    @property
    def butler(self) -> dict[str, Any]:
        """Give what Butler calls its images: one for each detector, at every endpoint the same."""
        row = self.line.row
        return {
            "run": self.run,
            "dataset_types": ["raw", "guider_raw"],
            "instrument": row.instrument,
            "exposure": Unit.parse(row.unit).obs_id.exposure_id,
        }

    @property
    def why(self) -> str:
        """Say in one sentence why it is not published, or that it is, and what comes next."""
        row = self.line.row
        what = f"{Unit.parse(row.unit).stem} {self.line.why}"
        published = [
            name for name, place in self.line.places.items() if place.state == State.PUBLISHED
        ]
        where = f"; it is published at {' and '.join(published)}" if published else ""
        lacks = f" without {len(row.missing)} of {row.expected} detectors" if row.missing else ""
        since = f" since {self.line.since_at:%Y-%m-%d %H:%M:%S} UTC"
        reason = f" ({self._reason})" if self._reason else ""
        return f"{what}{since}{reason}{where}{lacks}. {self._next}"

    @property
    def _reason(self) -> str:
        """Give the ledger's own words for what stands in the way."""
        if self.line.refusals:
            return self.line.refusals[0].reason.rstrip(".")
        if self.line.why == "waits for detectors":
            return f"{self.line.row.arrived} of {self.line.row.expected} are there"
        for name, place in self.line.places.items():
            if self.line.why.endswith(f"at {name}"):
                return place.reason
        return ""

    @property
    def _next(self) -> str:
        line, obs_id = self.line, self.line.row.obs_id
        if line.refusals:
            first = line.refusals[0]
            return f"Next: {first.next_action} See `dbb quarantine show {first.refusal_id}`."
        if line.standing is Standing.ACT:
            return f"Next: `dbb where {obs_id}`, then `dbb retry {obs_id}`."
        if line.standing is Standing.WAITING:
            wants_look = "copy" in line.why or "detectors" in line.why
            look = f"`dbb where {obs_id}`" if wants_look else "`dbb doctor`"
            return f"Next: nothing, the next run goes on; {look} if it lasts."
        return "Nothing is left to do."

    def to_json(self) -> dict[str, Any]:
        """Give the story of the unit as it stands in a document."""
        row = self.line.row
        return {
            **self.line.to_json(),
            "why_not_published": self.why,
            "manifest_sha256": row.manifest_sha256,
            "bundle": row.bundle.to_json() if row.bundle is not None else None,
            "dids": self.dids,
            "butler": self.butler,
            "rules": {name: item.rule_id for name, item in self.deliveries.items()},
            "facts": None if self.facts is None else _plain(dataclasses.asdict(self.facts)),
            "refusals": [refusal_json(item) for item in self.refusals],
            "events": [_plain(dataclasses.asdict(event)) for event in self.events],
        }


@dataclass(frozen=True)
class ExposureStory:
    """Hold the stories of an exposure's parts."""

    obs_id: str
    units: tuple[UnitStory, ...]

    @property
    def sentence(self) -> str:
        """Say how the exposure stands: the part that most needs a person speaks."""
        order = list(Standing)
        return min(self.units, key=lambda unit: order.index(unit.line.standing)).why

    def to_json(self) -> dict[str, Any]:
        """Give the story as a document of schema ``dbb-exposure/1``."""
        return {
            "schema": SCHEMA,
            "obs_id": self.obs_id,
            "sentence": self.sentence,
            "units": [unit.to_json() for unit in self.units],
        }


def exposure_story(backbone: Backbone, text: str) -> ExposureStory:
    """Tell the story of an exposure, from the ledger alone.

    Raises
    ------
    UnsafeName, BadDayObs, UnknownItem
        If ``text`` names no exposure, or none that the ledger knows.
    """
    rows = find_units(backbone, text)
    names = [row.unit for row in rows]
    deliveries = backbone.ledger.deliveries(names)
    facts = backbone.ledger.facts_of(names)
    return ExposureStory(
        rows[0].obs_id,
        tuple(
            _unit_story(
                backbone,
                row,
                set(names),
                {name: item for (unit, name), item in deliveries.items() if unit == row.unit},
                facts.get(row.unit),
            )
            for row in rows
        ),
    )


def _unit_story(
    backbone: Backbone,
    row: UnitRow,
    known: set[str],
    deliveries: dict[str, Delivery],
    facts: ExposureFacts | None,
) -> UnitStory:
    ledger = backbone.ledger
    unit = Unit.parse(row.unit)
    after = str(Unit(unit.instrument, unit.obs_id, unit.part + 1))  # strangers that came since
    names = [row.unit] if after in known else [row.unit, after]
    refusals = tuple(item for name in names for item in ledger.refusals(unit=name, decision=None))
    return UnitStory(
        line=judge_unit(backbone.policy, row, deliveries, refusals),
        deliveries=deliveries,
        refusals=refusals,
        events=tuple(ledger.events(row.unit)),
        facts=facts,
        scope=backbone.policy.scope,
        run=backbone.policy.run.format(instrument=row.instrument),
    )


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Write times as ISO 8601 (TAI ones have no zone, and get none)."""
    return {
        name: value.isoformat(timespec="milliseconds") if isinstance(value, dt.datetime) else value
        for name, value in fields.items()
    }
