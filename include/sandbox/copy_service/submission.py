"""Parse a submitted job once, strictly; what follows trusts it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from sandbox.copy_service.digest import parse_checksum
from sandbox.copy_service.errors import Refused
from sandbox.copy_service.guard import Guard
from sandbox.copy_service.states import Kind

VERIFY = ("both", "target", "source", "none")
DEFAULT_PRIORITY = 3

# Clients compute the identifier of a job they name themselves from this (``GET /whoami``).
BASE_ID = uuid.UUID("5b6f5f0a-6d0c-5d3c-9f0e-2d6b4a1c7e11")
VO = "dbb"


@dataclass(frozen=True, slots=True)
class NewFile:
    """Hold one source and one destination."""

    source: str
    destination: str
    metadata: dict[str, Any]
    filesize: int | None
    checksum: str | None
    activity: str
    link: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """Hold a job that was accepted: its files in the order in which they are to be tried."""

    job_id: str
    kind: Kind
    priority: int
    verify: str
    overwrite: bool
    params: dict[str, Any]
    files: tuple[NewFile, ...]


def parse_job(body: bytes, guard: Guard) -> NewJob:
    """Parse ``POST /jobs``; anything outside the allowed prefixes refuses the whole job."""
    document = _document(body)
    params = document.get("params") or {}
    transfers = document.get("files")
    if not isinstance(transfers, list) or not transfers or not isinstance(params, dict):
        raise Refused(400, "a job needs a non-empty list `files` and an object `params`")
    verify = params.get("verify_checksum") or "none"
    # Older clients send a boolean.
    verify = {"True": "both", "False": "none"}.get(str(verify), verify)
    if verify not in VERIFY:
        raise Refused(400, f"verify_checksum {verify!r} is not one of {', '.join(VERIFY)}")
    files = tuple(file for t in transfers for file in _files(t, guard))
    return NewJob(
        job_id=_job_id(params),
        kind=_kind(params, transfers),
        priority=parse_priority(params.get("priority", DEFAULT_PRIORITY)),
        verify=verify,
        overwrite=bool(params.get("overwrite", False)),
        params=params,
        files=files,
    )


def parse_priority(value: Any) -> int:
    """Parse a priority, 1 (last) to 5 (first)."""
    try:
        return min(5, max(1, int(value)))
    except (TypeError, ValueError) as error:
        raise Refused(400, f"priority {value!r} is not a number from 1 to 5") from error


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Refused(400, f"not a JSON document: {error}") from error
    if not isinstance(document, dict):
        raise Refused(400, "not a JSON object")
    return document


def _kind(params: dict[str, Any], transfers: list[dict[str, Any]]) -> Kind:
    several = [len(t["sources"]) > 1 for t in transfers]
    if params.get("multihop"):
        if any(several):
            raise Refused(400, "a multi-hop job has one source per hop")
        return Kind.HOPS
    if any(several):
        if len(transfers) > 1:
            raise Refused(400, "a job with several sources has one file only")
        return Kind.SOURCES
    return Kind.INDEPENDENT


def _files(transfer: Any, guard: Guard) -> list[NewFile]:
    try:
        sources, destinations = transfer["sources"], transfer["destinations"]
        metadata, filesize = transfer.get("metadata") or {}, transfer.get("filesize")
        if not sources or len(destinations) != 1:
            raise Refused(400, "a file needs at least one source and exactly one destination")
        checksum = transfer.get("checksum")
        parse_checksum(checksum)
        return [
            NewFile(
                source=str(source),
                destination=str(destinations[0]),
                metadata=metadata,
                filesize=None if filesize is None else int(filesize),
                checksum=checksum,
                activity=str(transfer.get("activity") or "default"),
                link=guard.link(str(source), str(destinations[0])),
            )
            for source in sources
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(400, f"a file is not understood: {type(error).__name__}: {error}") from error


def _job_id(params: dict[str, Any]) -> str:
    """Make an identifier; a client that names its job gets the same one at each repetition."""
    if params.get("id_generator") == "deterministic":
        if not params.get("sid"):
            raise Refused(400, "id_generator=deterministic needs a `sid`")
        return str(uuid.uuid5(uuid.uuid5(BASE_ID, VO), str(params["sid"])))
    return str(uuid.uuid4())
