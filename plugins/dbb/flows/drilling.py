"""The drill of a burnt place: wipe a scratch endpoint, and rebuild it from peers and manifests alone.

Neither the ledger nor Rucio is asked. The peers' stores name the units by their manifests; what most peers have is
believed, and every file is compared with its manifest while it is copied: where one peer's copy is bad, the next
peer's is taken. The registry is made anew from what the manifests say. Then every byte is read back from the disk,
every dataset asked for, and one of each unit is read through Butler.

Only a place whose file says ``role: scratch`` is ever wiped, whose store and repository lie apart from every other
one, and which holds nothing but what a drill has laid there: a mark in each says so.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbb.errors import DrillFailed, NotScratch
from dbb.flows.backbone import Backbone
from dbb.flows.restoring import Restoring, ScratchRepository
from dbb.model.drill import Drill, DrillKind
from dbb.model.endpoint import Endpoint, Role
from dbb.ports.store import Store

log = logging.getLogger(__name__)

MARK = "dbb-scratch.json"
"""Lies at the root of a scratch store: what else lies there may be wiped."""


@dataclass
class Scratch:
    """Hold the place that is wiped.

    Parameters
    ----------
    endpoint
        Its description.
    store, repository
        Its ports.
    """

    endpoint: Endpoint
    store: Store
    repository: ScratchRepository


def check_scratch(endpoint: Endpoint, mine: Sequence[str], others: Mapping[str, str]) -> None:
    """Refuse a place that is not declared as scratch, or lies where another one does.

    Parameters
    ----------
    endpoint
        The place.
    mine
        The roots of its store and repository: URLs or folders.
    others
        By root, to whom it belongs.

    Raises
    ------
    NotScratch
        If it may not be wiped.
    """
    if endpoint.role is not Role.SCRATCH:
        raise NotScratch.for_endpoint(endpoint.name, f"its role is {endpoint.role}")
    taken = {_place(root): owner for root, owner in others.items()}
    for root in mine:
        here = _place(root)
        for there, owner in taken.items():
            if here.startswith(there) or there.startswith(here):
                raise NotScratch.for_endpoint(endpoint.name, f"{root} is where {owner} is")
        taken[here] = f"its own {root}"


def _place(root: str) -> str:
    """Spell a folder or URL in one way, without the connection that an S3 address may name."""
    plain = re.sub(r"^s3://[^/@]*@", "s3://", root.removeprefix("file://"))
    return f"{plain.rstrip('/')}/"


def drill_endpoint(
    backbone: Backbone,
    scratch: Scratch,
    peers: Sequence[str],
    first_day: int = 0,
    last_day: int = 99991231,
) -> Drill:
    """Wipe a scratch endpoint and rebuild it; the outcome names all that did not come back right.

    Parameters
    ----------
    backbone
        The peers' stores and the clock; nothing is changed at any of them.
    scratch
        What is wiped.
    peers
        Endpoints to rebuild from, the best first.
    first_day, last_day
        The nights that are brought back; all where they are left out.

    Raises
    ------
    NotScratch
        If the place holds what no drill has laid there. Nothing is wiped then.
    """
    started_at, began_s = backbone.clock.now(), time.monotonic()
    _wipe(scratch)
    done = Restoring(
        backbone, scratch.store, scratch.repository, peers, (first_day, last_day)
    ).run()
    drill = Drill(
        kind=DrillKind.ENDPOINT,
        subject=scratch.endpoint.name,
        started_at=started_at,
        ended_at=backbone.clock.now(),
        units=done.units,
        files=done.files,
        size_bytes=done.size_bytes,
        seconds=time.monotonic() - began_s,
        wrong=tuple(f"{what}: {why}" for what, why in sorted(done.wrong.items())),
    )
    log.info(
        "action=drill endpoint=%s units=%d files=%d bytes=%d seconds=%.1f wrong=%d",
        drill.subject, drill.units, drill.files, drill.size_bytes, drill.seconds, len(drill.wrong),
    )  # fmt: skip
    return drill


def check_passed(drill: Drill) -> None:
    """Be loud about a drill in which not everything came back.

    Raises
    ------
    DrillFailed
        If so.
    """
    if not drill.is_passed:
        raise DrillFailed.for_drill(f"{drill.kind} {drill.subject}", drill.units, drill.wrong)


def _wipe(scratch: Scratch) -> None:
    store = scratch.store
    if store.stat(MARK) is None and next(store.list_files(""), None) is not None:
        raise NotScratch.for_endpoint(
            scratch.endpoint.name, f"{store.url} holds files and no {MARK}"
        )
    with store.create(MARK) as writer:  # first: a killed drill may be repeated
        writer.write(b'{"schema":"dbb-scratch/1"}\n')
    scratch.repository.wipe()
    store.delete([file.name for file in store.list_files("") if file.name != MARK])
