"""Rucio in memory: files, datasets, rules, and daemons that really copy between stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from dbb.errors import ConflictingDuplicate, DbbError, SettingMissing
from dbb.model.digest import Digest
from dbb.model.names import Did, SafeName
from dbb.ports import READ_BYTES, CatalogEntry, RuleState, RuleStatus, Store

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


@dataclass(slots=True)
class _Rule:
    dataset: Did
    rse: str
    activity: str
    status: RuleStatus = _NEW


class MemoryCatalog:
    """Know replicas and rules; move bytes when the daemons are told to run.

    Parameters
    ----------
    stores
        The store of each RSE; a replica of ``scope:name`` lies there as ``scope/name``.
    """

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self.stores = dict(stores)
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
            dataset = self.datasets.setdefault(entry.dataset, _Dataset())
            dataset.files = sorted({*dataset.files, *files})
            dataset.is_open = False

    def ensure_rules(self, datasets: Sequence[Did], rse: str, activity: str) -> dict[Did, str]:
        """Make sure that a rule brings each Rucio dataset to an RSE; give the rules' ids."""
        self._check_rse(rse)
        known = {rule.dataset: key for key, rule in self._rules.items() if rule.rse == rse}
        for dataset in datasets:
            if dataset not in self.datasets:
                raise SettingMissing("Rucio knows no such dataset", str(dataset))
            if dataset not in known:
                known[dataset] = f"{next(self._numbers):032x}"
                self._rules[known[dataset]] = _Rule(dataset, rse, activity)
        return {dataset: known[dataset] for dataset in datasets}

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

    def declare_bad(self, dids: Sequence[Did], rse: str, reason: str) -> None:
        """Forget replicas; the rules that wanted them work again."""
        for did in dids:
            self.files[did].rses.discard(rse)
            for rule in self._rules.values():
                if rule.rse == rse and did in self.datasets[rule.dataset].files:
                    rule.status = RuleStatus(RuleState.WAITING, reason)

    # What follows is for tests: no flow sees it.

    def run_daemons(self, fails: Callable[[Did], str] = lambda _: "") -> None:
        """Work every rule that is not OK once.

        Parameters
        ----------
        fails
            Gives the reason why a file cannot be transferred now, or nothing when it can.
        """
        for rule in self._rules.values():
            if rule.status.state is RuleState.OK:
                continue
            reasons = [
                reason
                for did in self.datasets[rule.dataset].files
                if (reason := fails(did) or self._transfer(did, rule.rse))
            ]
            state = RuleState.STUCK if reasons else RuleState.OK
            rule.status = RuleStatus(state, reasons[0] if reasons else "")

    def remove_rule(self, rule_id: str) -> None:
        """Forget a rule, as an expiry does."""
        del self._rules[rule_id]

    def _transfer(self, did: Did, rse: str) -> str:
        """Copy a file from any RSE that has it; give the reason of a failure."""
        file = self.files[did]
        if rse in file.rses:
            return ""
        for source in sorted(file.rses):
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
    return SafeName.parse(f"{did.scope}/{did.name}")


def _files_of(entry: CatalogEntry) -> dict[Did, _File]:
    unit, scope = entry.manifest.unit, entry.manifest.scope
    zip_metadata = {"rubin_butler": "zip_file", "rubin_sidecar": ""}
    return {
        Did(scope, unit.bundle_name): _file(entry.manifest.bundle, zip_metadata),
        Did(scope, unit.manifest_name): _file(entry.manifest_digest, {}),
    }


def _file(digest: Digest, metadata: dict[str, str]) -> _File:
    return _File(digest.size_bytes, digest.adler32, metadata)
