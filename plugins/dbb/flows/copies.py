"""Copies on their way: which have come, why the others wait, what can be done about it.

Rucio's locks are the truth and are asked for in bulk; an event only says when to look.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dbb.errors import RuleStuck
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import dataset_did
from dbb.flows.refusing import refuse_unit
from dbb.flows.registration import ask_for_copies
from dbb.flows.wanting import traits_of
from dbb.model.delivery import Delivery, State
from dbb.model.policy import Policy
from dbb.ports.catalog import Lock, RuleState
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

SUBSCRIPTION_PATIENCE = dt.timedelta(minutes=5)
"""How long Rucio's subscriptions may take to make a rule before we make it."""

SOURCE_PATIENCE = dt.timedelta(hours=1)
"""How long a copy waits for one source before the policy's next one is tried."""

STUCK_PATIENCE = dt.timedelta(hours=2)
"""How long a copy may wait before a person is told."""

HURRY_AT_ONCE = 200
"""Stuck rules that one look has tried again; each costs Rucio a request."""

HURRY_TURN_S = 300
"""After so long it is the turn of the next stuck ones: those of a dead link starve nobody."""

IN_FLIGHT = 5000
"""Copies that may be on their way to one endpoint before we ask for more of them by ourselves."""

MOVING = "Rucio is bringing it"
"""Why a copy waits that is on its way."""

_AWAITED = (State.EXPECTED, State.MISSING, State.SUSPECT)
_HAS_IT = (State.REGISTERED, State.PUBLISHED)


@dataclass
class Look:
    """Say what a look at an endpoint's deliveries found.

    Parameters
    ----------
    work
        Units that can be worked on now, in the order of their names.
    waiting
        By unit, why its copy is not there.
    """

    work: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)


def look_for_copies(backbone: Backbone, endpoint: str, units: Sequence[str] | None = None) -> Look:
    """Find what an endpoint can publish now; see to the copies that do not come.

    Parameters
    ----------
    backbone
        The ports.
    endpoint
        A receiver.
    units
        Look at these only; None is at all that the endpoint still has to do something for.
    """
    if units is None:
        open_now = backbone.ledger.open_deliveries(endpoint)
    else:
        known = backbone.ledger.deliveries(units)
        open_now = [item for (_, place), item in sorted(known.items()) if place == endpoint]
    rows = backbone.ledger.units([item.unit for item in open_now])
    awaited = [item for item in open_now if item.state in _AWAITED]
    locks = ask_locks(backbone, [rows[item.unit] for item in awaited], endpoint)
    _remember_rules(backbone, awaited, locks, endpoint)
    came = {unit for unit, lock in locks.items() if lock.state is RuleState.OK}
    look = Look(
        work=sorted(
            item.unit
            for item in open_now
            if item.unit in came or item.state in (State.ARRIVED, State.VERIFIED, State.REGISTERED)
        )
    )
    late = [item for item in awaited if item.unit not in came]
    if late:
        _Waiting(backbone, endpoint, rows, locks).see_to(late, look)
    log.info(
        "action=look-for-copies endpoint=%s work=%d waiting=%d",
        endpoint, len(look.work), len(look.waiting),
    )  # fmt: skip
    return look


def ask_locks(backbone: Backbone, rows: Iterable[UnitRow], endpoint: str) -> dict[str, Lock]:
    """Ask Rucio how far it is with units at an endpoint; those that no rule wants are left out."""
    datasets = {row.unit: dataset_did(row) for row in rows}
    found = backbone.catalog.locks(list(datasets.values())) if datasets else {}
    rse = backbone.rses[endpoint]
    return {unit: found[did][rse] for unit, did in datasets.items() if rse in found.get(did, {})}


def _remember_rules(
    backbone: Backbone, awaited: Iterable[Delivery], locks: Mapping[str, Lock], endpoint: str
) -> None:
    new = {
        item.unit: locks[item.unit].rule_id
        for item in awaited
        if item.unit in locks and locks[item.unit].rule_id != item.rule_id
    }
    backbone.ledger.set_rules(new, endpoint)


