"""Reading copies again from the disk, against their manifests."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dbb.errors import BadManifest, BrokenContract, Damaged, DbbError, MissingCopy, Transient
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import declare_copy_bad, read_document, verify_cargo
from dbb.flows.refusing import refuse_unit
from dbb.model.delivery import Delivery, State
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

SHOULD_HAVE = frozenset(
    {State.VERIFIED, State.REGISTERED, State.PUBLISHED, State.SUSPECT, State.MISSING, State.LOST}
)
"""States in which an endpoint has, or ought to have, a copy that can be read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what one reading found; ``error`` is None where the copy is right."""

    unit: str
    endpoint: str
    state: State
    size_bytes: int
    error: DbbError | None

    def to_json(self) -> dict[str, Any]:
        """Give the reading as it stands in a document."""
        return {
            "unit": self.unit,
            "endpoint": self.endpoint,
            "state": str(self.state),
            "bytes": self.size_bytes,
            "result": "right" if self.error is None else self.error.code,
            "reason": "" if self.error is None else self.error.message,
        }


def verify_units(
    backbone: Backbone,
    rows: Iterable[UnitRow],
    endpoints: Sequence[str],
    *,
    record: bool = False,
    at_once: int = 1,
) -> Iterator[Reading]:
    """Re-read bundles and manifests cold, and tell in their order what was found.

    Parameters
    ----------
    backbone
        The ports.
    rows
        The units.
    endpoints
        Where to read; only copies that ought to be there are read.
    record
        Whether a bad copy loses its state, so that it is fetched anew. Otherwise nothing changes.
    at_once
        How many copies are read side by side: a disk may be faster than one core sums up.
    """
    for (row, delivery), error in _read_all(backbone, rows, endpoints, at_once):
        log.info(
            "action=verify unit=%s endpoint=%s result=%s",
            row.unit, delivery.endpoint, "right" if error is None else error.code,
        )  # fmt: skip
        if error is not None and record:
            _record(backbone, row, delivery, error)
        yield Reading(row.unit, delivery.endpoint, delivery.state, row.size_bytes, error)


Copy = tuple[UnitRow, Delivery]


def _read_all(
    backbone: Backbone, rows: Iterable[UnitRow], endpoints: Sequence[str], at_once: int
) -> Iterator[tuple[Copy, DbbError | None]]:
    """Read copies, so many ahead of the one that is asked for; only reading is done in threads."""
    copies = find_copies(backbone, rows, endpoints)
    if at_once == 1:
        for row, delivery in copies:
            yield (row, delivery), _read(backbone, row, delivery.endpoint)
        return
    with ThreadPoolExecutor(at_once) as pool:
        begun: deque[tuple[Copy, Future[DbbError | None]]] = deque()
        for copy in copies:
            begun.append((copy, pool.submit(_read, backbone, copy[0], copy[1].endpoint)))
            if len(begun) == at_once:
                first, future = begun.popleft()
                yield first, future.result()
        for last, future in begun:
            yield last, future.result()


def find_copies(
    backbone: Backbone, rows: Iterable[UnitRow], endpoints: Sequence[str]
) -> Iterator[Copy]:
    """Find the copies that ought to be there."""
    for row in rows:
        deliveries = backbone.ledger.deliveries([row.unit])
        for endpoint in endpoints:
            delivery = deliveries.get((row.unit, endpoint))
            if row.manifest_sha256 and delivery is not None and delivery.state in SHOULD_HAVE:
                yield row, delivery


def _read(backbone: Backbone, row: UnitRow, endpoint: str) -> DbbError | None:
    try:
        verify_cargo(backbone, row, endpoint)
    except (Damaged, BadManifest) as error:
        return error
    return None


def stop_serving(backbone: Backbone, row: UnitRow, endpoint: str) -> None:
    """Have an endpoint's Butler serve a unit no more.

    A Butler that does not answer keeps nobody from recording the damage: the reconciler tells of what is
    served and not published.
    """
    for place in dict.fromkeys((endpoint, backbone.policy.archive)):
        try:
            document = read_document(backbone, row, place)
            backbone.repository(endpoint).suspend([document])
        except (Damaged, BrokenContract):
            continue  # its manifest may be what is damaged
        except Transient as error:
            log.warning("action=suspend unit=%s endpoint=%s reason=%s", row.unit, endpoint, error)
        return


def _record(backbone: Backbone, row: UnitRow, delivery: Delivery, error: DbbError) -> None:
    """Take a bad copy out of use: Butler serves it no more; at a receiver, Rucio fetches it anew.

    The file stays as evidence. Butler's registry goes on knowing the datasets, so that tags and validity
    ranges hold when the copy is right again and published.

    The archive's own copy is not declared: it is Rucio's source for all others, and what restores
    it is a person's decision.
    """
    new = State.MISSING if isinstance(error, MissingCopy) else State.SUSPECT
    if delivery.state not in (State.VERIFIED, State.REGISTERED, State.PUBLISHED):
        return
    endpoint = delivery.endpoint
    refuse_unit(backbone, row.unit, row.day_obs, endpoint, error)
    if delivery.state is State.PUBLISHED:
        stop_serving(backbone, row, endpoint)
    if endpoint != backbone.policy.archive:
        declare_copy_bad(backbone, row, endpoint, error)
    backbone.ledger.advance([row.unit], endpoint, delivery.state, new, error.message)
