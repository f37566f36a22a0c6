"""The data catalogue: datasets, rules and replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.names import Did


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """Say what Rucio shall know of one file: its name, identity and free metadata."""

    did: Did
    digest: Digest
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """Say what Rucio shall know of one unit: its files, and the Rucio dataset that holds them.

    Parameters
    ----------
    dataset
        Name of the Rucio dataset.
    files
        What travels, the manifest last.
    kind, instrument, program, labels
        Columns that Rucio's subscriptions match; empty ones are left out.
    """

    dataset: Did
    files: tuple[CatalogFile, ...]
    kind: Kind = Kind.RAW
    instrument: str = ""
    program: str = ""
    labels: str = ""


class RuleState(StrEnum):
    """How far Rucio is with a rule."""

    WAITING = "waiting"
    """Replicating, injecting, or waiting for approval."""
    OK = "ok"
    """Every lock is satisfied."""
    STUCK = "stuck"
    """Rucio tries again by itself, but something is wrong."""
    GONE = "gone"
    """Rucio knows no such rule."""


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """Hold the state of a rule and Rucio's reason."""

    state: RuleState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RuleWish:
    """Say which rule is wanted, for ever: the RSE, what for, and from where.

    Parameters
    ----------
    rse
        Where the copy shall be.
    activity
        Rucio's activity.
    source_rse
        The only RSE to copy from; empty for any.
    """

    rse: str
    activity: str
    source_rse: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """Hold how far Rucio is with one dataset at one RSE, and the rule that wants it there."""

    rule_id: str
    state: RuleState


class Catalog(Protocol):
    """Know replicas and rules: Rucio."""

    def register(self, entries: Sequence[CatalogEntry], rse: str) -> None:
        """Register bundles and manifests at an RSE, attach them to their datasets, close these.

        Raises
        ------
        ConflictingDuplicate
            If Rucio knows a file of that name with other bytes.
        """

    def ensure_rules(self, datasets: Sequence[Did], wish: RuleWish) -> dict[Did, str]:
        """Make sure that a rule brings each Rucio dataset to an RSE; give the rules' ids.

        A rule that a subscription has made is as good as one of ours.
        """

    def locks(self, datasets: Sequence[Did]) -> dict[Did, dict[str, Lock]]:
        """Ask how far Rucio is with datasets, in bulk: by dataset, RSE to lock.

        Only RSEs that a rule wants are listed. A dataset that Rucio does not know has none.
        """

    def rules(self, rule_ids: Sequence[str]) -> dict[str, RuleStatus]:
        """Ask how far rules are."""

    def replicas(self, dids: Sequence[Did]) -> dict[Did, dict[str, str]]:
        """List where files are available: by file, RSE to physical name."""

    def datasets_of(self, did: Did) -> list[Did]:
        """Name the Rucio datasets that hold a file."""

    def hurry(self, rule_ids: Sequence[str]) -> None:
        """Have stuck rules tried again at the next opportunity; rules that are gone are no error."""

    def take_from(self, rule_ids: Sequence[str], source_rse: str) -> None:
        """Have rules copy from another RSE from now on (empty: from any)."""

    def drop_rules(self, rule_ids: Sequence[str]) -> None:
        """End rules at once: Rucio deletes what no other rule wants. Gone ones are no error."""

    def declare_bad(self, dids: Sequence[Did], rse: str, reason: str) -> None:
        """Say that replicas at an RSE are damaged or gone; Rucio fetches them anew by its rules.

        Replicas that are declared already are no error.
        """

    def declare_good(self, dids: Sequence[Did], rse: str) -> None:
        """Say that registered replicas at an RSE were read and are right: they are available."""

    def retire(self, dids: Sequence[Did], rse: str) -> None:
        """Have Rucio delete replicas at an RSE; those that a rule wants, or that are gone, stay as they are."""
