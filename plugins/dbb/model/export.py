"""An export: what was asked for, and each dataset that it pins."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from dbb.errors import BadDocument
from dbb.model import strict_json

SCHEMA = "dbb-export/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", re.ASCII)
_LIST = {"collections", "dataset_types", "ids", "data_ids"}


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """Say which datasets are wanted, where from, and for whom.

    Parameters
    ----------
    name
        The export's name, unique in the ledger; also its folder's.
    endpoint
        Whose Butler is asked, and whose files are taken.
    collections
        Where Butler looks, in order.
    dataset_types
        Names of dataset types; more than one may be given.
    where
        An expression of Butler's query language; empty for everything.
    bind
        Values of the names in ``where``.
    ids
        UUIDs that are wanted by name, whatever ``where`` says.
    data_ids
        Data ids that are wanted by name, each of every dataset type.
    find_first
        Whether only the first collection that has a data id counts.
    owner, title, licence
        Who answers for it, what it is, and under which terms (an SPDX name or URL).
    ends_on
        The day after which nobody needs it; empty for none.
    since
        An ISO 8601 time, UTC where it has no zone: only what the endpoint serves since then; empty for everything.
    since_export
        Name of an earlier export: only what it does not have; empty for everything.
    """

    name: str
    endpoint: str
    collections: tuple[str, ...]
    dataset_types: tuple[str, ...]
    where: str = ""
    bind: Mapping[str, Any] = field(default_factory=dict, hash=False)
    ids: tuple[str, ...] = ()
    data_ids: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    find_first: bool = False
    owner: str = ""
    title: str = ""
    licence: str = ""
    ends_on: str = ""
    since: str = ""
    since_export: str = ""

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """Read an order.

        Raises
        ------
        BadDocument
            If a field is unknown, missing or of the wrong shape.
        """
        try:
            values: dict[str, Any] = {
                key: tuple(fields[key]) if key in _LIST else fields[key] for key in fields
            }
            order = cls(**values)
            for one in order.ids:
                uuid.UUID(one)
            if order.ends_on:
                dt.date.fromisoformat(order.ends_on)
            if order.since:
                dt.datetime.fromisoformat(order.since)
            json.dumps(order.to_json(), allow_nan=False)
        except (TypeError, ValueError, AttributeError) as error:
            raise BadDocument.for_document("export order", str(error)[:200]) from None
        if why := order._fault():
            raise BadDocument.for_document("export order", why)
        return order

    def _fault(self) -> str:
        if not _NAME.fullmatch(self.name):
            return f"its name {self.name[:40]!a} is not plain"
        if not self.collections or not self.dataset_types:
            return "it names no collection or no dataset type"
        if not all(
            isinstance(each, str) and each for each in (*self.collections, *self.dataset_types)
        ):
            return "a name is no text"
        if not all(isinstance(each, Mapping) and each for each in self.data_ids):
            return "a data id is no object"
        if self.since_export and not _NAME.fullmatch(self.since_export):
            return f"the earlier export's name {self.since_export[:40]!a} is not plain"
        return "" if self.owner else "nobody answers for it (owner)"

    def to_json(self) -> dict[str, Any]:
        """Give the order as it stands in documents; one without an earlier one does not speak of it."""
        fields = asdict(self)
        for name in ("since", "since_export"):
            if not fields[name]:
                del fields[name]
        return {
            **fields,
            "collections": list(self.collections),
            "dataset_types": list(self.dataset_types),
            "ids": list(self.ids),
            "data_ids": [dict(each) for each in self.data_ids],
        }

    @property
    def since_time(self) -> dt.datetime:
        """Give the moment since which datasets are wanted; without a zone it is UTC."""
        time = dt.datetime.fromisoformat(self.since)
        return time if time.tzinfo else time.replace(tzinfo=dt.UTC)

    @property
    def sha256(self) -> str:
        """Give the order's identity: the same words are the same order."""
        return hashlib.sha256(strict_json.canonical(self.to_json())).hexdigest()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Name one dataset that a repository has: its UUID, what it is, and where its bytes lie.

    ``url`` has a ``#zip-path=`` where it is a member of a zip; it is empty where nothing is stored.
    """

    dataset_id: str
    dataset_type: str
    run: str
    data_id: Mapping[str, Any] = field(hash=False)
    url: str = ""


@dataclass(frozen=True, slots=True)
class Pinned:
    """Pin one dataset: its UUID, the identity of its bytes, and where they go in the bag.

    Parameters
    ----------
    dataset_id, dataset_type, run, data_id
        What it is.
    path
        Where it lies in the bag.
    size_bytes, sha256
        Identity of its bytes (of the member, where it comes from a zip).
    unit, manifest_sha256
        The unit that it belongs to, and that unit's manifest: the proof of the identity.
    stored_name, member
        Where it lies in an endpoint's store.
    """

    dataset_id: str
    dataset_type: str
    run: str
    data_id: Mapping[str, Any] = field(hash=False)
    path: str
    size_bytes: int
    sha256: str
    unit: str
    manifest_sha256: str
    stored_name: str
    member: str = ""

    def to_line(self) -> bytes:
        """Give the dataset as a line of ``snapshot.jsonl``."""
        return json.dumps(self._fields(), separators=(",", ":"), sort_keys=True).encode() + b"\n"

    def _fields(self) -> dict[str, Any]:
        return {
            "id": self.dataset_id,
            "dataset_type": self.dataset_type,
            "run": self.run,
            "data_id": dict(self.data_id),
            "path": self.path,
            "bytes": self.size_bytes,
            "sha256": self.sha256,
            "unit": self.unit,
            "manifest_sha256": self.manifest_sha256,
            "stored_name": self.stored_name,
            "member": self.member,
        }

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read a line of ``snapshot.jsonl``.

        Raises
        ------
        BadDocument
            If it is none.
        """
        try:
            row = json.loads(line)
            return cls(
                row["id"], row["dataset_type"], row["run"], row["data_id"], row["path"], row["bytes"],
                row["sha256"], row["unit"], row["manifest_sha256"], row["stored_name"], row["member"],
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise BadDocument.for_document("snapshot.jsonl", repr(error)[:200]) from None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Name something that is wanted and cannot go out, and say why."""

    what: str
    why: str

    def to_json(self) -> dict[str, str]:
        """Give it as it stands in documents."""
        return {"what": self.what, "why": self.why}
