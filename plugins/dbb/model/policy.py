"""Policies: who receives what, from which source, for how long.

A policy is data (``include/policies/policies.yaml``). It is decided once for each unit, when the unit
is registered, by :meth:`PolicyBook.wanted`; Rucio's subscriptions then make the rules. Rucio looks at
the columns of a Rucio dataset only, so what it cannot compute itself (a region of the sky, tracts,
days) becomes a *label*: the policy's name, written into a column that the subscription matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dbb.errors import PolicyUnreadable
from dbb.model.kind import Kind

LABELS_LENGTH = 70
"""Width of Rucio's column ``stream_name``, which holds the labels."""

TIERS = ("disk", "nearline")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}", re.ASCII)
_LAST_DAY = 99991231


@dataclass(frozen=True, slots=True)
class Selection:
    """Say which units a policy means; what is left empty selects all.

    Parameters
    ----------
    kind
        The kind of unit.
    instruments, programs
        Butler names of instruments; science programs as the headers spell them.
    tracts
        Tract numbers, for products on a sky map: a unit that has one of them is meant.
    region
        Name of a region of the sky (``include/policies/regions``): an exposure any of whose
        detectors touches it is meant, and so is one on its border.
    off_sky
        Whether exposures that do not look at the sky (bias, dark, flat) are meant as well, where
        there is a region.
    first_day, last_day
        First and last ``day_obs``, inclusive.
    """

    kind: Kind
    instruments: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    tracts: tuple[int, ...] = ()
    region: str = ""
    off_sky: bool = False
    first_day: int = 0
    last_day: int = _LAST_DAY

    @property
    def has_days(self) -> bool:
        """Say whether only some days are meant."""
        return self.first_day > 0 or self.last_day < _LAST_DAY


@dataclass(frozen=True, slots=True)
class Traits:
    """Hold what a policy may ask about one unit.

    Parameters
    ----------
    kind, instrument, program, day_obs
        Of the unit; what it has none of is empty.
    tracts
        Tract numbers of its datasets.
    regions
        Names of the regions of the sky that it touches; None where it does not look at the sky.
    """

    kind: Kind
    instrument: str = ""
    program: str = ""
    day_obs: int = 0
    tracts: frozenset[int] = frozenset()
    regions: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Say who receives what.

    Parameters
    ----------
    name
        Its short name; the label of the units that it selects, and part of the subscription's name.
    receiver
        The endpoint that receives.
    what
        Which units.
    sources
        Endpoints to take copies from, the preferred one first. The next one is used when a copy
        has waited too long for those before it.
    copies
        Published copies, anywhere, below which no copy of these units may be dropped.
    keep_days
        How long the receiver keeps them; 0 is for ever.
    tier
        The kind of storage that the receiver must have: ``disk`` or ``nearline``.
    activity
        Rucio's activity of the transfers.
    """

    name: str
    receiver: str
    what: Selection
    sources: tuple[str, ...]
    copies: int = 2
    keep_days: int = 0
    tier: str = "disk"
    activity: str = "Nightly"

    @property
    def needs_label(self) -> bool:
        """Say whether Rucio cannot select the units by itself."""
        return bool(self.what.region or self.what.tracts or self.what.has_days)

    @property
    def selects_all(self) -> bool:
        """Say whether every unit of its kind is meant."""
        return self.what == Selection(self.what.kind, off_sky=self.what.off_sky)

    def selects(self, traits: Traits) -> bool:
        """Say whether a unit is meant."""
        what = self.what
        return (
            traits.kind is what.kind
            and (not what.instruments or traits.instrument in what.instruments)
            and (not what.programs or traits.program in what.programs)
            and (not what.tracts or not traits.tracts.isdisjoint(what.tracts))
            and (not what.region or self._is_in_region(traits))
            and what.first_day <= traits.day_obs <= what.last_day
        )

    def _is_in_region(self, traits: Traits) -> bool:
        if traits.regions is None:
            return self.what.off_sky
        return self.what.region in traits.regions


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """Hold all policies, in the order of the document.

    Raises
    ------
    PolicyUnreadable
        If two policies have one name, or one unit could come to an endpoint by two different ones,
        or the labels of a unit could be longer than Rucio can hold.
    """

    policies: tuple[Policy, ...] = ()

    def __post_init__(self) -> None:
        names = [policy.name for policy in self.policies]
        for name in names:
            if not _NAME.fullmatch(name) or names.count(name) > 1:
                raise PolicyUnreadable.for_file(
                    "policies.yaml", f"{name!r} is no name of a policy, or that of two"
                )
        for kind in Kind:
            label = self._label(self.of_kind(kind))
            if len(label) > LABELS_LENGTH:
                raise PolicyUnreadable.for_file(
                    "policies.yaml",
                    f"the labels of kind {kind} may take {len(label)} characters of Rucio's "
                    f"{LABELS_LENGTH}: give its policies shorter names",
                )

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.policies)

    def of_kind(self, kind: Kind) -> tuple[Policy, ...]:
        """List the policies about a kind of unit."""
        return tuple(policy for policy in self.policies if policy.what.kind is kind)

    def receivers(self, kind: Kind) -> tuple[str, ...]:
        """Name the endpoints that may receive units of a kind, a source before those it serves."""
        policies = self.of_kind(kind)
        names = list(dict.fromkeys(policy.receiver for policy in policies))
        ordered: list[str] = []
        while names:
            ready = [
                name for name in names if not (_first_sources(policies, name) & set(names)) - {name}
            ]
            ordered += ready or names  # a circle of sources has no order
            names = [name for name in names if ready and name not in ready]
        return tuple(ordered)

    def wanted(self, traits: Traits) -> list[Policy]:
        """List the policies that select a unit: the first of each receiver."""
        chosen: dict[str, Policy] = {}
        for policy in self.policies:
            if policy.receiver not in chosen and policy.selects(traits):
                chosen[policy.receiver] = policy
        return list(chosen.values())

    def labels(self, traits: Traits) -> str:
        """Write the label of a unit: the names of the policies that Rucio cannot compute.

        Returns
        -------
        str
            ``.name.name.`` in the order of the document, or nothing.
        """
        return self._label(self.wanted(traits))

    @staticmethod
    def _label(policies: Iterable[Policy]) -> str:
        names = [policy.name for policy in policies if policy.needs_label]
        return f".{'.'.join(names)}." if names else ""


def _first_sources(policies: Iterable[Policy], receiver: str) -> set[str]:
    return {policy.sources[0] for policy in policies if policy.receiver == receiver}
