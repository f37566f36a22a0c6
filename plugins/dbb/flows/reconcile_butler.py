"""Butler against the ledger and the manifests: datasets lacking, from elsewhere, or nobody's.

A unit's datasets are compared by their number and sums. Identifiers are read only of exposures where
these differ.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dbb.flows.cargo import stored_name
from dbb.flows.reconcile_views import REGISTERED, UNTOLD, ButlerNights, Night, Scan, Served
from dbb.flows.uuid_sets import diff_uuids
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.finding import Discrepancy
from dbb.model.fingerprint import Fingerprint, fingerprint_of, image_ids
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.names import Did
from dbb.model.parcel import Parcel
from dbb.ports import UnitRow

UNITS_AT_ONCE = 500
"""Manifests read before their fingerprints are kept: what a killed scan has read is not lost."""


@dataclass(frozen=True)
class _Claim:
    """Hold what one unit should look like in a Butler."""

    row: UnitRow
    exposure: int
    url: str
    expected: Fingerprint | None


@dataclass
class ButlerLook:
    """Hold what a Butler has of a night.

    Parameters
    ----------
    claims
        By unit, what its bundle should look like.
    groups
        By instrument, exposure and file: what is there.
    datasets
        Of exposures where these differ: every dataset.
    named
        Of units of those exposures: the datasets that the manifest names; None if unreadable.
    parcels
        Of parcels: by dataset the file where it should be, and the one where it is.
    """

    claims: dict[str, _Claim] = field(default_factory=dict)
    groups: dict[tuple[str, int, str], Fingerprint] = field(default_factory=dict)
    datasets: dict[tuple[str, int], list[Served]] = field(default_factory=dict)
    named: dict[str, set[bytes] | None] = field(default_factory=dict)
    parcels: dict[str, tuple[dict[bytes, str], dict[bytes, str]]] = field(default_factory=dict)


def know_fingerprints(night: Night) -> dict[str, Fingerprint]:
    """Give the fingerprint of each sealed exposure's datasets; those never seen are computed."""
    raw = {unit: row for unit, row in night.sealed.items() if row.kind == Kind.RAW}
    known = {
        unit: fingerprint
        for unit, (sha256, fingerprint) in night.sources.findings.fingerprints(list(raw)).items()
        if sha256 == raw[unit].manifest_sha256
    }
    new: dict[str, tuple[str, Fingerprint]] = {}
    for unit, row in raw.items():
        document = None if unit in known else night.document(row)
        if isinstance(document, Manifest):
            new[unit] = (row.manifest_sha256, fingerprint_of(document))
        if len(new) == UNITS_AT_ONCE:
            night.sources.findings.note_fingerprints(new)
            known |= {name: fingerprint for name, (_, fingerprint) in new.items()}
            new = {}
    night.sources.findings.note_fingerprints(new)
    return known | {name: fingerprint for name, (_, fingerprint) in new.items()}


def ask_butler(night: Night, endpoint: str, known: Mapping[str, Fingerprint]) -> ButlerLook:
    """Sum up what a Butler has of a night; read identifiers where it differs from the ledger."""
    butler = night.sources.butler(endpoint)
    look = ButlerLook()
    store = night.backbone.store(endpoint)
    for unit, row in night.sealed.items():
        if row.kind == Kind.RAW:
            parsed = Unit.parse(unit)
            url = store.url_of(stored_name(Did(Kind.RAW.scope, parsed.bundle_name)))
            exposure = parsed.obs_id.exposure_id
            look.claims[unit] = _Claim(row, exposure, url, known.get(unit))
    for instrument in sorted(night.backbone.instruments):
        for (exposure, file), found in butler.served(instrument, night.day_obs.value).items():
            look.groups[instrument, exposure, file] = found
    _look_closer(night, endpoint, butler, look)
    _look_at_parcels(night, endpoint, butler, look)
    return look


def _look_closer(night: Night, endpoint: str, butler: ButlerNights, look: ButlerLook) -> None:
    """Read the datasets, and the manifests, of exposures that are not as they should be."""
    claimed = {(claim.row.instrument, claim.exposure, claim.url) for claim in look.claims.values()}
    wrong = {key[:2] for key in look.groups.keys() - claimed}
    for unit, claim in look.claims.items():
        delivery = night.delivery(unit, endpoint)
        is_served = delivery is not None and delivery.state in REGISTERED
        there = look.groups.get((claim.row.instrument, claim.exposure, claim.url))
        if is_served and (there is None or there != claim.expected):
            wrong.add((claim.row.instrument, claim.exposure))
    by_instrument: dict[str, list[int]] = defaultdict(list)
    for instrument, exposure in sorted(wrong):
        by_instrument[instrument].append(exposure)
        look.datasets[instrument, exposure] = []
    for instrument, exposures in by_instrument.items():
        for each in butler.datasets(instrument, exposures):
            look.datasets[instrument, each.exposure].append(each)
    for unit, claim in look.claims.items():
        if (claim.row.instrument, claim.exposure) in wrong:
            document = night.document(claim.row, endpoint)
            look.named[unit] = set(image_ids(document)) if isinstance(document, Manifest) else None


def _look_at_parcels(night: Night, endpoint: str, butler: ButlerNights, look: ButlerLook) -> None:
    store = night.backbone.store(endpoint)
    for unit, row in night.sealed.items():
        document = None if row.kind == Kind.RAW else night.document(row, endpoint)
        if not isinstance(document, Parcel):
            continue
        wanted = {
            uuid.UUID(ref["id"]).bytes: store.url_of(stored_name(Did(document.scope, file.name)))
            for file in document.files
            for ref in file.refs
        }
        if wanted:
            look.parcels[unit] = (wanted, butler.places(sorted(wanted)))


def judge_butler(night: Night, endpoint: str, look: ButlerLook, scan: Scan) -> None:
    """Compare what a Butler has with what is published at its endpoint."""
    for unit, claim in look.claims.items():
        there = look.groups.get((claim.row.instrument, claim.exposure, claim.url))
        is_whole = there is not None and there == claim.expected
        _judge(night, endpoint, unit, scan, _Found(is_whole, there is not None, look, claim))
    for unit, (wanted, places) in look.parcels.items():
        _judge(night, endpoint, unit, scan, _Found(wanted == places, bool(places), look, None))
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
    claim: _Claim | None


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
    if found.claim is None:
        wanted, places = found.look.parcels[unit]
    else:
        named = found.look.named.get(unit)
        if named is None:
            scan.see(unit, Discrepancy.MANIFEST_UNREADABLE)
            return
        key = (found.claim.row.instrument, found.claim.exposure)
        wanted = dict.fromkeys(named, found.claim.url)
        rows = found.look.datasets.get(key, [])
        places = {each.dataset_id: each.file for each in rows if each.dataset_id in wanted}
        strangers = [
            each.dataset_id
            for each in rows
            if each.file == found.claim.url and each.dataset_id not in wanted
        ]
        if places == wanted and strangers:
            scan.see(unit, Discrepancy.BUTLER_DARK, **_evidence(strangers, len(rows)))
            return
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
    files = set()
    for unit, claim in look.claims.items():
        by_exposure[claim.row.instrument, claim.exposure].append(unit)
        files.add((claim.row.instrument, claim.exposure, claim.url))
    arriving = {
        (row.instrument, Unit.parse(unit).obs_id.exposure_id)
        for unit, row in night.known.items()
        if row.kind == Kind.RAW and unit not in look.claims
    }
    for instrument, exposure, file in sorted(look.groups.keys() - files):
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
