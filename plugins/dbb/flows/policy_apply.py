"""Doing what a reviewed plan says: the infrastructure first, then the data.

Whatever a killed run did not come to is in the next plan.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dbb.errors import Damaged, PlanRefused
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_document
from dbb.flows.policy_plan import (
    DATA,
    INFRASTRUCTURE,
    Infrastructure,
    Subscription,
    plan_policies,
)
from dbb.flows.registration import ask_for_copies
from dbb.model.delivery import State
from dbb.model.endpoint import Endpoint
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel
from dbb.model.plan import Line, Plan
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

BRAKE_SHARE = 0.01
"""Largest share of an endpoint's units or bytes that is dropped without being asked twice."""

BRAKE_UNITS = 10
"""That many may always be dropped: one per cent of little is nothing."""

_CHUNK = 500
"""Units worked at once: so many a killed run repeats at most."""

_TO_RELEASED: tuple[tuple[State, State], ...] = (
    (State.SUSPECT, State.QUARANTINED),
    (State.MISSING, State.EXPECTED),
    (State.QUARANTINED, State.RELEASED),
    (State.EXPECTED, State.RELEASED),
    (State.PUBLISHED, State.RELEASED),
)
"""Steps that bring every delivery that may be dropped to its end."""


def apply_policies(
    backbone: Backbone,
    endpoints: Mapping[str, Endpoint],
    rucio: Infrastructure,
    sha256: str,
    *,
    actions: Collection[str] = (*INFRASTRUCTURE, *DATA),
    accept_large: bool = False,
    by: str = "",
) -> Plan:
    """Do what a plan says, if it is still the plan.

    Parameters
    ----------
    backbone, endpoints, rucio
        What the plan is about.
    sha256
        Identity of the plan that somebody reviewed, or at least its first 12 digits.
    actions
        Do only lines with these; the others stay in the next plan.
    accept_large
        Whether more may be dropped than the brake allows.
    by
        Who decided, for the history.

    Returns
    -------
    Plan
        The whole plan, of which the lines with these actions were done.

    Raises
    ------
    PlanRefused
        If the plan would be another one now, or drops too much.
    Damaged
        If units that were to be dropped have no readable manifest; all others are dropped.
    """
    plan = plan_policies(backbone, endpoints, rucio)
    if len(sha256) < 12 or not plan.sha256.startswith(sha256):
        raise PlanRefused.for_stale(sha256, plan.sha256)
    chosen = Plan(tuple(plan.of(*actions)))
    if not accept_large:
        _brake(backbone, chosen)
    rucio.declare_kinds()
    signature = f"plan {plan.sha256[:12]}" + (f" by {by}" if by else "")
    work = _Work(backbone, rucio, signature)
    for line in chosen.lines:
        work.do(line)
    return plan


def _brake(backbone: Backbone, plan: Plan) -> None:
    for line in plan.of("drop"):
        if line.units <= BRAKE_UNITS:
            continue
        units, size_bytes = backbone.ledger.count_published(line.subject)
        if line.units > units * BRAKE_SHARE:
            raise PlanRefused.for_too_much(line.subject, line.units, units)
        if line.size_bytes > size_bytes * BRAKE_SHARE:
            raise PlanRefused.for_too_much(line.subject, line.size_bytes, size_bytes, "bytes")


@dataclass(frozen=True)
class _Work:
    """Do the lines of a plan, one after the other."""

    backbone: Backbone
    rucio: Infrastructure
    signature: str

    def do(self, line: Line) -> None:
        does: dict[str, Callable[[Line], None]] = {
            "add subscription": self._save,
            "change subscription": self._save,
            "end subscription": lambda line: self.rucio.end_subscription(line.subject),
            "set link": lambda line: self.rucio.set_distance(*line.value),
            "set attribute": lambda line: self.rucio.set_attribute(*line.value),
            "send": self._send,
            "move": self._move,
            "drop": self._drop,
        }
        does[line.action](line)
        log.info(
            "action=apply-policies what=%r subject=%s units=%d reason=%s",
            line.action, line.subject, line.units, self.signature,
        )  # fmt: skip

    def _save(self, line: Line) -> None:
        value = line.value
        self.rucio.save_subscription(
            Subscription(value["name"], value["filter"], tuple(value["rules"]), value["comment"])
        )

    def _send(self, line: Line) -> None:
        """Have existing units sent: Rucio's subscriptions look at new datasets only."""
        reason = f"wanted again by {line.detail}: {self.signature}"
        for names in _chunks(line.names):
            self.backbone.ledger.advance(
                names, line.subject, State.RELEASED, State.EXPECTED, reason
            )
            ask_for_copies(self.backbone, names, line.subject)

    def _move(self, line: Line) -> None:
        """Have copies that are on their way come from another source."""
        known = self.backbone.ledger.deliveries(line.names)
        rules = [item.rule_id for item in known.values() if item.endpoint == line.subject]
        moved = [rule_id for rule_id in rules if rule_id]
        self.backbone.catalog.take_from(moved, line.value)
        self.backbone.catalog.hurry(moved)

    def _drop(self, line: Line) -> None:
        """Take units away from an endpoint: from its registry first, the files last, by Rucio."""
        failed: list[Damaged] = []
        for names in _chunks(line.names):
            self._drop_chunk(names, line.subject, failed)
        if failed:
            raise failed[0]

    def _drop_chunk(self, names: Sequence[str], endpoint: str, failed: list[Damaged]) -> None:
        ledger = self.backbone.ledger
        documents: dict[str, Manifest | Parcel] = {}
        for row in ledger.units(names).values():
            try:
                documents[row.unit] = self._document(row, endpoint)
            except Damaged as error:
                log.warning("action=drop unit=%s endpoint=%s reason=%s", row.unit, endpoint, error)
                failed.append(error)
        units = sorted(documents)
        self.backbone.repository(endpoint).withdraw([documents[unit] for unit in units])
        reason = f"no policy wants it here: {self.signature}"
        for old, new in _TO_RELEASED:
            ledger.advance(units, endpoint, old, new, reason)
        rules = {
            unit: item.rule_id
            for (unit, place), item in ledger.deliveries(units).items()
            if place == endpoint and item.state is State.RELEASED and item.rule_id
        }
        self.backbone.catalog.drop_rules(list(rules.values()))
        # A delivery that is released and still has its rule is one that a killed run left.
        ledger.set_rules(dict.fromkeys(rules), endpoint)

    def _document(self, row: UnitRow, endpoint: str) -> Manifest | Parcel:
        try:
            return read_document(self.backbone, row, self.backbone.policy.archive)
        except Damaged:
            return read_document(self.backbone, row, endpoint)


def _chunks(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[first : first + _CHUNK] for first in range(0, len(names), _CHUNK)]
