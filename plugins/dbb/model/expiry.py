"""Expiry: what may go from a cache and when, what holds it, and what a rule says of it.

Nothing here acts. ``find_due`` decides over items; a pin or too few copies hold an item whatever its age.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dbb.model.day_obs import DayObs
from dbb.model.kind import Kind


class By(StrEnum):
    """From when an age is counted; each member states from when."""

    OBSERVATION = "observation"
    """From the end of the observing night: no image of it is younger."""
    INGEST = "ingest"
    """From when the endpoint first served it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Say what may go where, and after how long; what is left empty selects all.

    Parameters
    ----------
    name
        Its short name; it stands in the history of what it took away.
    endpoints
        Where it holds.
    kind
        The kind of units; of a cache near the telescope, ``raw``.
    lifetime_days
        How old an item must be. Nothing younger ever goes.
    by
        From when its age is counted.
    instruments
        Butler names of instruments.
    dataset_types, collections
        Names of dataset types and RUN collections: an item is meant if all its datasets are of these.
    spare_tagged
        Whether what somebody has put into a TAGGED collection stays.
    copies
        Of kinds that are archived: published copies that must be elsewhere.
    verified_within_days
        How old the last reading of each of these may be.
    capacity_bytes
        What the cache can hold; 0 where nobody has said.
    high_percent, low_percent
        With a capacity: items beyond their lifetime go only when more than ``high_percent`` of it is
        used, the oldest first, until ``low_percent`` is left. Without (0): they go when it is their time.
    of_policy
        Whether it is the end of the policy of the same name, and no rule of the document.
    """

    name: str
    endpoints: tuple[str, ...]
    kind: Kind
    lifetime_days: int
    by: By = By.OBSERVATION
    instruments: tuple[str, ...] = ()
    dataset_types: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    spare_tagged: bool = True
    copies: int = 2
    verified_within_days: int = 100
    capacity_bytes: int = 0
    high_percent: int = 0
    low_percent: int = 0
    of_policy: bool = False

    @property
    def lifetime(self) -> dt.timedelta:
        """Give the lifetime."""
        return dt.timedelta(days=self.lifetime_days)

    @property
    def looks_inside(self) -> bool:
        """Say whether it asks for what only an item's manifest tells."""
        return bool(self.dataset_types or self.collections)

    @property
    def needed_copies(self) -> int:
        """Give the number of copies that must be elsewhere: none of what nobody archives."""
        return self.copies if self.kind.is_archived else 0

    def selects(self, item: Item) -> bool:
        """Say whether an item is meant."""
        return (
            item.kind is self.kind
            and (not self.instruments or item.instrument in self.instruments)
            and (not self.dataset_types or _all_in(item.dataset_types, self.dataset_types))
            and (not self.collections or _all_in(item.collections, self.collections))
            and (not self.of_policy or item.policy == self.name)
        )

    def over_at(self, item: Item) -> dt.datetime:
        """Say when an item's lifetime is over."""
        since = item.observed_at if self.by is By.OBSERVATION else item.ingested_at
        return since + self.lifetime


def _all_in(found: frozenset[str], wanted: Sequence[str]) -> bool:
    return bool(found) and found <= set(wanted)


