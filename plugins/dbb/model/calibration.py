"""The nouns of the daily calibration flow: groups, attempts, validity, and the budget of time."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dbb.errors import ValidityOverlap
from dbb.model import strict_json
from dbb.model.payload import CalibrationKind

N_CAL_EXP_PROC = 25  # nCalExpProc, DMS-DBB-REQ-0013
CAL_PROC_TIME_S = 1200  # calProcTime, DMS-DBB-REQ-0013
BACKBONE_SHARE_S = 300
"""What of it the backbone itself may take; the rest is the payload's."""

GROUP_PATIENCE_S = 900.0
"""How long a sequence may be incomplete after its last exposure, where nothing else is declared."""

SUPERSEDED = "superseded"
"""Code of an attempt that was begun and given up, because another payload was chosen."""

TAI_MINUS_UTC_S = 37


class Step(StrEnum):
    """Name the parts of the budget, in their order."""

    WAIT = "wait"
    """From the end of the last exposure until the group is taken up."""
    GATHER = "gather"
    """Pin the inputs, and judge them."""
    PROCESS = "process"
    """The payload, and the judging of what it made."""
    INGEST = "ingest"
    """From the batch that was laid down to certified at the archive."""
    REPLICATE = "replicate"
    """Until the last copy has come."""
    VERIFY = "verify"
    """Until the last copy is re-read."""
    PUBLISH = "publish"
    """Until it is in force at every endpoint."""


BUDGET_S: Mapping[Step, int] = {
    Step.WAIT: 60,
    Step.GATHER: 40,
    Step.PROCESS: CAL_PROC_TIME_S - BACKBONE_SHARE_S,
    Step.INGEST: 60,
    Step.REPLICATE: 100,
    Step.VERIFY: 20,
    Step.PUBLISH: 20,
}
"""How many seconds each step may take: the one place where that is said."""


class AttemptState(StrEnum):
    """Say how far an attempt is."""

    BEGUN = "begun"
    """It is being made."""
    FILED = "filed"
    """Its products lie at the archive as a parcel, and go the way of every parcel."""
    REFUSED = "refused"
    """Images, products or payload were judged bad; what was in force stays."""
    WITHDRAWN = "withdrawn"
    """It was in force and is no more; its datasets stay retrievable in their RUN collection."""


@dataclass(frozen=True, slots=True)
class CalibrationGroup:
    """Name the exposures of which one set of calibrations is made.

    Parameters
    ----------
    instrument, day_obs, kind, group_name, physical_filter
        What they are; the filter is empty for all but flats.
    units
        The exposures' units, in order.
    end_tai
        When the last of them ended, TAI without a zone.
    begin_tai
        When the first began: from then on the calibration is valid.
    part, parts
        A sequence of more than ``N_CAL_EXP_PROC`` exposures is several groups.
    """

    instrument: str
    day_obs: int
    kind: CalibrationKind
    group_name: str
    physical_filter: str
    units: tuple[str, ...]
    begin_tai: dt.datetime
    end_tai: dt.datetime
    part: int = 1
    parts: int = 1

    @property
    def name(self) -> str:
        """Give the name: ``LSSTCam/20261121/bias-5001`` or, of a split one, ``…-p1of2``."""
        split = f"-p{self.part}of{self.parts}" if self.parts > 1 else ""
        return f"{self.instrument}/{self.day_obs}/{self.kind}-{self.group_name}{split}"

    @property
    def ended_at(self) -> dt.datetime:
        """Tell when acquisition ended, in UTC."""
        utc = self.end_tai - dt.timedelta(seconds=TAI_MINUS_UTC_S)
        return utc.replace(tzinfo=dt.UTC)


