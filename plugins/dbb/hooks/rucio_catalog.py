"""Speak to Rucio: register units, ask for rules, read their states and the replicas.

The files of a unit and its manifest are one Rucio dataset, ``scope:name`` as Rubin's own tools name
and label them, so that those tools find them. The RSEs are deterministic with the layout
``<prefix>/<scope>/<name>``: no physical name is ever told to Rucio.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, TypeVar

from rucio.common import exception as rucio

from dbb.errors import CatalogUnavailable, ConflictingDuplicate
from dbb.hooks.rucio_client import PrivateTokenClient, make_client
from dbb.hooks.rucio_errors import rucio_errors
from dbb.model.names import Did, SafeName
from dbb.ports.catalog import CatalogEntry, CatalogFile, Lock, RuleState, RuleStatus, RuleWish

T = TypeVar("T")
log = logging.getLogger(__name__)

ITEMS_AT_ONCE = 1000
"""Rucio takes no more in one call."""

FORGET_AFTER_S = 60
"""When the undertaker may take a dataset that is to be forgotten."""

CAMPAIGN_LENGTH = 50
"""Width of the column for science programs."""
_ATTEMPTS = 5
_RACED = (
    rucio.DatabaseException,  # two inserts of one row at once: Rucio has no better word for some
    rucio.DataIdentifierAlreadyExists,
    rucio.Duplicate,
    rucio.DuplicateRule,
    rucio.FileAlreadyExists,
    rucio.UnsupportedOperation,  # the dataset has been closed meanwhile
)
_RULE_ID = re.compile(r"[0-9a-f]{32}")

_STATES = {
    "OK": RuleState.OK,
    "REPLICATING": RuleState.WAITING,
    "INJECT": RuleState.WAITING,
    "WAITING_APPROVAL": RuleState.WAITING,
    "STUCK": RuleState.STUCK,
    "SUSPENDED": RuleState.STUCK,
}


class RucioCatalog:
    """Know replicas and rules.

    Parameters
    ----------
    host
        URL of the Rucio server.
    account, username, password
        The Rucio account, and a user that may act for it.
    """

    def __init__(self, host: str, account: str, username: str, password: str) -> None:
        self.host = host
        self.account = account
        self._login = (host, account, username, password)

    def register(self, entries: Sequence[CatalogEntry], rse: str) -> None:
        """Register units' files at an RSE, attach them to their datasets, close these.

        A closed dataset is the sign that nothing is left to be done for it; whatever a killed
        worker did not come to, the next call does.
        """
        for chunk in _entry_chunks(entries):
            self._retried("register", partial(self._register, chunk, rse))

    def ensure_rules(self, datasets: Sequence[Did], wish: RuleWish) -> dict[Did, str]:
        """Make sure that a rule brings each Rucio dataset to an RSE; give the rules' ids."""
        rules: dict[Did, str] = {}
        for chunk in _chunks(list(dict.fromkeys(datasets)), ITEMS_AT_ONCE):
            rules |= self._retried("ensure_rules", partial(self._ensure_rules, chunk, wish))
        return rules

    def locks(self, datasets: Sequence[Did]) -> dict[Did, dict[str, Lock]]:
        """Ask how far Rucio is with datasets, in bulk: by dataset, RSE to lock.

        Where several rules want a dataset at one RSE, the one that is furthest counts: its bytes
        are there.
        """
        found: dict[Did, dict[str, Lock]] = {did: {} for did in datasets}
        with rucio_errors("locks"):
            for chunk in _chunks(list(found), ITEMS_AT_ONCE):
                wanted = [{**_name(did), "type": "dataset"} for did in chunk]
                for row in self._client.get_locks_for_dids(wanted):
                    there = found[Did(row["scope"], SafeName(row["name"]))]
                    lock = Lock(str(row["rule_id"]), _STATES[row["state"]])
                    known = there.get(row["rse"])
                    if known is None or known.state is not RuleState.OK:
                        there[row["rse"]] = lock
        return found

    def rules(self, rule_ids: Sequence[str]) -> dict[str, RuleStatus]:
        """Ask how far rules are: one request each, Rucio has no other way to ask by id."""
        with rucio_errors("rules"):
            return {rule_id: self._rule_status(rule_id) for rule_id in rule_ids}

    def replicas(self, dids: Sequence[Did]) -> dict[Did, dict[str, str]]:
        """List where files are available: by file, RSE to physical name."""
        found: dict[Did, dict[str, str]] = {did: {} for did in dids}
        with rucio_errors("replicas"):
            for chunk in _chunks(list(found), ITEMS_AT_ONCE):
                # A bundle ends in .zip but is no Rucio archive: there is nothing to resolve.
                names = [_name(did) for did in chunk]
                for row in self._client.list_replicas(names, resolve_archives=False):
                    did = Did(row["scope"], SafeName.parse(row["name"]))
                    found[did] = {rse: pfns[0] for rse, pfns in row["rses"].items() if pfns}
        return found

    def datasets_of(self, did: Did) -> list[Did]:
        """Name the Rucio datasets that hold a file."""
        with rucio_errors("datasets_of"):
            try:
                rows = list(self._client.list_parent_dids(did.scope, str(did.name)))
            except rucio.DataIdentifierNotFound:
                return []
        return [Did(row["scope"], SafeName(row["name"])) for row in rows]

    def hurry(self, rule_ids: Sequence[str]) -> None:
        """Have stuck rules tried again at the next opportunity, not in Rucio's two hours."""
        self._update(rule_ids, {"boost_rule": True})

    def take_from(self, rule_ids: Sequence[str], source_rse: str) -> None:
        """Have rules copy from another RSE from now on (empty: from any)."""
        self._update(rule_ids, {"source_replica_expression": source_rse or None})

    def drop_rules(self, rule_ids: Sequence[str]) -> None:
        """End rules at once: Rucio deletes what no other rule wants."""
        # Purged: a reaper that is not greedy would keep the files as a cache.
        self._update(rule_ids, {"lifetime": 0, "purge_replicas": True})

    def _update(self, rule_ids: Sequence[str], options: dict[str, Any]) -> None:
        with rucio_errors("update_rule"):
            for rule_id in rule_ids:
                try:
                    self._client.update_replication_rule(rule_id, options)
                except rucio.RuleNotFound:
                    log.info("action=update-rule rule=%s reason=gone", rule_id)

    def declare_bad(self, dids: Sequence[Did], rse: str, reason: str) -> None:
        """Say that replicas at an RSE are damaged or gone; Rucio fetches them anew by its rules."""
        for chunk in _chunks(dids, ITEMS_AT_ONCE):
            replicas = [{**_name(did), "rse": rse} for did in chunk]
            with rucio_errors("declare_bad"):
                refused = self._client.declare_bad_file_replicas(replicas, reason=reason)
            for words in (refused or {}).get(rse, ()):  # "Already declared", "Unknown replica"
                log.info("action=declare-bad rse=%s reason=%s", rse, words)

    def declare_good(self, dids: Sequence[Did], rse: str) -> None:
        """Make replicas available again that Rucio had as bad or unavailable."""
        for chunk in _chunks(dids, ITEMS_AT_ONCE):
            states = [{**_name(did), "state": "A"} for did in chunk]
            with rucio_errors("declare_good"):
                self._client.update_replicas_states(rse, states)

    def retire(self, dids: Sequence[Did], rse: str) -> None:
        """Mark replicas as obsolete: Rucio's reaper deletes them, unless a rule holds them."""
        for did in dids:  # one by one: a locked one refuses its whole call
            with rucio_errors("set_tombstone"):
                try:
                    self._client.set_tombstone([{**_name(did), "rse": rse}])
                except (rucio.ReplicaIsLocked, rucio.ReplicaNotFound) as error:
                    log.info("action=retire did=%s rse=%s reason=%s", did, rse, error)

    def forget(self, dataset: Did, files: Sequence[Did], rse: str) -> None:
        """Have Rucio's daemons forget a dataset, and delete its files' replicas at an RSE.

        What Rucio does not know is forgotten already; what a rule still holds is left for the next call.
        """
        with rucio_errors("forget"), suppress(rucio.DataIdentifierNotFound):
            self._client.set_metadata(**_name(dataset), key="lifetime", value=FORGET_AFTER_S)
        self.retire(files, rse)

    def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    @cached_property
    def _client(self) -> PrivateTokenClient:
        return make_client(*self._login)

    @cached_property
    def _datatypes(self) -> frozenset[str]:
        """List the declared values of ``datatype``; Rucio refuses any other."""
        try:
            return frozenset(self._client.list_values("datatype") or ())
        except rucio.KeyNotFound:
            return frozenset()

    def _retried(self, call: str, act: Callable[[], T]) -> T:
        """Act again, from a new reading, where another worker was quicker between two requests."""
        where = f"{call} at {self.host}"
        for _ in range(_ATTEMPTS):
            with rucio_errors(where):
                try:
                    return act()
                except _RACED as error:
                    last = error
        raise CatalogUnavailable.for_call(where, last)

    def _register(self, entries: Sequence[CatalogEntry], rse: str) -> None:
        known = self._known(entries)
        for entry in entries:
            _check_same(entry, known)
        new = [entry for entry in entries if entry.dataset not in known]
        if new:
            self._client.add_dids([self._dataset(entry) for entry in new])
        is_closed = {did for did, row in known.items() if row["is_open"] is False}
        to_attach = [entry for entry in entries if entry.dataset not in is_closed]
        if to_attach:
            # Replicas and attachments of all of them in one transaction, which also compares sizes
            # and checksums with those that Rucio has.
            for attachments in _attachments(to_attach, rse):
                self._client.add_files_to_datasets(attachments, ignore_duplicate=True)
        done = [entry for entry in entries if entry.dataset in is_closed]
        if done:  # only the replicas can be new: at another RSE, or brought back after a loss
            for files in _chunks([f for entry in done for f in _files(entry)], ITEMS_AT_ONCE):
                self._client.add_replicas(rse, files)
        for entry in to_attach:
            self._client.set_status(**_name(entry.dataset), open=False)

    def _known(self, entries: Sequence[CatalogEntry]) -> dict[Did, dict[str, Any]]:
        """Read what Rucio has of the datasets and files of entries."""
        names = [_name(entry.dataset) for entry in entries]
        names += [
            {"scope": file["scope"], "name": file["name"]}
            for entry in entries
            for file in _files(entry)
        ]
        return {
            Did(row["scope"], SafeName(row["name"])): row
            for chunk in _chunks(names, ITEMS_AT_ONCE)
            for row in self._client.get_metadata_bulk(chunk)
        }

    def _dataset(self, entry: CatalogEntry) -> dict[str, Any]:
        """Describe a dataset by columns, which is what Rucio's subscriptions look at."""
        columns = {
            "project": entry.instrument,
            "datatype": entry.kind if entry.kind in self._datatypes else "",
            "campaign": entry.program[:CAMPAIGN_LENGTH],
            "stream_name": entry.labels,
        }
        metadata = {key: str(value) for key, value in columns.items() if value}
        return {**_name(entry.dataset), "type": "DATASET", "meta": metadata}

    def _ensure_rules(self, datasets: Sequence[Did], wish: RuleWish) -> dict[Did, str]:
        try:  # all are new, nearly always: one request
            return self._add_rules(datasets, wish)
        except rucio.DuplicateRule:
            rules = {did: rule for did in datasets if (rule := self._find_rule(did, wish))}
            missing = [did for did in datasets if did not in rules]
            return rules | (self._add_rules(missing, wish) if missing else {})

    def _add_rules(self, datasets: Sequence[Did], wish: RuleWish) -> dict[Did, str]:
        rule_ids = self._client.add_replication_rule(
            [_name(did) for did in datasets],
            copies=1,
            rse_expression=wish.rse,
            activity=wish.activity,
            grouping="DATASET",
            source_replica_expression=wish.source_rse or None,
        )
        return dict(zip(datasets, rule_ids, strict=True))

    def _find_rule(self, dataset: Did, wish: RuleWish) -> str:
        wanted = {**_name(dataset), "rse_expression": wish.rse, "account": self.account}
        for rule in self._client.list_replication_rules(wanted):
            if rule["copies"] == 1:  # what makes a rule a duplicate, with the four above
                if _is_dropped(rule):
                    self._client.update_replication_rule(rule["id"], {"lifetime": None})
                return str(rule["id"])
        return ""

    def _rule_status(self, rule_id: str) -> RuleStatus:
        if not _RULE_ID.fullmatch(rule_id):
            return RuleStatus(RuleState.GONE, "this is no rule's id")
        try:
            rule = self._client.get_replication_rule(rule_id)
            state = _STATES[rule["state"]]
            if state is RuleState.OK:
                return RuleStatus(state)
            if rule["state"] == "STUCK":
                return RuleStatus(state, self._why_stuck(rule))
        except rucio.RuleNotFound:
            return RuleStatus(RuleState.GONE, "Rucio knows no such rule")
        total = sum(rule[f"locks_{kind}_cnt"] for kind in ("ok", "replicating", "stuck"))
        return RuleStatus(state, f"{rule['state']}: {rule['locks_ok_cnt']} of {total} files")

    def _why_stuck(self, rule: Mapping[str, Any]) -> str:
        """Put together what Rucio says of a stuck rule and of its last transfers."""
        told = self._client.examine_replication_rule(rule["id"])
        reasons = [rule["error"] or told.get("rule_error") or ""]
        reasons += [
            f"{transfer['name']}: {transfer['last_error']} from {transfer['last_source']}"
            for transfer in told.get("transfers", ())
        ]
        return "; ".join(filter(None, reasons))[:1000] or "Rucio gives no reason"


