"""Doing what a reviewed plan says: the infrastructure first, then the data.

Whatever a killed run did not come to is in the next plan.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from dbb.errors import Damaged, PlanRefused
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_document
from dbb.flows.policy_plan import Infrastructure, Subscription, plan_policies
from dbb.flows.registration import ask_for_copies
from dbb.model.delivery import State
from dbb.model.endpoint import Endpoint
from dbb.model.plan import Line, Plan

log = logging.getLogger(__name__)

BRAKE_SHARE = 0.01
"""Largest share of an endpoint's units that is dropped without being asked twice."""

BRAKE_UNITS = 10
"""That many may always be dropped: one per cent of little is nothing."""


def apply_policies(
    backbone: Backbone,
    endpoints: Mapping[str, Endpoint],
    rucio: Infrastructure,
    sha256: str,
    *,
    accept_large: bool = False,
) -> Plan:
    """Do what a plan says, if it is still the plan.

    Parameters
    ----------
    backbone, endpoints, rucio
        What the plan is about.
    sha256
        Identity of the plan that somebody reviewed, or at least its first 12 digits.
    accept_large
        Whether more may be dropped than the brake allows.

    Raises
    ------
    PlanRefused
        If the plan would be another one now, or drops too much.
    """
    plan = plan_policies(backbone, endpoints, rucio)
    if len(sha256) < 12 or not plan.sha256.startswith(sha256):
        raise PlanRefused.for_stale(sha256, plan.sha256)
    if not accept_large:
        _brake(backbone, plan)
    rucio.declare_kinds()
    for line in plan.lines:
        _DO.get(line.action, _nothing)(backbone, rucio, line)
        log.info(
            "action=apply-policies what=%r subject=%s units=%d",
            line.action,
            line.subject,
            line.units,
        )
    return plan


def _brake(backbone: Backbone, plan: Plan) -> None:
    for line in plan.of("drop"):
        there = backbone.ledger.count_published(line.subject)
        if line.units > max(BRAKE_UNITS, there * BRAKE_SHARE):
            raise PlanRefused.for_too_much(line.subject, line.units, there)


def _save(_backbone: Backbone, rucio: Infrastructure, line: Line) -> None:
    value = line.value
    rucio.save_subscription(
        Subscription(value["name"], value["filter"], tuple(value["rules"]), value["comment"])
    )


def _end(_backbone: Backbone, rucio: Infrastructure, line: Line) -> None:
    rucio.end_subscription(line.subject)


def _link(_backbone: Backbone, rucio: Infrastructure, line: Line) -> None:
    rucio.set_distance(*line.value)


def _attribute(_backbone: Backbone, rucio: Infrastructure, line: Line) -> None:
    rucio.set_attribute(*line.value)


def _send(backbone: Backbone, _rucio: Infrastructure, line: Line) -> None:
    """Have existing units sent: Rucio's subscriptions look at new datasets only."""
    backbone.ledger.advance(
        line.names, line.subject, State.RELEASED, State.EXPECTED, f"wanted again by {line.detail}"
    )
    for first in range(0, len(line.names), _CHUNK):
        ask_for_copies(backbone, line.names[first : first + _CHUNK], line.subject)


_CHUNK = 500


def _drop(backbone: Backbone, _rucio: Infrastructure, line: Line) -> None:
    """Take units away from an endpoint: from its registry first, the files last, by Rucio."""
    for first in range(0, len(line.names), _CHUNK):
        _drop_chunk(backbone, line.names[first : first + _CHUNK], line.subject)


def _drop_chunk(backbone: Backbone, units: Sequence[str], endpoint: str) -> None:
    rows = backbone.ledger.units(units)
    documents = []
    for row in rows.values():
        try:
            documents.append(read_document(backbone, row, backbone.policy.archive))
        except Damaged as error:
            log.warning("action=drop unit=%s endpoint=%s reason=%s", row.unit, endpoint, error)
            raise
    backbone.repository(endpoint).withdraw(documents)
    deliveries = backbone.ledger.deliveries(units)
    for state in (State.PUBLISHED, State.EXPECTED):
        backbone.ledger.advance(units, endpoint, state, State.RELEASED, "no policy wants it here")
    rules = [
        delivery.rule_id
        for (_, place), delivery in deliveries.items()
        if place == endpoint and delivery.rule_id
    ]
    backbone.catalog.drop_rules(rules)


def _nothing(_backbone: Backbone, _rucio: Infrastructure, _line: Line) -> None:
    """Leave alone what a plan only tells of."""


_DO = {
    "add subscription": _save,
    "change subscription": _save,
    "end subscription": _end,
    "set link": _link,
    "set attribute": _attribute,
    "send": _send,
    "drop": _drop,
}
