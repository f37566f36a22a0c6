"""What is in force where: compared across endpoints, and taken back by a reviewed plan."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dbb.errors import DecisionImpossible, PlanRefused, Transient, UnknownItem
from dbb.flows.backbone import Backbone
from dbb.flows.calibration import group_of
from dbb.model.calibration import (
    Attempt,
    AttemptState,
    chain_of,
    collection_of,
    daily_of,
    hash_of,
)
from dbb.model.delivery import State
from dbb.model.plan import Line, Plan

log = logging.getLogger(__name__)

PLAN_HASH_CHARS = 12
"""How much of a plan's hash an operator must at least give."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """State what one endpoint has of one collection.

    Parameters
    ----------
    endpoint, collection
        Where.
    ranges, sha256
        Number and hash of its validity ranges; the chain's order counts as well.
    verdict
        ``equal``, ``behind`` (parcels are on their way), or what is wrong.
    """

    endpoint: str
    collection: str
    ranges: int
    sha256: str
    verdict: str

    @property
    def is_finding(self) -> bool:
        """Say whether a person should look."""
        return self.verdict not in ("equal", "behind")


def compare(backbone: Backbone, instrument: str) -> list[Comparison]:
    """Compare the validity ranges at every endpoint with what the ledger has accepted there."""
    campaigns: dict[str, list[Attempt]] = {}
    for attempt in backbone.calibrations.attempts():
        if attempt.group.startswith(f"{instrument}/"):
            campaigns.setdefault(attempt.campaign, []).append(attempt)
    return [
        found
        for campaign, attempts in sorted(campaigns.items())
        for found in _compare(backbone, instrument, campaign, attempts)
    ]


def _compare(
    backbone: Backbone, instrument: str, campaign: str, attempts: list[Attempt]
) -> Iterator[Comparison]:
    archive = backbone.policy.archive
    collection, chain = collection_of(instrument, campaign), chain_of(instrument)
    deliveries = backbone.ledger.deliveries([each.unit for each in attempts])
    places = sorted({place for _, place in deliveries}, key=lambda name: (name != archive, name))
    accepted = {each.unit for each in attempts if each.accepted}
    reference = ""
    for place in places:
        repository = backbone.repository(place)
        ranges = repository.validities(collection)
        found = hash_of(ranges)
        here = {
            unit
            for unit in accepted
            if (unit, place) in deliveries and deliveries[unit, place].state is State.PUBLISHED
        }
        wanted = {
            product.dataset_id for unit in here for product in backbone.calibrations.products(unit)
        }
        ids = {each.dataset_id for each in ranges}
        links = [each for each in repository.chain(chain) if each.startswith(daily_of(instrument))]
        reference = reference or found
        if ids != wanted:
            verdict = f"{len(wanted - ids)} not in force, {len(ids - wanted)} ought not to be"
        elif ids and (collection not in links or links != sorted(links, reverse=True)):
            verdict = f"the chain {chain} has not this collection in its place"
        elif here != {unit for unit in accepted if (unit, place) in deliveries}:
            verdict = "behind"
        elif found != reference and _wants_all(deliveries, accepted, place, archive):
            verdict = f"other validity ranges than at {archive}"
        else:
            verdict = "equal"
        yield Comparison(place, collection, len(ranges), found, verdict)


def _wants_all(
    deliveries: Mapping[tuple[str, str], object], accepted: set[str], place: str, archive: str
) -> bool:
    """Say whether an endpoint receives all that the archive has: only then must ranges be equal."""
    return all((unit, place) in deliveries for unit in accepted if (unit, archive) in deliveries)


def plan_rollback(backbone: Backbone, unit: str) -> Plan:
    """Plan to take an attempt out of force wherever it is; it changes nothing.

    Raises
    ------
    UnknownItem
        If there is no such attempt.
    DecisionImpossible
        If it was never in force.
    """
    attempt = _attempt(backbone, unit)
    if not attempt.accepted and attempt.state is not AttemptState.WITHDRAWN:
        raise DecisionImpossible(f"The attempt is {attempt.state} and not in force.", unit)
    instrument = group_of(backbone, attempt.group).instrument
    collection = collection_of(instrument, attempt.campaign)
    ids = {product.dataset_id for product in backbone.calibrations.products(unit)}
    lines = []
    if attempt.state is not AttemptState.WITHDRAWN:
        detail = "deliveries to come do not put it in force"
        lines.append(Line("withdraw", unit, detail, units=1, files=len(ids)))
    for place in _places(backbone, unit):
        ranges = backbone.repository(place).validities(collection)
        there = tuple(sorted(each.dataset_id for each in ranges if each.dataset_id in ids))
        if there:
            lines.append(Line("decertify", place, f"from {collection}", 1, len(there), names=there))
    return Plan(tuple(lines))


def apply_rollback(backbone: Backbone, unit: str, plan_hash: str, reason: str) -> Plan:
    """Take an attempt out of force, the ledger first; the previous one is in force again.

    An endpoint that does not answer costs no other; run it again with a new plan.

    Raises
    ------
    PlanRefused
        If the plan is not what was reviewed.
    Transient
        If an endpoint does not answer.
    """
    plan = plan_rollback(backbone, unit)
    if len(plan_hash) < PLAN_HASH_CHARS or not plan.sha256.startswith(plan_hash):
        raise PlanRefused.for_stale(plan_hash, plan.sha256)
    attempt = _attempt(backbone, unit)
    collection = collection_of(group_of(backbone, attempt.group).instrument, attempt.campaign)
    if plan.of("withdraw"):
        backbone.calibrations.withdraw(unit, reason)
    failed: Transient | None = None
    for line in plan.of("decertify"):
        try:
            backbone.repository(line.subject).decertify(collection, line.names)
        except Transient as error:
            failed = error
            log.warning("action=rollback unit=%s endpoint=%s reason=%s", unit, line.subject, error)
    if failed is not None:
        raise failed
    log.info("action=rollback unit=%s plan=%s reason=%r", unit, plan_hash[:12], reason)
    return plan


def _attempt(backbone: Backbone, unit: str) -> Attempt:
    found = backbone.calibrations.attempts(unit=unit) if unit else []
    if not found:
        raise UnknownItem.for_name("calibration attempt", unit)
    return found[0]


def _places(backbone: Backbone, unit: str) -> list[str]:
    archive = backbone.policy.archive
    places = {place for _, place in backbone.ledger.deliveries([unit])}
    return sorted(places, key=lambda name: (name != archive, name))
