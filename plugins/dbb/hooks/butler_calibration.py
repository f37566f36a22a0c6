"""Calibrations in a Butler repository: in force at once and as a whole, or not at all."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence

from astropy.time import Time
from lsst.daf.butler import (
    Butler,
    CollectionType,
    DataCoordinate,
    DatasetRef,
    MissingCollectionError,
    Timespan,
)

from dbb.model.calibration import (
    Certification,
    Change,
    Validity,
    certify,
    daily_of,
    order_chain,
    withdraw,
)
from dbb.model.parcel import Parcel

log = logging.getLogger(__name__)


def prepare(butler: Butler, parcel: Parcel) -> None:
    """Register the collections that a parcel is certified into: empty ones change nothing.

    Outside the transaction and in one order, so that two writers do not wait for each other.
    """
    for wanted in sorted(_certifications(parcel), key=lambda each: each.collection):
        butler.collections.register(wanted.collection, CollectionType.CALIBRATION)
        butler.collections.register(wanted.chain, CollectionType.CHAINED)


def certify_parcel(butler: Butler, parcel: Parcel) -> None:
    """Put the calibrations of a parcel in force, within the caller's transaction.

    Raises
    ------
    ValidityOverlap
        If another one is in force from the same moment on.
    """
    for wanted in sorted(_certifications(parcel), key=lambda each: each.collection):
        ids = [
            uuid.UUID(ref["id"])
            for file in parcel.files
            if Certification.of(file.labels) == wanted
            for ref in file.refs
        ]
        refs = [ref for one in ids if (ref := butler.get_dataset(one)) is not None]
        begin = wanted.begin_tai.isoformat()
        change = certify(
            read_validities(butler, wanted.collection, {ref.datasetType.name for ref in refs}),
            [_validity(ref, begin, "") for ref in refs],
        )
        _apply(butler, wanted.collection, change)
        children = read_chain(butler, wanted.chain)
        daily = daily_of(parcel.instrument)
        ordered = order_chain(children, wanted.collection, daily)
        if ordered != children:
            butler.collections.redefine_chain(wanted.chain, ordered)
        log.info(
            "action=certify unit=%s collection=%s begin=%s datasets=%d",
            parcel.unit, wanted.collection, begin, len(refs),
        )  # fmt: skip


def decertify(butler: Butler, collection: str, dataset_ids: Sequence[str]) -> int:
    """Take calibrations out of force in one transaction; give how many were."""
    with butler.transaction():
        known = read_validities(butler, collection)
        _apply(butler, collection, withdraw(known, dataset_ids))
    number = sum(each.dataset_id in set(dataset_ids) for each in known)
    log.info("action=decertify collection=%s datasets=%d", collection, number)
    return number


def read_validities(
    butler: Butler, collection: str, dataset_types: Iterable[str] | None = None
) -> list[Validity]:
    """List the validity ranges of a CALIBRATION collection, of some dataset types or of all."""
    try:
        info = butler.collections.get_info(collection, include_summary=True)
    except MissingCollectionError:
        return []
    wanted = set(info.dataset_types or ())
    if dataset_types is not None:
        wanted &= set(dataset_types)
    return sorted(
        _validity(found.ref, _text(found.timespan.begin), _text(found.timespan.end))
        for name in wanted
        for found in butler.registry.queryDatasetAssociations(
            name, collections=[collection], collectionTypes=[CollectionType.CALIBRATION]
        )
        if found.timespan is not None
    )


def read_chain(butler: Butler, name: str) -> list[str]:
    """List the collections of a CHAINED one; none where there is no such one."""
    try:
        return list(butler.collections.get_info(name).children)
    except MissingCollectionError:
        return []


def locate(butler: Butler, dataset_ids: Sequence[str]) -> dict[str, str]:
    """Give the URL of each dataset's file; those that are not there are left out."""
    refs = [ref for one in dataset_ids if (ref := butler.get_dataset(uuid.UUID(one))) is not None]
    return {
        str(ref.id): str(place.primaryURI)
        for ref, place in butler.get_many_uris(refs, allow_missing=True).items()
        if place.primaryURI is not None
    }


def _apply(butler: Butler, collection: str, change: Change) -> None:
    """Replace validity ranges; ranges that are alike share a call."""
    gone: dict[tuple[str, str, str], list[DataCoordinate]] = defaultdict(list)
    new: dict[tuple[str, str], list[DatasetRef]] = defaultdict(list)
    for each in change.gone:
        ref = butler.get_dataset(uuid.UUID(each.dataset_id))
        if ref is not None:
            gone[each.dataset_type, each.begin_tai, each.end_tai].append(ref.dataId)
    for each in change.new:
        ref = butler.get_dataset(uuid.UUID(each.dataset_id))
        if ref is not None:
            new[each.begin_tai, each.end_tai].append(ref)
    for (name, begin, end), data_ids in sorted(gone.items(), key=lambda item: item[0]):
        span = Timespan(_time(begin), _time(end))
        butler.registry.decertify(collection, name, span, dataIds=data_ids)
    for (begin, end), refs in sorted(new.items(), key=lambda item: item[0]):
        butler.registry.certify(collection, refs, Timespan(_time(begin), _time(end)))


def _certifications(parcel: Parcel) -> set[Certification]:
    found = (Certification.of(file.labels) for file in parcel.files)
    return {each for each in found if each is not None}


def _validity(ref: DatasetRef, begin: str, end: str) -> Validity:
    data_id = tuple(sorted((key, str(value)) for key, value in ref.dataId.required.items()))
    return Validity(ref.datasetType.name, data_id, begin, end, str(ref.id))


def _time(text: str) -> Time | None:
    return Time(text, format="isot", scale="tai") if text else None


def _text(time: Time | None) -> str:
    """Write a time as ``datetime.isoformat`` does, to the microsecond."""
    if time is None:
        return ""
    rounded = Time(time.tai, precision=6).isot
    return dt.datetime.fromisoformat(rounded).isoformat()
