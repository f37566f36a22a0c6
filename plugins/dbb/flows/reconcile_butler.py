"""Butler against the ledger and the manifests: datasets lacking, from elsewhere, or nobody's."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dbb.flows.butler_look import ButlerLook, Claim
from dbb.flows.reconcile_night import Night
from dbb.flows.reconcile_views import UNTOLD, Scan, Served
from dbb.flows.uuid_sets import diff_uuids
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.finding import Discrepancy
from dbb.model.kind import Kind


def judge_butler(night: Night, endpoint: str, look: ButlerLook, scan: Scan) -> None:
    """Compare what a Butler has with what is published at its endpoint."""
    for unit, claim in look.claims.items():
        there = look.group_of(claim)
        is_whole = there is not None and there == claim.expected
        is_there = there is not None or unit in look.moved
        _judge(night, endpoint, unit, scan, _Found(is_whole, is_there, look, claim))
    for unit, (wanted, places) in look.parcels.items():
        _judge(
            night, endpoint, unit, scan, _Found(wanted == places, any(places.values()), look, None)
        )
    for unit, row in night.sealed.items():
        should_have = night.should_have(night.delivery(unit, endpoint))
        if row.kind == Kind.RAW or not should_have or not night.is_quiet(unit, endpoint):
            continue
        if night.document(row, endpoint) is None:
            scan.see(unit, Discrepancy.MANIFEST_UNREADABLE)
    _judge_dark(night, look, scan)


@dataclass(frozen=True)
class _Found:
    """Say what of a unit is there: all of it, some of it; ``claim`` is None for a parcel."""

    is_whole: bool
    is_there: bool
    look: ButlerLook
    claim: Claim | None


def _judge(night: Night, endpoint: str, unit: str, scan: Scan, found: _Found) -> None:
    delivery = night.delivery(unit, endpoint)
    if unit not in night.sealed or not night.is_quiet(unit, endpoint):
        scan.unsettled.add(unit)
    elif delivery is not None and delivery.state is State.PUBLISHED:
        if not found.is_whole:
            _see_incomplete(unit, scan, found)
    elif delivery is not None and delivery.state is State.REGISTERED:
        if not night.has_rested(delivery, UNTOLD):
            scan.unsettled.add(unit)
        elif found.is_whole:
            scan.see(unit, Discrepancy.PUBLICATION_UNTOLD)
    elif found.is_there:
        if night.has_rested(delivery) and (delivery is not None or night.is_decided(unit)):
            state = "none" if delivery is None else str(delivery.state)
            scan.see(unit, Discrepancy.BUTLER_UNPUBLISHED, ledger=state)
        else:
            scan.unsettled.add(unit)


def _see_incomplete(unit: str, scan: Scan, found: _Found) -> None:
    """Name the one reason why a published unit is not served as its manifest says."""
    look, claim = found.look, found.claim
    if claim is None:
        _see_first(unit, scan, *look.parcels[unit])
    elif unit in look.moved:
        scan.see(unit, Discrepancy.BUTLER_ELSEWHERE, files=[look.moved[unit]], number=1)
    elif claim.place not in look.datasets:  # nothing of the exposure is there
        number = 0 if claim.expected is None else claim.expected.count
        scan.see(unit, Discrepancy.BUTLER_LACKS, number=number, of=number)
    elif (named := look.named.get(unit)) is None:
        scan.see(unit, Discrepancy.MANIFEST_UNREADABLE)
    else:
        _see_exposure(unit, scan, claim, named, look.datasets[claim.place])


def _see_exposure(
    unit: str, scan: Scan, claim: Claim, named: set[bytes], rows: Sequence[Served]
) -> None:
    wanted = dict.fromkeys(named, claim.url)
    places = {each.dataset_id: each.file for each in rows if each.dataset_id in named}
    mine = [each.dataset_id for each in rows if each.file == claim.url]
    strangers = [key for key in mine if key not in named]
    if places == wanted and strangers:
        scan.see(unit, Discrepancy.BUTLER_DARK, **_evidence(strangers, len(rows)))
    else:
        _see_first(unit, scan, wanted, places)


def _see_first(
    unit: str, scan: Scan, wanted: Mapping[bytes, str], places: Mapping[bytes, str]
) -> None:
    elsewhere = sorted({file for key, file in places.items() if file not in ("", wanted[key])})
    unstored = [key for key, file in places.items() if not file]
    lacking = _lacking(wanted, places)
    if elsewhere:
        scan.see(unit, Discrepancy.BUTLER_ELSEWHERE, files=elsewhere[:5], number=len(elsewhere))
    elif unstored:
        scan.see(unit, Discrepancy.BUTLER_UNSTORED, **_evidence(unstored, len(wanted)))
    elif lacking:
        scan.see(unit, Discrepancy.BUTLER_LACKS, **_evidence(lacking, len(wanted)))


def _lacking(wanted: Iterable[bytes], places: Iterable[bytes]) -> list[bytes]:
    difference = diff_uuids(((key, 0) for key in wanted), ((key, 0) for key in places))
    return [key for key, _ in difference.only_left]


def _evidence(keys: list[bytes], of: int) -> dict[str, object]:
    shown = [str(uuid.UUID(bytes=key)) for key in sorted(keys)[:5]]
    return {"datasets": shown, "number": len(keys), "of": of}


def _judge_dark(night: Night, look: ButlerLook, scan: Scan) -> None:
    """Find groups that belong to no unit: neither by their file nor by their identifiers."""
    by_exposure: dict[tuple[str, int], list[str]] = defaultdict(list)
    for unit, claim in look.claims.items():
        by_exposure[claim.place].append(unit)
    arriving = {
        (row.instrument, Unit.parse(unit).obs_id.exposure_id)
        for unit, row in night.known.items()
        if row.kind == Kind.RAW and unit not in look.claims
    }
    for instrument, exposure, file in sorted(look.foreign):
        subject = file or f"{instrument} exposure {exposure}"
        units = by_exposure[instrument, exposure]
        named = [look.named.get(unit) for unit in units]
        if (instrument, exposure) in arriving or any(each is None for each in named):
            scan.unsettled.add(subject)
            continue
        ours = {key for each in named if each for key in each}
        rows = look.datasets.get((instrument, exposure), [])
        strangers = [
            each.dataset_id for each in rows if each.file == file and each.dataset_id not in ours
        ]
        if strangers:
            scan.see(subject, Discrepancy.BUTLER_DARK, **_evidence(strangers, len(rows)))
