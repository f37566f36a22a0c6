"""What a change of the policies would do: subscriptions, links, attributes, and data on the move.

Nothing here acts. ``policy_apply`` does what a reviewed plan says, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dbb.errors import Damaged
from dbb.flows.backbone import Backbone
from dbb.flows.wanting import traits_of
from dbb.model.delivery import Delivery, State
from dbb.model.endpoint import Endpoint, Role
from dbb.model.kind import Kind
from dbb.model.plan import Line, Plan
from dbb.model.policy import Policy, Traits
from dbb.ports.ledger import UnitRow

PREFIX = "dbb-"
"""Of the names of our subscriptions: others are nobody's business here."""

INFRASTRUCTURE = (
    "add subscription",
    "change subscription",
    "end subscription",
    "set link",
    "set attribute",
)
"""Actions on Rucio's set-up."""

DATA = ("send", "move", "drop")
"""Actions on data. A line with any other action (``keep``) only tells why nothing is done."""

_AT_ARCHIVE = (State.REGISTERED, State.PUBLISHED)
_AWAITED = (State.EXPECTED, State.MISSING, State.SUSPECT)
_BEING_WORKED_ON = (State.ARRIVED, State.VERIFIED, State.REGISTERED)


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

    def waiting_sources(self, rse: str) -> dict[str, str]:
        """Read from which RSE our unfulfilled rules at an RSE copy: by rule; empty is from any."""

    def declare_kinds(self) -> None:
        """Have Rucio accept the kinds as values of ``datatype``."""


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
    return Plan((*plan_infrastructure(backbone, endpoints, rucio), *_Data(backbone, rucio).plan()))


def plan_infrastructure(
    backbone: Backbone, endpoints: Mapping[str, Endpoint], rucio: Infrastructure
) -> tuple[Line, ...]:
    """Compare the policies with Rucio's set-up alone, which is a few questions however long the history is."""
    return (
        *_plan_subscriptions(backbone, rucio),
        *_plan_links(endpoints, rucio),
        *_plan_attributes(endpoints, rucio),
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

    value: Any = None
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
            tuple(self.names), self.value,
        )  # fmt: skip


@dataclass
class _Data:
    """Compare where units are with where the policies want them."""

    backbone: Backbone
    rucio: Infrastructure
    _moves: dict[tuple[str, str, str], _Move] = field(default_factory=dict)
    _sources: dict[str, dict[str, str]] = field(default_factory=dict)

    def plan(self) -> Iterator[Line]:
        ledger = self.backbone.ledger
        for kind in Kind:
            for day_obs in ledger.days_of_kind(kind):
                self._compare(ledger.units_of_kind(kind, day_obs))
        for (action, subject, detail), gathered in sorted(self._moves.items()):
            yield gathered.line(action, subject, detail)

    def _compare(self, rows: Sequence[UnitRow]) -> None:
        archive = self.backbone.policy.archive
        known: dict[str, dict[str, Delivery]] = {row.unit: {} for row in rows}
        for (unit, place), delivery in self.backbone.ledger.deliveries(list(known)).items():
            known[unit][place] = delivery
        kept = [
            row
            for row in rows
            if archive in known[row.unit] and known[row.unit][archive].state in _AT_ARCHIVE
        ]
        for row, traits in self._with_traits(kept):
            policies = self.backbone.policies.wanted(traits)
            wanted = {policy.receiver: policy for policy in policies}
            for policy in policies:
                self._see_to_wanted(row, policy, known[row.unit].get(policy.receiver))
            self._see_to_unwanted(row, wanted, known[row.unit])

    def _with_traits(self, rows: Sequence[UnitRow]) -> Iterator[tuple[UnitRow, Traits]]:
        """Pair units with what policies ask; one whose manifest is damaged stays where it is."""
        try:
            found = traits_of(self.backbone, rows)
        except Damaged as error:
            if len(rows) > 1:
                for row in rows:
                    yield from self._with_traits([row])
            else:
                archive = self.backbone.policy.archive
                self._add(rows[0], "keep", archive, f"its manifest there is unusable: {error.code}")
        else:
            yield from ((row, found[row.unit]) for row in rows)

    def _add(self, row: UnitRow, action: str, subject: str, detail: str, value: Any = None) -> None:
        self._moves.setdefault((action, subject, detail), _Move(value)).add(row)

    def _see_to_wanted(self, row: UnitRow, policy: Policy, copy: Delivery | None) -> None:
        if copy is not None and copy.is_expired:
            return
        if copy is None or copy.state is State.RELEASED:
            self._add(row, "send", policy.receiver, f"policy {policy.name}")
        elif copy.state in _AWAITED and copy.rule_id:
            source = self._sources_at(policy.receiver).get(copy.rule_id, "")
            sources = [self.backbone.rses[name] for name in policy.sources]
            if source and source not in sources:
                detail = f"policy {policy.name}: from {sources[0]}, not {source}"
                self._add(row, "move", policy.receiver, detail, sources[0])

    def _sources_at(self, receiver: str) -> dict[str, str]:
        if receiver not in self._sources:
            rse = self.backbone.rses[receiver]
            self._sources[receiver] = self.rucio.waiting_sources(rse)
        return self._sources[receiver]

    def _see_to_unwanted(
        self, row: UnitRow, wanted: Mapping[str, Policy], copies: Mapping[str, Delivery]
    ) -> None:
        """Drop copies that nobody wants, one after the other, while enough are left."""
        needed = max((policy.copies for policy in wanted.values()), default=1)
        if row.kind == Kind.RAW:  # by that many the source was allowed to let go
            needed = max(needed, self.backbone.policy.copies_before_release)
        published = {name for name, copy in copies.items() if copy.state is State.PUBLISHED}
        never = (self.backbone.policy.source, self.backbone.policy.archive, *wanted)
        for place, copy in sorted(copies.items()):
            if place in never or copy.state is State.LOST:
                continue
            if copy.state is State.RELEASED and not copy.rule_id:
                continue  # with a rule, a killed run has not come to the end of dropping it
            if copy.state in _BEING_WORKED_ON:
                self._add(row, "keep", place, "it is being published; plan again later")
            elif len(published - {place}) >= needed:
                published.discard(place)
                self._add(row, "drop", place, "no policy wants it there any more")
            else:
                self._add(row, "keep", place, f"fewer than {needed} published copies elsewhere")
