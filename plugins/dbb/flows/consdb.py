"""Holding the Consolidated Database against its rules, and against another endpoint's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.reconcile_views import Findings, Scan
from dbb.model.consdb import ConsdbPublication, DayDigest, Members
from dbb.model.consdb_rules import Rule, RuleResult, RuleState, rule_parameters, rules_of
from dbb.model.day_obs import DayObs
from dbb.model.finding import Aspect

log = logging.getLogger(__name__)


class Consdb(Protocol):
    """What the flows need of the database."""

    def delivered(self, instrument: str) -> set[str]:
        """Name the tables of which an instrument ever had a row."""

    def broken(self, rule: Rule, day_obs: int, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Name the exposures of a night that break a rule, and how."""

    def keys(self, instrument: str, exposure_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Read day and number within it of exposures."""

    def columns(self, instrument: str, table: str) -> Mapping[str, str]:
        """Give the columns of a table and their types; none where it is not delivered by pipelines."""

    def deliver(
        self, members: Sequence[Members], reason: str = "", *, replace: bool = False
    ) -> ConsdbPublication:
        """Add rows of tables that pipelines deliver, beside those of other detectors or in their place."""


def check_night(
    backbone: Backbone, consdb: Consdb, findings: Findings, night: DayObs
) -> list[RuleResult]:
    """Hold a night against the rules of every instrument; record what breaks them.

    What breaks a rule is a finding, *suspected* at first and *confirmed* by a check ten minutes
    later or more; what no longer does is *closed*.
    """
    scan = Scan(backbone.policy.archive, night, backbone.clock.now(), looked={Aspect.CONSDB})
    results = []
    for name, instrument in sorted(backbone.instruments.items()):
        parameters, delivered = rule_parameters(instrument), consdb.delivered(name)
        for rule in rules_of(instrument):
            broken: dict[str, str] = {}
            state = RuleState.NOT_DELIVERED
            if not rule.needs or rule.needs in delivered:
                broken = consdb.broken(rule, night.value, parameters)
                state = RuleState.BROKEN if broken else RuleState.HOLDS
            for unit, detail in sorted(broken.items()):
                scan.see(unit, rule.kind, detail=detail, severity=str(rule.severity))
            results.append(RuleResult(rule, name, night.value, state, broken))
    findings.record(scan)
    for result in results:
        if result.broken:
            log.warning(
                "action=consdb-check day_obs=%s instrument=%s rule=%s severity=%s exposures=%d",
                night, result.instrument, result.rule.kind, result.rule.severity, len(result.broken),
            )  # fmt: skip
    return results


def nights_to_check(findings: Findings, night: DayObs) -> list[DayObs]:
    """List a night, and those with open findings of the rules, so that these are confirmed or closed."""
    found = {
        each.sighting.day_obs
        for each in findings.find()
        if each.sighting.discrepancy.aspect is Aspect.CONSDB
    }
    return [DayObs(day) for day in sorted(found | {night.value})]


def find_differences(
    here: Sequence[DayDigest], there: Sequence[DayDigest]
) -> list[tuple[DayDigest | None, DayDigest | None]]:
    """Find the days and tables whose sums are not the same in two databases."""

    def keyed(digests: Sequence[DayDigest]) -> dict[tuple[int, str, str], DayDigest]:
        return {(each.day_obs, each.instrument, each.table): each for each in digests}

    mine, other = keyed(here), keyed(there)
    return [
        (mine.get(key), other.get(key))
        for key in sorted(set(mine) | set(other))
        if mine.get(key) != other.get(key)
    ]
