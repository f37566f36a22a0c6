"""The Large File Annex: objects of the summit's bucket, kept under their own names elsewhere.

Whoever tells of an object, an event, a query of the EFD, a listing, an operator, tells the same row. An
object that is not there yet waits, with its age; nothing is skipped. The steps are ``announced`` →
``checked`` (copied to the archive, computed, read back: ``lfa_copying``) → ``sealed`` (part of a parcel:
``lfa_sealing``); then it is what every unit is. What cannot be used is a row too: of the inbox.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbb.errors import DbbError, LfaEventUnusable
from dbb.model import strict_json
from dbb.model.digest import Digest
from dbb.model.event import poison
from dbb.model.lfa import Announcement, LfaObject
from dbb.model.lfa_classes import LfaClass, LfaDataset, classify
from dbb.model.sidecar import Sidecars
from dbb.ports.inbox import Inbox
from dbb.ports.store import Store

log = logging.getLogger(__name__)


class LfaObjects(Protocol):
    """Remember objects."""

    def announce(self, found: Iterable[tuple[Announcement, str, bool]]) -> int:
        """Note objects with their action; count the new.

        Of one that is known, what an event declares is kept and checked, whoever told first.
        """

    def note_stamps(self, stamps: Mapping[str, str]) -> int:
        """Compare what a listing shows with what was copied; count the objects that differ.

        An object that waits or was refused is looked for at once; one that was copied and is
        another one now is compared.
        """

    def folders(self) -> list[str]:
        """List the folders above the date in keys."""

    def due(self, most: int) -> list[LfaObject]:
        """Read objects that are to be looked for now; those whose turn came first, first."""

    def doubtful(self, most: int) -> list[LfaObject]:
        """Read objects that were copied and are to be compared with their source."""

    def loose(self, most: int) -> list[LfaObject]:
        """Read objects that are checked and have no parcel yet, oldest first."""

    def by_key(self, keys: Sequence[str]) -> list[LfaObject]:
        """Read objects by key."""

    def of_day(self, day_obs: int, state: str) -> list[LfaObject]:
        """Read a day's objects; 0 is any day, an empty state any."""

    def of_unit(self, unit: str) -> list[LfaObject]:
        """Read the objects of a parcel, by key."""

    def units_to_seal(self) -> list[str]:
        """Name the parcels that have objects which are not sealed."""

    def check(self, each: LfaObject, digest: Digest, md5: str, stamp: str) -> None:
        """Record what an object's bytes are, and what its source said of it.

        What an event has declared since the object was read is not lost: see ``doubtful``.
        """

    def refuse(self, each: LfaObject, error: DbbError, stamp: str, due_at: dt.datetime) -> None:
        """Record why an object is refused, and when it is looked at again."""

    def wait(self, key: str, error: DbbError | None, due_at: dt.datetime) -> None:
        """Record why an object does not go on, if there is news, and when it is looked for next."""

    def send_back(self, key: str, error: DbbError) -> None:
        """Have an object copied again whose copy was found damaged before it was sealed."""

    def settle(self, each: LfaObject, md5: str, stamp: str) -> None:
        """Say that an object was compared with its source."""

    def note_dataset(self, key: str, dataset_id: str, error: DbbError | None) -> None:
        """Record which Butler dataset an object is, or why it is none."""

    def holders(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Name the objects that are Butler datasets, by the datasets' ids."""

    def assign(self, keys: Sequence[str], unit: str) -> None:
        """Say which parcel objects will travel in; those that have one keep it."""

    def seal(self, unit: str) -> None:
        """Say that a parcel is made."""


class DescribeObject(Protocol):
    """Say which Butler dataset an object is."""

    def __call__(self, store: Store, name: str, key: str, dataset: LfaDataset, /) -> Sidecars:
        """Read an object's header where it lies, and describe it as one file called by its key.

        Raises
        ------
        LfaNotIngested
            If key or header do not say what they should.
        """


@dataclass(frozen=True)
class Annex:
    """Hold what the annex needs besides the backbone.

    Parameters
    ----------
    source
        The summit's bucket.
    bucket
        Its name.
    objects
        What is known of objects.
    inbox
        Where events are kept that cannot be used.
    classes, datasets
        What becomes of objects.
    describe
        Says which Butler dataset an object is.
    """

    source: Store
    bucket: str
    objects: LfaObjects
    inbox: Inbox
    classes: Sequence[LfaClass]
    datasets: Mapping[str, LfaDataset]
    describe: DescribeObject


def announce(annex: Annex, found: Iterable[Announcement]) -> int:
    """Note objects; count those that are new. One of another bucket is set aside, for a person."""
    told = list(found)
    mine = [each for each in told if each.bucket == annex.bucket]
    others = [each for each in told if each.bucket != annex.bucket]
    new = annex.objects.announce((each, *classify(annex.classes, each)) for each in mine)
    set_aside(
        annex,
        [
            (
                strict_json.canonical({"url": each.url, "csc": each.csc, "id": each.obs_id}),
                LfaEventUnusable.for_bucket(each.source, each.bucket, annex.bucket),
            )
            for each in others
        ],
    )
    if new:
        log.info("action=lfa-announce new=%d of=%d", new, len(mine))
    return new


def set_aside(annex: Annex, unusable: Sequence[tuple[bytes, DbbError]]) -> int:
    """Keep what was told and cannot be used, as poison in the inbox; count the new."""
    rows = {event.event_id: event for event in (poison(*each, "lfa") for each in unusable)}
    kept = annex.inbox.store(list(rows.values())) if rows else 0
    if unusable:
        log.warning("action=lfa-set-aside unusable=%d new=%d", len(unusable), kept)
    return kept
