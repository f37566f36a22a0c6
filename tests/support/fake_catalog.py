"""Rucio in memory: files, datasets, rules, and daemons that really copy between stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType

from dbb.errors import ConflictingDuplicate, DbbError, SettingMissing
from dbb.flows.cargo import stored_name
from dbb.model.names import Did
from dbb.model.policy import PolicyBook
from dbb.ports.catalog import CatalogEntry, Lock, RuleState, RuleStatus, RuleWish
from dbb.ports.store import READ_BYTES, Store

_NEW = RuleStatus(RuleState.WAITING, "REPLICATING")


@dataclass(slots=True)
class _File:
    size_bytes: int
    adler32: str
    metadata: dict[str, str]
    rses: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Dataset:
    files: list[Did] = field(default_factory=list)
    is_open: bool = True
    is_new: bool = True
    columns: CatalogEntry | None = None


@dataclass(slots=True)
class _Rule:
    dataset: Did
    wish: RuleWish
    status: RuleStatus = _NEW

    @property
    def rse(self) -> str:
        return self.wish.rse


class MemoryCatalog:
    """Know replicas and rules; move bytes when the daemons are told to run.

    Parameters
    ----------
    stores
        The store of each RSE; a replica of ``scope:name`` lies there as ``scope/name``.
    subscriptions
        The policies whose subscriptions exist, and the RSE of each endpoint.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        subscriptions: tuple[PolicyBook, Mapping[str, str]] = (PolicyBook(), MappingProxyType({})),
    ) -> None:
        self.stores = dict(stores)
        self.subscriptions = subscriptions
        self.hurried: list[str] = []
        self.files: dict[Did, _File] = {}
        self.datasets: dict[Did, _Dataset] = {}
        self._rules: dict[str, _Rule] = {}
        self._numbers = count(1)

    def register(self, entries: Sequence[CatalogEntry], rse: str) -> None:
        """Register bundles and manifests at an RSE, attach them to datasets, close these."""
        self._check_rse(rse)
        for entry in entries:
            files = _files_of(entry)
            for did, new in files.items():
                self._check_same(did, new)
            for did, new in files.items():
                self.files.setdefault(did, new).rses.add(rse)
            dataset = self.datasets.setdefault(entry.dataset, _Dataset(columns=entry))
            dataset.files = sorted({*dataset.files, *files})
            dataset.is_open = False

    def ensure_rules(self, datasets: Sequence[Did], wish: RuleWish) -> dict[Did, str]:
        """Make sure that a rule brings each Rucio dataset to an RSE; give the rules' ids."""
        self._check_rse(wish.rse)
        known = {rule.dataset: key for key, rule in self._rules.items() if rule.rse == wish.rse}
        for dataset in datasets:
            if dataset not in self.datasets:
                raise SettingMissing("Rucio knows no such dataset", str(dataset))
            if dataset not in known:
                known[dataset] = f"{next(self._numbers):032x}"
                self._rules[known[dataset]] = _Rule(dataset, wish)
        return {dataset: known[dataset] for dataset in datasets}

    def locks(self, datasets: Sequence[Did]) -> dict[Did, dict[str, Lock]]:
        """Ask how far Rucio is with datasets: by dataset, RSE to lock."""
        found: dict[Did, dict[str, Lock]] = {did: {} for did in datasets}
        for key, rule in self._rules.items():
            if rule.dataset in found:
                found[rule.dataset][rule.rse] = Lock(key, rule.status.state)
        return found

    def rules(self, rule_ids: Sequence[str]) -> dict[str, RuleStatus]:
        """Ask how far rules are."""
        gone = RuleStatus(RuleState.GONE)
        return {key: self._rules[key].status if key in self._rules else gone for key in rule_ids}

    def replicas(self, dids: Sequence[Did]) -> dict[Did, dict[str, str]]:
        """List where files are available: by file, RSE to physical name."""
        return {
            did: {rse: self.stores[rse].url_of(_path(did)) for rse in sorted(self.files[did].rses)}
            if did in self.files
            else {}
            for did in dids
        }

    def datasets_of(self, did: Did) -> list[Did]:
        """Name the Rucio datasets that hold a file."""
        return [name for name, dataset in self.datasets.items() if did in dataset.files]

    def hurry(self, rule_ids: Sequence[str]) -> None:
        """Have stuck rules tried again; the daemons here always do."""
        self.hurried += rule_ids

    def take_from(self, rule_ids: Sequence[str], source_rse: str) -> None:
        """Have rules copy from another RSE from now on."""
        for key in rule_ids:
            if key in self._rules:
                self._rules[key].wish = replace(self._rules[key].wish, source_rse=source_rse)

    def drop_rules(self, rule_ids: Sequence[str]) -> None:
        """End rules; what no other rule wants at an RSE is deleted there."""
        for key in rule_ids:
            rule = self._rules.pop(key, None)
            if rule is None:
                continue
            kept = {
                did
                for other in self._rules.values()
                if other.rse == rule.rse
                for did in self.datasets[other.dataset].files
            }
            for did in self.datasets[rule.dataset].files:
                if did not in kept and rule.rse in self.files[did].rses:
                    self.files[did].rses.discard(rule.rse)
                    self.stores[rule.rse].delete([_path(did)])

    def declare_bad(self, dids: Sequence[Did], rse: str, reason: str) -> None:
        """Forget replicas; the rules that wanted them work again."""
        for did in dids:
            self.files[did].rses.discard(rse)
            for rule in self._rules.values():
                if rule.rse == rse and did in self.datasets[rule.dataset].files:
                    rule.status = RuleStatus(RuleState.WAITING, reason)

    def declare_good(self, dids: Sequence[Did], rse: str) -> None:
        """Have replicas available again."""
        for did in dids:
            self.files[did].rses.add(rse)

    def retire(self, dids: Sequence[Did], rse: str) -> None:
        """Delete replicas that no rule wants."""
        wanted = {
            did
            for rule in self._rules.values()
            if rule.rse == rse
            for did in self.datasets[rule.dataset].files
        }
        for did in dids:
            if did not in wanted and did in self.files:
                self.files[did].rses.discard(rse)
                self.stores[rse].delete([_path(did)])

    def forget(self, dataset: Did, files: Sequence[Did], rse: str) -> None:
        """Forget a dataset with its files, and their replicas at an RSE."""
        self.datasets.pop(dataset, None)
        for did in files:
            known = self.files.get(did)
            if known is not None:
                known.rses.discard(rse)
                if not known.rses:
                    del self.files[did]

    # What follows is for tests: no flow sees it.

    def run_daemons(self, fails: Callable[[Did], str] = lambda _: "") -> None:
        """Work every rule that is not OK once.

        Parameters
        ----------
        fails
            Gives the reason why a file cannot be transferred now, or nothing when it can.
        """
        self._match_subscriptions()
        for rule in self._rules.values():
            if rule.status.state is RuleState.OK:
                continue
            reasons = [
                reason
                for did in self.datasets[rule.dataset].files
                if (reason := fails(did) or self._transfer(did, rule.wish))
            ]
            state = RuleState.STUCK if reasons else RuleState.OK
            rule.status = RuleStatus(state, reasons[0] if reasons else "")

    def waiting_sources(self, rse: str) -> dict[str, str]:
        """Name the source of each unfulfilled rule at an RSE."""
        return {
            key: rule.wish.source_rse
            for key, rule in self._rules.items()
            if rule.rse == rse and rule.status.state is not RuleState.OK
        }

    def remove_rule(self, rule_id: str) -> None:
        """Forget a rule, as an expiry does."""
        del self._rules[rule_id]

    def _match_subscriptions(self) -> None:
        """Make the rules of new datasets; each is looked at once, by its columns only."""
        book, rses = self.subscriptions
        for did, dataset in self.datasets.items():
            entry = dataset.columns
            if entry is None or not dataset.is_new:
                continue
            dataset.is_new = False
            for policy in book.of_kind(entry.kind):
                what = policy.what
                if (
                    (not what.instruments or entry.instrument in what.instruments)
                    and (not what.programs or entry.program in what.programs)
                    and (not policy.needs_label or f".{policy.name}." in entry.labels)
                ):
                    wish = RuleWish(rses[policy.receiver], policy.activity, rses[policy.sources[0]])
                    self.ensure_rules([did], wish)

    def _transfer(self, did: Did, wish: RuleWish) -> str:
        """Copy a file from an RSE that has it; give the reason of a failure."""
        file, rse = self.files[did], wish.rse
        if rse in file.rses:
            return ""
        for source in sorted(file.rses):
            if wish.source_rse not in ("", source):
                continue
            try:
                with (
                    self.stores[source].open(_path(did)) as reader,
                    self.stores[rse].create(_path(did)) as writer,
                ):
                    shutil.copyfileobj(reader, writer, READ_BYTES)
            except DbbError as error:
                return error.message
            file.rses.add(rse)
            return ""
        return "no source replica"

    def _check_rse(self, rse: str) -> None:
        if rse not in self.stores:
            raise SettingMissing("Rucio knows no such RSE", rse)

    def _check_same(self, did: Did, new: _File) -> None:
        known = self.files.get(did)
        if known and (known.size_bytes, known.adler32) != (new.size_bytes, new.adler32):
            raise ConflictingDuplicate.for_file(str(did), known.adler32, new.adler32)


def _path(did: Did) -> str:
    return stored_name(did)


def _files_of(entry: CatalogEntry) -> dict[Did, _File]:
    return {
        file.did: _File(file.digest.size_bytes, file.digest.adler32, dict(file.metadata))
        for file in entry.files
    }
