"""What a change of the policies would do: subscriptions, links, attributes, and data on the move.

Nothing here acts. ``policy_apply`` does what a reviewed plan says, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.registration import DAY_S
from dbb.flows.wanting import traits_of
from dbb.model.delivery import Delivery, State
from dbb.model.endpoint import Endpoint, Role
from dbb.model.kind import Kind
from dbb.model.plan import Line, Plan
from dbb.model.policy import Policy
from dbb.ports import UnitRow

PREFIX = "dbb-"
"""Of the names of our subscriptions: others are nobody's business here."""

_AT_ARCHIVE = (State.REGISTERED, State.PUBLISHED)
_GONE = (State.RELEASED, State.LOST)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Hold one of Rucio's subscriptions: what it matches, and the rules that it makes."""

    name: str
    filter: Mapping[str, Any]
    rules: tuple[Mapping[str, Any], ...]
    comment: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a document."""
        return {
            "name": self.name,
            "filter": dict(self.filter),
            "rules": [dict(rule) for rule in self.rules],
            "comment": self.comment,
        }


class Infrastructure(Protocol):
    """Know and change what of Rucio policies decide: subscriptions, distances, attributes."""

    def subscriptions(self) -> dict[str, Subscription]:
        """Read our active subscriptions, by name."""

    def save_subscription(self, subscription: Subscription) -> None:
        """Make a subscription, or change the one of that name."""

    def end_subscription(self, name: str) -> None:
        """End a subscription; one that is ended already is no error."""

    def distances(self, rses: Iterable[str]) -> dict[tuple[str, str], int]:
        """Read the distances between RSEs, by source and destination.

        Raises
        ------
        SettingMissing
            If Rucio does not know one of them.
        """

    def set_distance(self, source: str, destination: str, distance: int | None) -> None:
        """Set a distance; None takes the link away."""

    def attributes(self, rse: str) -> dict[str, str]:
        """Read the attributes of an RSE."""

    def set_attribute(self, rse: str, key: str, value: str) -> None:
        """Set an attribute of an RSE."""

    def declare_kinds(self) -> None:
        """Have Rucio accept the kinds as values of ``datatype``, and their scopes."""


def subscription_of(backbone: Backbone, policy: Policy) -> Subscription:
    """Write a policy as Rucio's subscription.

    Rucio matches each word from its beginning, as a regular expression; so they are closed here.
    """
    what = policy.what
    matches: dict[str, Any] = {
        "scope": [f"{re.escape(what.kind.scope)}$"],
        "datatype": [f"{what.kind}$"],
    }
    if what.instruments:
        matches["project"] = [f"{re.escape(name)}$" for name in what.instruments]
    if what.programs:
        matches["campaign"] = [f"{re.escape(name)}$" for name in what.programs]
    if policy.needs_label:
        matches["stream_name"] = [rf".*\.{re.escape(policy.name)}\."]
    rule: dict[str, Any] = {
        "copies": 1,
        "rse_expression": backbone.rses[policy.receiver],
        "activity": policy.activity,
        "source_replica_expression": backbone.rses[policy.sources[0]],
    }
    if policy.keep_days:
        rule["lifetime"] = policy.keep_days * DAY_S
    comment = f"{what.kind} to {policy.receiver}, from {', then '.join(policy.sources)}"
    return Subscription(PREFIX + policy.name, matches, (rule,), comment)


def plan_policies(
    backbone: Backbone, endpoints: Mapping[str, Endpoint], rucio: Infrastructure
) -> Plan:
    """Compare the policies with Rucio and the ledger.

    Returns
    -------
    Plan
        Nothing where all is as the documents say.
    """
    return Plan(
        (
            *_plan_subscriptions(backbone, rucio),
            *_plan_links(endpoints, rucio),
            *_plan_attributes(endpoints, rucio),
            *_plan_data(backbone),
        )
    )


def _plan_subscriptions(backbone: Backbone, rucio: Infrastructure) -> Iterator[Line]:
    wanted = [subscription_of(backbone, policy) for policy in backbone.policies]
    known = rucio.subscriptions()
    for new in wanted:
        old = known.get(new.name)
        if old is None:
            yield Line("add subscription", new.name, new.comment, value=new.to_json())
        elif (dict(old.filter), [*map(dict, old.rules)]) != (
            dict(new.filter), [*map(dict, new.rules)],
        ):  # fmt: skip
            detail = f"{dict(old.filter)} {[*map(dict, old.rules)]} → {new.comment}"
            yield Line("change subscription", new.name, detail, value=new.to_json())
    for name in sorted(set(known) - {new.name for new in wanted}):
        yield Line("end subscription", name, known[name].comment)


def _plan_links(endpoints: Mapping[str, Endpoint], rucio: Infrastructure) -> Iterator[Line]:
    places = [place for place in endpoints.values() if place.rse]
    known = rucio.distances(place.rse for place in places)
    for here in places:
        for there in places:
            if here is there:
                continue
            old = known.get((there.rse, here.rse))
            new = here.links.get(there.name)
            if old != new:
                detail = f"distance {old or 'none'} → {new or 'none'}"
                subject = f"{there.rse} → {here.rse}"
                yield Line("set link", subject, detail, value=[there.rse, here.rse, new])


def _plan_attributes(endpoints: Mapping[str, Endpoint], rucio: Infrastructure) -> Iterator[Line]:
    for place in endpoints.values():
        if place.role not in (Role.ARCHIVE, Role.FACILITY):
            continue
        known = rucio.attributes(place.rse)
        for key, new in {"dbb_endpoint": place.name, "dbb_tier": place.tier}.items():
            if known.get(key) != new:
                detail = f"{key}: {known.get(key, 'none')} → {new}"
                yield Line("set attribute", place.rse, detail, value=[place.rse, key, new])


@dataclass
class _Move:
    """Gather the units of one line."""

    names: list[str] = field(default_factory=list)
    files: int = 0
    size_bytes: int = 0

    def add(self, row: UnitRow) -> None:
        self.names.append(row.unit)
        self.files += row.files
        self.size_bytes += row.size_bytes

    def line(self, action: str, subject: str, detail: str) -> Line:
        return Line(
            action, subject, detail, len(self.names), self.files, self.size_bytes,
            tuple(self.names),
        )  # fmt: skip


def _plan_data(backbone: Backbone) -> Iterator[Line]:
    moves: dict[tuple[str, str, str], _Move] = {}
    for kind in Kind:
        for day_obs in backbone.ledger.days_of_kind(kind):
            rows = backbone.ledger.units_of_kind(kind, day_obs)
            for row, move in _moves_of(backbone, rows):
                moves.setdefault(move, _Move()).add(row)
    for (action, subject, detail), gathered in sorted(moves.items()):
        yield gathered.line(action, subject, detail)


def _moves_of(
    backbone: Backbone, rows: list[UnitRow]
) -> Iterator[tuple[UnitRow, tuple[str, str, str]]]:
    archive = backbone.policy.archive
    known: dict[str, dict[str, Delivery]] = {row.unit: {} for row in rows}
    for (unit, place), delivery in backbone.ledger.deliveries(list(known)).items():
        known[unit][place] = delivery
    kept = [
        row
        for row in rows
        if archive in known[row.unit] and known[row.unit][archive].state in _AT_ARCHIVE
    ]
    traits = traits_of(backbone, kept)
    for row in kept:
        wanted = {policy.receiver: policy for policy in backbone.policies.wanted(traits[row.unit])}
        copies = known[row.unit]
        for receiver, policy in wanted.items():
            if receiver not in copies or copies[receiver].state is State.RELEASED:
                yield row, ("send", receiver, f"policy {policy.name}")
        needed = max((policy.copies for policy in wanted.values()), default=1)
        for place, delivery in copies.items():
            if place in wanted or place in (backbone.policy.source, archive):
                continue
            if delivery.state in _GONE:
                continue
            others = sum(
                copy.state is State.PUBLISHED for name, copy in copies.items() if name != place
            )
            if others >= needed:
                yield row, ("drop", place, "no policy wants it there any more")
            else:
                yield row, ("keep", place, f"fewer than {needed} published copies elsewhere")
