"""The night's verdict: one sentence first, then every number behind it.

The page, the command line and its JSON all show the numbers of ``night_report``, so they agree. Those that list
exposures ask ``night_rows`` for the details of the ones they list.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbb.flows.backbone import Backbone
from dbb.flows.detectors import count_lacking
from dbb.flows.freshness import is_stale, looked_at
from dbb.flows.lag import Lag, measure_lags
from dbb.flows.standing import Line, NightRow, Standing, judge_alike, judge_unit
from dbb.flows.verdict import Verdict, find_verdict, next_command, say
from dbb.model.day_obs import DayObs
from dbb.model.delivery import Delivery
from dbb.model.quarantine import Decision, Refusal
from dbb.ports.ledger import ExpectationResult, UnitRow

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
    lines
        One for each unit, by name.
    known_refusals
        Every refusal of the night, decided or not, also of files that belong to no exposure.
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
    lines: tuple[Line, ...]
    known_refusals: tuple[Refusal, ...]
    lags: tuple[Lag, ...]
    expectations: tuple[ExpectationResult, ...]
    looked: dt.datetime | None = None

    @cached_property
    def refusals(self) -> tuple[Refusal, ...]:
        """Give the held refusals."""
        return tuple(item for item in self.known_refusals if item.decision is Decision.HELD)

    @cached_property
    def verdict(self) -> Verdict:
        """Give the verdict in a word: of a night that nobody looks at, only what is wrong is known."""
        known = find_verdict(self.lines, self.refusals)
        stale = known is not Verdict.ACT and is_stale(self.day_obs, self.looked, self.as_of)
        return Verdict.UNKNOWN if stale else known

    @cached_property
    def sentence(self) -> str:
        """Give the verdict, the count and the reason in one line."""
        said = say(self.day_obs, self.as_of, self.endpoints, self.lines, self.refusals)
        if self.verdict is not Verdict.UNKNOWN:
            return said
        since = "ever" if self.looked is None else f"since {self.looked:%Y-%m-%d %H:%M:%S} UTC"
        head, _, tail = said.partition(" — ")
        night = head.partition(":")[0]
        return f"{night}: UNKNOWN — nobody has looked at {self.endpoints[0]} {since}; till then: {tail}"

    @property
    def next_command(self) -> str:
        """Give the command that leads on, or nothing where none is needed."""
        return next_command(self.day_obs, self.lines, self.refusals)

    @cached_property
    def problems_first(self) -> list[Line]:
        """List the units as a person reads them: what needs a decision, what waits, the rest."""
        order = {standing: number for number, standing in enumerate(Standing)}
        return sorted(self.lines, key=lambda line: (order[line.standing], line.unit))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Count units by standing, exposures, detectors and held refusals."""
        standings = Counter(str(line.standing) for line in self.lines)
        return {
            "exposures": len({line.obs_id for line in self.lines}),
            "units": len(self.lines),
            **{str(standing): standings[standing] for standing in Standing},
            "detectors_expected": sum(line.expected for line in self.lines),
            "detectors_missing": sum(len(line.missing) for line in self.lines),
            "held_refusals": len(self.refusals),
        }

    @cached_property
    def states(self) -> dict[str, dict[str, int]]:
        """Count units by endpoint and state."""
        return {
            name: dict(Counter(line.judged.states[name] or "unknown" for line in self.lines))
            for name in self.endpoints
        }

    @cached_property
    def lacking(self) -> dict[str, dict[str, int]]:
        """Count, by instrument and detector, the bundles that were made without its image."""
        return count_lacking(self.lines)

    def to_json(self, rows: Sequence[NightRow]) -> dict[str, Any]:
        """Give the report, with the rows that are asked for, as a document of schema ``dbb-night/1``."""
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
            "rows": [row.to_json() for row in rows],
        }


def night_report(backbone: Backbone, day_obs: DayObs) -> NightReport:
    """Read a night from the ledger alone: four queries, whatever the night's size."""
    policy, ledger = backbone.policy, backbone.ledger
    refusals = tuple(ledger.refusals(day_obs=day_obs.value, decision=None))
    # A unit of which something was refused is judged alone, by all its refusals.
    apart = {name for item in refusals for name in (item.unit, item.unit.partition(".")[0])}
    found = ledger.alike_of_night(sorted(backbone.instruments), day_obs.value, policy.source, apart)
    by_unit = _by_unit(refusals, {each.unit for alike in found for each in alike.units})
    lines = []
    for alike in found:
        judged = judge_alike(policy, day_obs.value, alike, by_unit.get(alike.units[0].unit, ()))
        lines += [
            Line(
                each.unit, each.obs_id, each.part, each.instrument, each.expected, each.missing, judged
            )
            for each in alike.units
        ]  # fmt: skip
    return NightReport(
        day_obs=day_obs,
        as_of=backbone.clock.now(),
        endpoints=(policy.source, *policy.publishers),
        lines=tuple(sorted(lines, key=lambda line: line.unit)),
        known_refusals=refusals,
        lags=measure_lags(found, policy.publishers),
        expectations=tuple(ledger.expectations(day_obs.value)),
        looked=looked_at(backbone),
    )


def night_rows(
    backbone: Backbone, report: NightReport, lines: Sequence[Line] | None = None
) -> list[NightRow]:
    """Read the details of some units of a night, or of all with problems first."""
    ledger, day_obs = backbone.ledger, report.day_obs.value
    wanted = [line.unit for line in (report.problems_first if lines is None else lines)]
    units: dict[str, UnitRow] = {}
    deliveries: dict[str, dict[str, Delivery]] = {name: {} for name in wanted}
    if lines is None:
        for instrument in backbone.instruments:
            units |= {row.unit: row for row in ledger.units_of_night(instrument, day_obs)}
        found = ledger.deliveries_of_night(day_obs)
    else:
        units = ledger.units(wanted)
        found = list(ledger.deliveries(wanted).values())
    for delivery in found:
        deliveries.setdefault(delivery.unit, {})[delivery.endpoint] = delivery
    by_unit = _by_unit(report.known_refusals, {line.unit for line in report.lines})
    return [
        judge_unit(backbone.policy, units[name], deliveries[name], by_unit.get(name, ()))
        for name in wanted
    ]


def _by_unit(refusals: Sequence[Refusal], known: Collection[str]) -> dict[str, list[Refusal]]:
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