@dataclass
class _Waiting:
    """See to the copies that have not come to one endpoint."""

    backbone: Backbone
    endpoint: str
    rows: Mapping[str, UnitRow]
    locks: Mapping[str, Lock]

    def see_to(self, late: Sequence[Delivery], look: Look) -> None:
        """Find out why each waits; ask, hurry or take another source where that helps."""
        moving = [item for item in late if self._state(item) is RuleState.WAITING]
        unruled = [item for item in late if item.unit not in self.locks]
        self._see_to_unruled(unruled, max(0, IN_FLIGHT - len(moving)), look)
        look.waiting |= {item.unit: MOVING for item in moving}
        # What was stuck keeps its age, but not the reason that is no more.
        again = {item.unit: MOVING for item in moving if item.waits_for not in ("", MOVING)}
        self.backbone.ledger.note_waiting(again, self.endpoint)
        stuck = [item for item in late if self._state(item) is RuleState.STUCK]
        if stuck:
            self._see_to_stuck(stuck, look)

    def _see_to_unruled(self, unruled: Sequence[Delivery], room: int, look: Look) -> None:
        """Wait for the archive and for Rucio's subscriptions; after a while make the rule.

        No more rules are made than there is room for on the way; what has no rule by now has its
        reason and its age on the record.
        """
        archive = self.backbone.policy.archive
        known = self.backbone.ledger.deliveries([item.unit for item in unruled])
        overdue = []
        for item in unruled:
            at_archive = known.get((item.unit, archive))
            if at_archive is None or at_archive.state not in _HAS_IT:
                look.waiting[item.unit] = f"waits for {archive} to have it"
                continue
            had_one = item.rule_id is not None
            look.waiting[item.unit] = (
                "its rule is gone and is asked for again"
                if had_one
                else "no subscription has made a rule yet"
            )
            waited = self.backbone.clock.now() - item.since_at
            if had_one or waited >= SUBSCRIPTION_PATIENCE:
                overdue.append(item.unit)
        for unit in overdue[room:]:
            look.waiting[unit] = f"is asked for when fewer than {IN_FLIGHT} copies are on their way"
        reasons = {unit: look.waiting[unit] for unit in overdue}
        self.backbone.ledger.note_waiting(reasons, self.endpoint)
        if overdue[:room]:
            ask_for_copies(self.backbone, overdue[:room], self.endpoint)

    def _state(self, item: Delivery) -> RuleState | None:
        lock = self.locks.get(item.unit)
        return None if lock is None else lock.state

    def _see_to_stuck(self, stuck: Sequence[Delivery], look: Look) -> None:
        names = [item.unit for item in stuck]
        policies = self._policies(names)
        elsewhere = self.backbone.ledger.deliveries(names)
        can_come: list[tuple[Delivery, str, Policy]] = []
        reasons: dict[str, str] = {}
        for item in sorted(stuck, key=lambda item: item.stuck_at or item.since_at):
            policy = policies.get(item.unit)
            if policy is None:
                reasons[item.unit] = "no policy wants it here any more"
                continue
            source = self._source(item, policy, elsewhere)
            if not source:
                reasons[item.unit] = f"waits for {policy.sources[0]} to have it"
            else:
                can_come.append((item, source, policy))
        reasons |= self._hurry(can_come)
        self.backbone.ledger.note_waiting(reasons, self.endpoint)
        look.waiting |= reasons
        self._tell(stuck, reasons)

    def _hurry(self, can_come: Sequence[tuple[Delivery, str, Policy]]) -> dict[str, str]:
        """Have the next ones tried again, the oldest first; say of all why they wait."""
        if not can_come:
            return {}
        turn = int(self.backbone.clock.now().timestamp()) // HURRY_TURN_S
        first = turn * HURRY_AT_ONCE % len(can_come) if len(can_come) > HURRY_AT_ONCE else 0
        in_turn = [*can_come[first:], *can_come[:first]]
        chosen = [self.locks[item.unit].rule_id for item, _, _ in in_turn[:HURRY_AT_ONCE]]
        said = self.backbone.catalog.rules(chosen)
        reasons = {}
        for number, (item, source, policy) in enumerate(in_turn):
            if number >= HURRY_AT_ONCE:  # what Rucio said of it last is told until its turn comes
                turns = f"is tried again in its turn: {len(in_turn)} are stuck"
                reasons[item.unit] = item.waits_for or turns
                continue
            why = said[chosen[number]].reason or "nothing"
            reasons[item.unit] = f"tried again from {source}; Rucio said: {why}"
            if source != policy.sources[0]:
                self.backbone.catalog.take_from([chosen[number]], self.backbone.rses[source])
        self.backbone.catalog.hurry(chosen)
        return reasons

    def _policies(self, units: Sequence[str]) -> dict[str, Policy]:
        traits = traits_of(self.backbone, [self.rows[unit] for unit in units])
        return {
            unit: policy
            for unit, asked in traits.items()
            for policy in self.backbone.policies.wanted(asked)
            if policy.receiver == self.endpoint
        }

    def _source(
        self,
        item: Delivery,
        policy: Policy,
        elsewhere: Mapping[tuple[str, str], Delivery],
    ) -> str:
        """Choose the source to copy from: one that has it, the next one after each patience."""
        having = [
            source
            for source in policy.sources
            if (item.unit, source) in elsewhere and elsewhere[item.unit, source].state in _HAS_IT
        ]
        now = self.backbone.clock.now()
        turns = max(now - (item.stuck_at or now), dt.timedelta()) // SOURCE_PATIENCE
        if policy.sources[0] not in having:
            return having[(turns - 1) % len(having)] if having and turns else ""
        return having[turns % len(having)]

    def _tell(self, stuck: Sequence[Delivery], reasons: Mapping[str, str]) -> None:
        """Put copies on the record that have waited for too long."""
        now = self.backbone.clock.now()
        for item in stuck:
            if now - (item.stuck_at or now) >= STUCK_PATIENCE and item.unit in reasons:
                error = RuleStuck.for_rule(self.locks[item.unit].rule_id, reasons[item.unit])
                row = self.rows[item.unit]
                refuse_unit(self.backbone, item.unit, row.day_obs, self.endpoint, error)


def hurry_followers(backbone: Backbone, units: Sequence[str], source: str) -> None:
    """Tell Rucio that an endpoint has units now which others wait to copy from it."""
    waiting = [
        delivery
        for (_, place), delivery in sorted(backbone.ledger.deliveries(units).items())
        if place != source and delivery.state is State.EXPECTED and delivery.rule_id is not None
    ]
    followers = {policy.receiver for policy in backbone.policies if policy.sources[0] == source}
    backbone.catalog.hurry(
        [item.rule_id for item in waiting if item.endpoint in followers and item.rule_id]
    )


def count_copies(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Count the copies of units outside source and archive: ``published``, or still ``waiting``."""
    here = (backbone.policy.source, backbone.policy.archive)
    states = [
        delivery.state
        for (_, place), delivery in backbone.ledger.deliveries(units).items()
        if place not in here
    ]
    published = states.count(State.PUBLISHED)
    over = states.count(State.QUARANTINED) + states.count(State.RELEASED)
    return {"published": published, "waiting": len(states) - published - over}
