"""Addresses with which others can read the files of a unit for a while: users, or a loader."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from dbb.errors import Damaged, NoReadUrl, UnknownItem
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, read_document, stored_name
from dbb.model.delivery import State
from dbb.model.names import Did
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

_VERIFIED = (State.VERIFIED, State.REGISTERED, State.PUBLISHED)


@dataclass(frozen=True, slots=True)
class ReadUrl:
    """Hold one address: the file, the endpoint that answers it, and the URL."""

    did: Did
    endpoint: str
    url: str


def sign_urls(backbone: Backbone, rows: Sequence[UnitRow], valid_s: int) -> list[ReadUrl]:
    """Sign an address for each file of units, at one endpoint that has verified it.

    Endpoints are asked in the order of their names; a copy that turns out to be gone, or a store
    that has no addresses to give, costs a look at the next one.

    Raises
    ------
    UnknownItem
        If no copy of a unit is verified anywhere.
    NoReadUrl
        If no endpoint that has a unit gives addresses.
    """
    return [url for row in rows for url in _urls_of(backbone, row, valid_s)]


def _urls_of(backbone: Backbone, row: UnitRow, valid_s: int) -> list[ReadUrl]:
    deliveries = backbone.ledger.deliveries([row.unit])
    places = sorted(place for (_, place), item in deliveries.items() if item.state in _VERIFIED)
    if not places:
        raise UnknownItem.for_name("verified copy", row.unit)
    refusals: list[NoReadUrl | Damaged] = []
    for place in places:
        try:
            return _urls_at(backbone, row, place, valid_s)
        except (NoReadUrl, Damaged) as error:
            log.info("action=sign-urls unit=%s endpoint=%s reason=%s", row.unit, place, error.code)
            refusals.append(error)
    raise next((error for error in refusals if isinstance(error, NoReadUrl)), refusals[0])


def _urls_at(backbone: Backbone, row: UnitRow, place: str, valid_s: int) -> list[ReadUrl]:
    store = backbone.store(place)
    files = Cargo(row, read_document(backbone, row, place)).files
    return [
        ReadUrl(file.did, place, store.read_url(stored_name(file.did), valid_s)) for file in files
    ]
