"""The night's verdict: one sentence first, then every number behind it.

The page, the command line and its JSON all show what ``night_report`` returns, so they agree.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbb.flows.backbone import Backbone
from dbb.flows.detectors import count_lacking
from dbb.flows.freshness import is_stale, looked_at
from dbb.flows.lag import Lag, measure_lags
from dbb.flows.standing import NightRow, Place, Standing, judge_unit
from dbb.flows.verdict import Verdict, find_verdict, next_command, say
from dbb.model.day_obs import DayObs
from dbb.model.delivery import Delivery
from dbb.model.quarantine import Decision, Refusal
from dbb.ports import ExpectationResult

__all__ = ["Lag", "NightReport", "NightRow", "Place", "Standing", "Verdict", "night_report"]

SCHEMA = "dbb-night/1"


@dataclass(frozen=True)
class NightReport:
    """Hold everything that is known of a night.

    Parameters
    ----------
    day_obs, as_of
        The night, and when the ledger was read (UTC).
    endpoints
        Names of the endpoints: the source, the archive, the receivers.
    rows
        One for each unit, by name.
    refusals
        Every held refusal of the night, also those of files that belong to no exposure.
    lags
        From the exposure's last file to its publication, by endpoint.
    expectations
        Outcomes of the night's expectation suites, newest first.
    looked
        When somebody last looked at the source.
    """

    day_obs: DayObs
    as_of: dt.datetime
    endpoints: tuple[str, ...]
    rows: tuple[NightRow, ...]
    refusals: tuple[Refusal, ...]
    lags: tuple[Lag, ...]
    expectations: tuple[ExpectationResult, ...]
    looked: dt.datetime | None = None

    @cached_property
    def verdict(self) -> Verdict:
        """Give the verdict in a word: of a night that nobody looks at, only what is wrong is known."""
        known = find_verdict(self.rows, self.refusals)
        stale = known is not Verdict.ACT and is_stale(self.day_obs, self.looked, self.as_of)
        return Verdict.UNKNOWN if stale else known

    @cached_property
    def sentence(self) -> str:
        """Give the verdict, the count and the reason in one line."""
        said = say(self.day_obs, self.as_of, self.endpoints, self.rows, self.refusals)
        if self.verdict is not Verdict.UNKNOWN:
            return said
        since = "ever" if self.looked is None else f"since {self.looked:%Y-%m-%d %H:%M:%S} UTC"
        head, _, tail = said.partition(" — ")
        night = head.partition(":")[0]
        return f"{night}: UNKNOWN — nobody has looked at {self.endpoints[0]} {since}; till then: {tail}"

    @property
    def next_command(self) -> str:
        """Give the command that leads on, or nothing where none is needed."""
        return next_command(self.day_obs, self.rows, self.refusals)

    @cached_property
    def problems_first(self) -> list[NightRow]:
        """List the rows as a person reads them: what needs a decision, what waits, the rest."""
        order = {standing: number for number, standing in enumerate(Standing)}
        return sorted(self.rows, key=lambda line: (order[line.standing], line.row.unit))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Count units by standing, exposures, detectors and held refusals."""
        standings = Counter(str(line.standing) for line in self.rows)
        return {
            "exposures": len({line.row.obs_id for line in self.rows}),
            "units": len(self.rows),
            **{str(standing): standings[standing] for standing in Standing},
            "detectors_expected": sum(line.row.expected for line in self.rows),
            "detectors_missing": sum(len(line.row.missing) for line in self.rows),
            "held_refusals": len(self.refusals),
        }

    @cached_property
    def states(self) -> dict[str, dict[str, int]]:
        """Count units by endpoint and state."""
        return {
            name: dict(Counter(line.places[name].state or "unknown" for line in self.rows))
            for name in self.endpoints
        }

    @cached_property
    def lacking(self) -> dict[str, dict[str, int]]:
        """Count, by instrument and detector, the bundles that were made without its image."""
        return count_lacking(self.rows)

    def to_json(self) -> dict[str, Any]:
        """Give the report as a document of schema ``dbb-night/1``."""
        return {
            "schema": SCHEMA,
            "day_obs": self.day_obs.value,
            "as_of": self.as_of.isoformat(timespec="milliseconds"),
            "looked_at": self.looked and self.looked.isoformat(timespec="milliseconds"),
            "verdict": str(self.verdict),
            "sentence": self.sentence,
            "next_command": self.next_command,
            "counts": self.counts,
            "states": self.states,
            "detectors_lacking": self.lacking,
            "lags": [lag.to_json() for lag in self.lags],
            "expectations": [_expectation(result) for result in self.expectations],
            "refusals": [refusal_json(item) for item in self.refusals],
            "rows": [line.to_json() for line in self.problems_first],
        }


def night_report(backbone: Backbone, day_obs: DayObs) -> NightReport:
    """Read a night from the ledger alone: six queries, whatever the night's size."""
    policy, ledger = backbone.policy, backbone.ledger
    units = [
        row
        for instrument in sorted(backbone.instruments)
        for row in ledger.units_of_night(instrument, day_obs.value)
    ]
    names = [row.unit for row in units]
    deliveries: dict[str, dict[str, Delivery]] = {name: {} for name in names}
    for delivery in ledger.deliveries_of_night(day_obs.value):
        if delivery.unit in deliveries:
            deliveries[delivery.unit][delivery.endpoint] = delivery
    refusals = ledger.refusals(day_obs=day_obs.value, decision=None)
    by_unit = _by_unit(refusals, deliveries)
    rows = tuple(
        judge_unit(policy, row, deliveries[row.unit], by_unit.get(row.unit, ())) for row in units
    )
    return NightReport(
        day_obs=day_obs,
        as_of=backbone.clock.now(),
        endpoints=(policy.source, *policy.publishers),
        rows=rows,
        refusals=tuple(item for item in refusals if item.decision is Decision.HELD),
        lags=measure_lags(rows, policy.publishers),
        expectations=tuple(ledger.expectations(day_obs.value)),
        looked=looked_at(backbone),
    )


def _by_unit(refusals: Sequence[Refusal], known: Mapping[str, object]) -> dict[str, list[Refusal]]:
    """Sort refusals by unit; one of a part that was never noted belongs to the exposure."""
    found: dict[str, list[Refusal]] = {}
    for item in refusals:
        unit = item.unit if item.unit in known else item.unit.partition(".")[0]
        found.setdefault(unit, []).append(item)
    return found


def refusal_json(item: Refusal) -> dict[str, Any]:
    """Give a refusal as it stands in a document."""
    return {
        "refusal_id": item.refusal_id,
        "unit": item.unit,
        "day_obs": item.day_obs,
        "endpoint": item.endpoint,
        "name": item.name,
        "kept_as": item.kept_as,
        "code": item.code,
        "reason": item.reason,
        "next_action": item.next_action,
        "found_at": item.found_at.isoformat(timespec="milliseconds"),
        "decision": str(item.decision),
        "decided_at": item.decided_at and item.decided_at.isoformat(timespec="milliseconds"),
        "decided_by": item.decided_by,
    }


def _expectation(result: ExpectationResult) -> dict[str, Any]:
    return {
        "instrument": result.instrument,
        "suite": result.suite,
        "at": result.at.isoformat(timespec="milliseconds"),
        "exposures": result.exposures,
        "failed": result.failed,
        "detail": result.detail,
    }