def _is_dropped(rule: Mapping[str, Any]) -> bool:
    """Say whether a rule was ended a moment ago, and Rucio only has not come to it."""
    soon = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(minutes=1)
    return rule["expires_at"] is not None and bool(rule["expires_at"] <= soon)


def _name(did: Did) -> dict[str, str]:
    return {"scope": did.scope, "name": str(did.name)}


def _files(entry: CatalogEntry) -> list[dict[str, Any]]:
    return [_file(file) for file in entry.files]


def _file(file: CatalogFile) -> dict[str, Any]:
    row = {**_name(file.did), "bytes": file.digest.size_bytes, "adler32": file.digest.adler32}
    return {**row, "meta": dict(file.metadata)} if file.metadata else row


def _check_same(entry: CatalogEntry, known: Mapping[Did, Mapping[str, Any]]) -> None:
    """Refuse an entry whose files, or whose closed dataset, Rucio knows with other bytes."""
    files = _files(entry)
    for file in files:
        row = known.get(Did(file["scope"], SafeName(file["name"])))
        if row and (row["bytes"], row["adler32"]) != (file["bytes"], file["adler32"]):
            raise ConflictingDuplicate.for_file(
                f"{file['scope']}:{file['name']}",
                f"{row['adler32']} ({row['bytes']} bytes)",
                f"{file['adler32']} ({file['bytes']} bytes)",
            )
    dataset = known.get(entry.dataset)
    size_bytes = sum(file["bytes"] for file in files)
    if dataset and dataset["is_open"] is False and dataset["bytes"] != size_bytes:
        raise ConflictingDuplicate.for_file(
            str(entry.dataset), f"{dataset['bytes']} bytes", f"{size_bytes} bytes"
        )


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _entry_chunks(entries: Sequence[CatalogEntry]) -> Iterator[list[CatalogEntry]]:
    """Group entries so that their files and datasets are no more than one call takes.

    An entry that is larger than that stands alone; its files are registered in pieces.
    """
    chunk: list[CatalogEntry] = []
    items = 0
    for entry in entries:
        size = len(entry.files) + 1
        if chunk and items + size > ITEMS_AT_ONCE:
            yield chunk
            chunk, items = [], 0
        chunk.append(entry)
        items += size
    if chunk:
        yield chunk


def _attachments(entries: Sequence[CatalogEntry], rse: str) -> Iterator[list[dict[str, Any]]]:
    """Describe the files of entries, as many as one call takes at a time."""
    if len(entries) > 1:
        yield [{**_name(entry.dataset), "dids": _files(entry), "rse": rse} for entry in entries]
        return
    for entry in entries:
        for files in _chunks(_files(entry), ITEMS_AT_ONCE):
            yield [{**_name(entry.dataset), "dids": files, "rse": rse}]