def split_evenly(units: Sequence[str], most: int = N_CAL_EXP_PROC) -> list[tuple[str, ...]]:
    """Cut a sequence into the fewest parts of at most ``most``, their sizes one apart at most."""
    parts = -(-len(units) // most)
    bounds = [len(units) * number // parts for number in range(parts + 1)]
    return [tuple(units[low:high]) for low, high in itertools.pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Hold one try to make calibrations of a group.

    Parameters
    ----------
    unit
        Name of the parcel in which its products travel; it names the attempt as well.
    group, campaign, number
        Of what, for which campaign, the how manieth.
    payload, version
        What makes it.
    run
        The RUN collection of its products; no other attempt has it.
    state, accepted
        How far it is; at most one of a group and campaign is accepted.
    code, reason
        Why it was refused or withdrawn.
    begun_at
        When it was taken up.
    parameters
        Of the payload.
    """

    unit: str
    group: str
    campaign: str
    number: int
    payload: str
    version: str
    run: str
    state: AttemptState
    accepted: bool
    code: str
    reason: str
    begun_at: dt.datetime
    parameters: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)


def unit_of(group: CalibrationGroup, campaign: str, number: int) -> str:
    """Name the parcel of an attempt."""
    leaf = group.name.rsplit("/", 1)[1]
    return f"products/{group.day_obs}/calib-{group.instrument}-{leaf}-{campaign}-a{number}"


def run_of(group: CalibrationGroup, campaign: str, number: int) -> str:
    """Name the RUN collection of an attempt, as Rubin names those of ``cp_pipe``."""
    leaf = group.name.rsplit("/", 1)[1].removeprefix(f"{group.kind}-")
    return f"{collection_of(group.instrument, campaign)}/{group.day_obs}/{group.kind}Gen/{leaf}.a{number}"


def collection_of(instrument: str, campaign: str) -> str:
    """Name a campaign's CALIBRATION collection."""
    return f"{daily_of(instrument)}{campaign}"


def daily_of(instrument: str) -> str:
    """Give what the names of all collections begin with that the flow certifies into."""
    return f"{instrument}/calib/daily/"


def chain_of(instrument: str) -> str:
    """Name the CHAINED collection in which users look."""
    return f"{instrument}/calib"


COLLECTION, CHAIN, BEGIN = "calib_collection", "calib_chain", "calib_begin_tai"
"""Labels of a parcel's files: into which collection to certify, which chain has it, since when."""


@dataclass(frozen=True, slots=True)
class Certification:
    """Say from when on a parcel's calibrations are in force, and where.

    When they cease follows from the next one: so the order in which parcels come does not matter.
    """

    collection: str
    chain: str
    begin_tai: dt.datetime

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Certification | None:
        """Read a file's labels; None where it is not to be certified."""
        if COLLECTION not in labels:
            return None
        begin = dt.datetime.fromisoformat(labels[BEGIN])
        return cls(labels[COLLECTION], labels[CHAIN], begin)

    @property
    def labels(self) -> dict[str, str]:
        """Give the labels that say so."""
        return {
            COLLECTION: self.collection,
            CHAIN: self.chain,
            BEGIN: self.begin_tai.isoformat(),
        }


def order_chain(children: Sequence[str], collection: str, daily: str) -> list[str]:
    """Put a campaign's collection into a chain: the newest name first, what others put in behind.

    The result does not depend on the order in which campaigns come.
    """
    ours = {child for child in children if child.startswith(daily)} | {collection}
    return sorted(ours, reverse=True) + [child for child in children if child not in ours]


@dataclass(frozen=True, slots=True, order=True)
class Validity:
    """State from when until when a dataset is in force, for one data ID.

    Parameters
    ----------
    dataset_type, data_id
        Which calibration; the data ID as sorted pairs of names and values.
    begin_tai
        First moment, TAI without a zone.
    end_tai
        First moment when it is no more, or empty.
    dataset_id
        Butler's UUID.
    """

    dataset_type: str
    data_id: tuple[tuple[str, str], ...]
    begin_tai: str
    end_tai: str
    dataset_id: str

    @property
    def slot(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Give what only one dataset can be in force for at a time."""
        return (self.dataset_type, self.data_id)


def hash_of(validities: Iterable[Validity]) -> str:
    """Give the hash of all validity ranges of a collection: equal at all endpoints, or a finding."""
    rows = [
        [v.dataset_type, [list(pair) for pair in v.data_id], v.begin_tai, v.end_tai, v.dataset_id]
        for v in sorted(validities)
    ]
    return hashlib.sha256(strict_json.canonical(rows)).hexdigest()


@dataclass(frozen=True, slots=True)
class Change:
    """Say which validity ranges go, and which come instead."""

    gone: tuple[Validity, ...]
    new: tuple[Validity, ...]


def certify(known: Sequence[Validity], wanted: Iterable[Validity]) -> Change:
    """Plan the certification of datasets, each from its begin to that of the next one.

    Raises
    ------
    ValidityOverlap
        If another dataset is in force from the same moment on.
    """
    gone: list[Validity] = []
    new: list[Validity] = []
    by_slot = _by_slot(known)
    for want in wanted:
        others = by_slot.get(want.slot, [])
        if any(other.dataset_id == want.dataset_id for other in others):
            continue
        same = [other for other in others if other.begin_tai == want.begin_tai]
        if same:
            raise ValidityOverlap.for_dataset(
                f"{want.dataset_type} {dict(want.data_id)}", want.begin_tai, same[0].dataset_id
            )
        later = [other.begin_tai for other in others if other.begin_tai > want.begin_tai]
        before = [other for other in others if other.begin_tai < want.begin_tai]
        if before:
            last = max(before, key=lambda other: other.begin_tai)
            gone.append(last)
            new.append(_until(last, want.begin_tai))
        new.append(_until(want, min(later, default="")))
    return Change(tuple(gone), tuple(new))


def withdraw(known: Sequence[Validity], dataset_ids: Iterable[str]) -> Change:
    """Plan the withdrawal of datasets: the previous one is in force again, until the next."""
    ids = set(dataset_ids)
    gone: list[Validity] = []
    new: list[Validity] = []
    for ranges in _by_slot(known).values():
        left = [each for each in ranges if each.dataset_id not in ids]
        if len(left) == len(ranges):
            continue
        ends = [each.begin_tai for each in left[1:]] + [""]
        mended = [_until(each, end) for each, end in zip(left, ends, strict=False)]
        gone += [each for each in ranges if each not in mended]
        new += [each for each in mended if each not in ranges]
    return Change(tuple(gone), tuple(new))


def _by_slot(known: Iterable[Validity]) -> dict[object, list[Validity]]:
    found: dict[object, list[Validity]] = {}
    for each in sorted(known):
        found.setdefault(each.slot, []).append(each)
    return found


def _until(validity: Validity, end_tai: str) -> Validity:
    return Validity(
        validity.dataset_type, validity.data_id, validity.begin_tai, end_tai, validity.dataset_id
    )


def in_force(known: Iterable[Validity], at_tai: str) -> Iterator[Validity]:
    """List what is in force at a moment."""
    return (
        each
        for each in known
        if each.begin_tai <= at_tai and (not each.end_tai or at_tai < each.end_tai)
    )