@dataclass(frozen=True, slots=True)
class ExpiryBook:
    """Hold all rules, in the order of the document, and how much goes without a person.

    Parameters
    ----------
    rules
        The rules; the first that selects an item at an endpoint is the one.
    approve_above_percent
        A plan for a larger part of what the rules' kinds have at an endpoint waits for a person.
    """

    rules: tuple[Rule, ...] = ()
    approve_above_percent: int = 10

    def at(self, endpoint: str) -> list[Rule]:
        """List the rules of an endpoint."""
        return [rule for rule in self.rules if endpoint in rule.endpoints]

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Name the endpoints at which something may go."""
        return tuple(sorted({name for rule in self.rules for name in rule.endpoints}))


@dataclass(frozen=True, slots=True)
class Item:
    """Describe one thing that a cache holds, as rules ask for it.

    Parameters
    ----------
    name
        A unit, or an image of a cache.
    unit
        The unit that it is or belongs to.
    kind, instrument, day_obs
        What it is.
    ingested_at
        When the endpoint first served it (UTC).
    size_bytes, files
        What it takes.
    dataset_types, collections
        Of its datasets, where a rule asks.
    policy
        The policy that wants it at the endpoint, where a rule is that policy's end.
    """

    name: str
    unit: str
    kind: Kind
    instrument: str
    day_obs: int
    ingested_at: dt.datetime
    size_bytes: int
    files: int = 1
    dataset_types: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()
    policy: str = ""

    @property
    def observed_at(self) -> dt.datetime:
        """Give the end of its observing night."""
        return DayObs(self.day_obs).end


@dataclass(frozen=True, slots=True)
class Pin:
    """Hold something in caches for a while: a pin, or a lease of a program.

    Parameters
    ----------
    pin_id
        Its identity.
    subject
        A unit, an image, or a folder of some: ``level1/20261121`` is that night's.
    endpoint
        Where; empty is everywhere.
    owner, reason
        Whose it is, and why.
    pinned_at, until_at
        From when and until when (UTC).
    """

    pin_id: str
    subject: str
    endpoint: str
    owner: str
    reason: str
    pinned_at: dt.datetime
    until_at: dt.datetime

    def holds(self, name: str, endpoint: str, now: dt.datetime) -> bool:
        """Say whether an item is held."""
        return (
            self.endpoint in ("", endpoint)
            and now < self.until_at
            and (name == self.subject or name.startswith(f"{self.subject}/"))
        )


class ExpiryState(StrEnum):
    """How far an expiry is; each member states what is then true."""

    INTENDED = "intended"
    """The ledger serves it no more; nothing else was done."""
    WITHDRAWN = "withdrawn"
    """Butler's registry has none of its datasets."""
    ENDED = "ended"
    """No rule of Rucio's wants it here: its reaper deletes the files."""
    GONE = "gone"
    """Its files are not there any more."""
    VOID = "void"
    """It was wanted here again before it was taken away."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """Hold one row of the expiries: an intention, and how far it is."""

    endpoint: str
    subject: str
    day_obs: int
    rule: str
    size_bytes: int
    state: ExpiryState
    intended_at: dt.datetime
    since_at: dt.datetime


@dataclass(frozen=True)
class Due:
    """Say what is due at an endpoint, what is held, and which caches are too full.

    Parameters
    ----------
    due
        Items by rule, the oldest first.
    kept
        Items whose time is over, and why they stay.
    too_full
        By rule, the percentage that is used although nothing more may go.
    """

    due: dict[Rule, list[Item]] = field(default_factory=dict)
    kept: list[tuple[Item, str]] = field(default_factory=list)
    too_full: dict[Rule, int] = field(default_factory=dict)


def find_due(
    rules: Sequence[Rule],
    items: Iterable[Item],
    held: Mapping[str, str],
    used_bytes: Mapping[Kind, int],
    now: dt.datetime,
) -> Due:
    """Decide what of the items at one endpoint is due.

    Parameters
    ----------
    rules
        Those of the endpoint; the first that selects an item decides.
    items
        What may be due; younger ones may be among them.
    held
        By item, why it stays whatever its age.
    used_bytes
        By kind, what the endpoint holds of it.
    now
        The time (UTC).
    """
    found = Due()
    over: dict[Rule, list[Item]] = {rule: [] for rule in rules}
    for item in items:
        rule = next((each for each in rules if each.selects(item)), None)
        if rule is None or rule.over_at(item) > now:
            continue
        if item.name in held:
            found.kept.append((item, held[item.name]))
        else:
            over[rule].append(item)
    for rule, old in over.items():
        old.sort(key=lambda item: (item.observed_at, item.name))
        due = _within_watermarks(rule, old, used_bytes.get(rule.kind, 0), found)
        if due:
            found.due[rule] = due
    return found


def _within_watermarks(rule: Rule, old: list[Item], used: int, found: Due) -> list[Item]:
    if not rule.capacity_bytes:
        return old
    high, low = (
        rule.capacity_bytes * percent // 100 for percent in (rule.high_percent, rule.low_percent)
    )
    if used <= high:
        return []
    due = []
    for item in old:
        if used <= low:
            break
        due.append(item)
        used -= item.size_bytes
    if used > high:
        found.too_full[rule] = 100 * used // rule.capacity_bytes
    return due
