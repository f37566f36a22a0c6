"""Which releases are wholly at an endpoint, so that they can be handed over to its Qserv.

Parcels come one by one, in any order. What tells that a release is whole is its list, which its
producer sends last: every parcel that it names must be published at the endpoint with the manifest that
it names, and nothing else of the release may be there. Before that nothing is begun; a handoff that
was begun once, by whomever, is never begun again from here.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dbb.digests import digest_bytes
from dbb.errors import (
    BadDocument,
    BrokenContract,
    CatalogUnfit,
    Damaged,
    DigestMismatch,
    Misconfigured,
)
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, read_document, stored_name
from dbb.flows.qserv_inputs import Delivered, find_inputs
from dbb.flows.qserv_views import Records
from dbb.flows.refusing import refuse_unit
from dbb.model.delivery import State
from dbb.model.qserv import Overlay
from dbb.model.release_list import LEAF, MAX_BYTES, ReleaseList, release_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Release:
    """Say how a release stands at an endpoint.

    ``reason`` is empty if its handoff is to be begun; ``list_sha256`` names the list's bytes.
    """

    endpoint: str
    release: str
    reason: str
    list_sha256: str = ""

    @property
    def is_due(self) -> bool:
        """Tell whether the handoff is to be begun."""
        return not self.reason

    @property
    def run_id(self) -> str:
        """Name the run that hands it over: the same for the same list at the same endpoint."""
        return f"delivered__{self.release}.{self.endpoint}.{self.list_sha256[:12]}"


def look_for_releases(
    backbone: Backbone,
    records: Records,
    endpoints: Sequence[str],
    overlay_of: Callable[[str], Overlay],
) -> list[Release]:
    """Say of each release that has a list at one of the endpoints whether its handoff is due.

    Parameters
    ----------
    backbone, records
        What is delivered where; which handoffs were begun.
    endpoints
        Those that have a Qserv.
    overlay_of
        Reads what this installation knows of a release; ``Misconfigured`` where it knows nothing.
    """
    found = []
    for endpoint in endpoints:
        lists: dict[str, list[str]] = {}
        for unit in records.release_lists(endpoint):
            if release := release_of(unit):
                lists.setdefault(release, []).append(unit)
        for release, units in sorted(lists.items()):
            found.append(_look(backbone, records, endpoint, release, units, overlay_of))
            log.info(
                "action=look-for-releases endpoint=%s release=%s reason=%s",
                endpoint, release, found[-1].reason or "due",
            )  # fmt: skip
    return found


def list_release(backbone: Backbone, endpoint: str, overlay: Overlay) -> ReleaseList:
    """List the parcels that have files of a release at an endpoint, for its producer to look over and send.

    Raises
    ------
    CatalogUnfit
        If there are none.
    """
    units = sorted({each.unit for each in find_inputs(backbone, endpoint, overlay)})
    if not units:
        raise CatalogUnfit.for_problems(endpoint, ["no Parquet of the release is published there"])
    rows = backbone.ledger.units(units)
    return ReleaseList(overlay.release, {unit: rows[unit].manifest_sha256 for unit in units})


def what_is_missing(
    backbone: Backbone, endpoint: str, told: ReleaseList, found: Sequence[Delivered]
) -> str:
    """Say what keeps a release from being whole at an endpoint; empty if it is.

    Parameters
    ----------
    backbone, endpoint
        Where it is to be.
    told
        Its list.
    found
        All files of the release that are published there.
    """
    names = sorted(told.parcels)
    rows = backbone.ledger.units(names)
    deliveries = backbone.ledger.deliveries(names)
    absent = [
        unit
        for unit in names
        if (delivery := deliveries.get((unit, endpoint))) is None
        or delivery.state is not State.PUBLISHED
    ]
    if absent:
        return f"{len(absent)} of {len(names)} parcels are not published there: {absent[0]}"
    others = [unit for unit in names if rows[unit].manifest_sha256 != told.parcels[unit]]
    if others:
        return f"{len(others)} parcels have another manifest than the list says: {others[0]}"
    of_release = {each.unit for each in found}
    strange = sorted(of_release - told.parcels.keys())
    if strange:
        return f"{len(strange)} parcels of the release are not on its list: {strange[0]}"
    idle = sorted(told.parcels.keys() - of_release)
    if idle:
        return f"{len(idle)} parcels on the list have no file of a known table: {idle[0]}"
    return ""


def _look(
    backbone: Backbone,
    records: Records,
    endpoint: str,
    release: str,
    units: Sequence[str],
    overlay_of: Callable[[str], Overlay],
) -> Release:
    begun = records.find(release, endpoint)
    if begun is not None:
        return Release(endpoint, release, f"its handoff was begun and is {begun.stage}")
    if len(units) > 1:
        return Release(endpoint, release, f"it has {len(units)} lists: {', '.join(units)}")
    (unit,) = units
    try:
        told, sha256 = _read_list(backbone, unit, endpoint)
        if told.release != release:
            raise BadDocument.for_document(unit, f"it is the list of {told.release}")
        overlay = overlay_of(release)
        reason = what_is_missing(
            backbone, endpoint, told, list(find_inputs(backbone, endpoint, overlay))
        )
    except (BrokenContract, Damaged) as error:
        row = backbone.ledger.units([unit])[unit]
        refuse_unit(backbone, unit, row.day_obs, endpoint, error)
        return Release(endpoint, release, f"{error.code}: {error.message}")
    except (
        Misconfigured
    ) as error:  # this installation does not know the release: the list is none the worse
        return Release(endpoint, release, f"{error.code}: {error.message}")
    return Release(endpoint, release, reason, sha256)


def _read_list(backbone: Backbone, unit: str, endpoint: str) -> tuple[ReleaseList, str]:
    """Read the one list that a parcel brings, and compare its bytes with the manifest."""
    row = backbone.ledger.units([unit])[unit]
    contents = Cargo(row, read_document(backbone, row, endpoint)).contents
    files = [file for file in contents if str(file.did.name).rpartition("/")[2] == LEAF]
    if len(files) != 1:
        raise BadDocument.for_document(unit, f"it brings {len(files)} files {LEAF}")
    (file,) = files
    store = backbone.store(endpoint)
    name = stored_name(file.did)
    with store.open(name, cold=True) as stream:
        data = stream.read(MAX_BYTES + 1)
    if not digest_bytes(data).same_bytes(file.digest):
        found = hashlib.sha256(data).hexdigest()
        raise DigestMismatch.for_copy(store.url_of(name), file.digest.sha256, found)
    return ReleaseList.parse(data, str(file.did)), file.digest.sha256
