"""The cache near the telescope as a place from which images go: it deletes itself, registry first.

An image goes when the archive has answered that it has the same bytes, and enough copies of its exposure were read
lately. Without the ledger nothing goes: serving goes on, the cache grows, and the next run makes up for it.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbb.flows.backbone import Backbone
from dbb.flows.expiry_views import ExpiryRows, Wish
from dbb.flows.oods import FOLDER, FORMATTER, RUN, Oods
from dbb.flows.reconcile_views import Findings, Scan
from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest
from dbb.model.expiry import Expiry, ExpiryState, Item, Rule
from dbb.model.exposure import ObsId, Unit
from dbb.model.finding import Aspect, Discrepancy
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.oods import Served
from dbb.model.parcel import Parcel, ParcelFile

log = logging.getLogger(__name__)

PARTS = range(2, 8)
"""Parts of an exposure that came in pieces; each is a unit of its own."""

YOUNG = dt.timedelta(days=1)
"""A file so young may be one that is about to be served."""


@dataclass
class OodsPlace:
    """Be the cache near the telescope.

    Parameters
    ----------
    oods, backbone, rows
        The cache's ports, and the backbone's.
    endpoint
        Its name.
    """

    oods: Oods
    backbone: Backbone
    rows: ExpiryRows
    endpoint: str
    are_units: bool = False
    _served: dict[str, Served] = field(default_factory=dict)
    _units: dict[str, tuple[str, ...]] = field(default_factory=dict)

    # -- looking -------------------------------------------------------------------------------

    def items(self, rules: Sequence[Rule], as_of: dt.datetime) -> list[Item]:
        """List the images that are served."""
        del rules, as_of  # the journal is small
        self._served = {image.name: image for image in self._read()}
        return [
            Item(
                name=image.name,
                unit=str(Unit(image.instrument, ObsId.parse(image.obs_id))),
                kind=Kind.RAW,
                instrument=image.instrument,
                day_obs=image.day_obs,
                ingested_at=dt.datetime.fromisoformat(image.served_at or image.changed_at),
                size_bytes=image.size_bytes,
                collections=frozenset({RUN.format(instrument=image.instrument)}),
            )
            for image in self._served.values()
        ]

    def _read(self) -> list[Served]:
        return [image for image in self.oods.journal.all() if image.state == "served"]

    def used(self) -> dict[Kind, tuple[int, int]]:
        """Count the images that are served, and their bytes."""
        served = self._read()
        return {Kind.RAW: (len(served), sum(image.size_bytes for image in served))}

    def held(self, items: Sequence[Item], rule: Rule) -> dict[str, str]:
        """Say what the archive has not answered for, and what a TAGGED collection holds."""
        held = {}
        for item in items:
            answer = self._served[item.name].merged
            if answer != "same":
                held[item.name] = (
                    "the archive has other bytes" if answer else "the archive has not answered"
                )
        self._know_units(items)
        if rule.spare_tagged:
            documents = [_document(self._served[item.name]) for item in items]
            members = self.oods.repository.memberships(documents)
            held |= {
                unit.removeprefix(f"{FOLDER}/"): f"it is in {min(names)}"
                for unit, names in members.items()
            }
        return held

    def _know_units(self, items: Sequence[Item]) -> None:
        """Find the sealed units of the exposures: all parts, for an image may be in any."""
        names = sorted({item.unit for item in items} - set(self._units))
        asked = {name: (name, *(f"{name}.{part}" for part in PARTS)) for name in names}
        known = self.backbone.ledger.units([each for parts in asked.values() for each in parts])
        for name, parts in asked.items():
            self._units[name] = tuple(
                each for each in parts if each in known and known[each].manifest_sha256
            )

    def wish(self, item: Item, rule: Rule) -> Wish:
        """Say which units' copies must be elsewhere."""
        self._know_units([item])
        units, over_at = self._units[item.unit], rule.over_at(item)
        return Wish(item.name, units, item.day_obs, item.size_bytes, over_at)

    # -- acting --------------------------------------------------------------------------------

    def carry_out(self, intended: Sequence[Expiry]) -> None:
        """Take images out of the cache's registry, then delete their files, then forget them."""
        served = {image.name: image for image in self._read()}
        mine = [each.subject for each in intended if each.state is ExpiryState.INTENDED]
        self.oods.repository.withdraw([_document(served[name]) for name in mine if name in served])
        self._step(mine, ExpiryState.INTENDED, ExpiryState.WITHDRAWN)
        names = [each.subject for each in intended]
        self.oods.store.delete([_place(name) for name in names])
        gone = [name for name in names if self.oods.store.stat(_place(name)) is None]
        self.oods.journal.forget(gone)
        self._step(gone, ExpiryState.WITHDRAWN, ExpiryState.GONE)

    def _step(self, names: Sequence[str], old: ExpiryState, new: ExpiryState) -> None:
        self.rows.step(self.endpoint, names, old, new)

    # -- what does not fit ---------------------------------------------------------------------

    def mend(self, findings: Findings) -> dict[str, int]:
        """Settle rows without files and the files of what expired; report other files without rows.

        Returns
        -------
        dict
            How many served images had lost their file (``lost_files``: they are served no more, and served
            again when the source still has them), how many files of expired images were ``deleted``, and how
            many files nobody knows (``dark``: findings, a person looks).
        """
        now = self.oods.clock.now()
        served = {image.name: image for image in self._read()}
        known = {image.name for image in self.oods.journal.all() if image.state != "refused"}
        listing = {
            file.name.removeprefix(f"{FOLDER}/"): file
            for file in self.oods.store.list_files(f"{FOLDER}/")
        }
        lost = [
            name
            for name, image in sorted(served.items())
            if name not in listing or listing[name].size_bytes != image.size_bytes
        ]
        self.oods.repository.withdraw([_document(served[name]) for name in lost])
        self.oods.journal.forget(lost)
        strange = [
            name
            for name, file in listing.items()
            if name not in known and file.modified_at <= now - YOUNG
        ]
        expired = self.rows.known(self.endpoint, strange)
        ours = [name for name in strange if name in expired]
        self.oods.store.delete([_place(name) for name in ours])
        dark = [name for name in strange if name not in expired]
        self._report(dark, now, findings)
        log.info(
            "action=mend-cache endpoint=%s lost_files=%d deleted=%d dark=%d",
            self.endpoint, len(lost), len(ours), len(dark),
        )  # fmt: skip
        return {"lost_files": len(lost), "deleted": len(ours), "dark": len(dark)}

    def _report(self, dark: Sequence[str], now: dt.datetime, findings: Findings) -> None:
        """Record files that nobody knows, by night; what was reported and is settled is closed."""
        by_day: dict[int, list[str]] = {
            each.sighting.day_obs: [] for each in findings.find(endpoints=[self.endpoint])
        }
        for name in dark:
            by_day.setdefault(_day_of(name, now), []).append(name)
        for day, names in sorted(by_day.items()):
            scan = Scan(self.endpoint, DayObs(day), now, looked={Aspect.STORE})
            for name in names:
                scan.see(_place(name), Discrepancy.FILE_DARK)
            findings.record(scan)


def _place(name: str) -> str:
    return f"{FOLDER}/{name}"


def _day_of(name: str, now: dt.datetime) -> int:
    """Read the night from a name's folders; a file in no night's folder is today's."""
    parts = name.split("/")
    if len(parts) > 1 and parts[1].isascii() and parts[1].isdigit() and len(parts[1]) == 8:
        return int(parts[1])
    return DayObs.at(now).value


def _document(image: Served) -> Parcel:
    """Name an image's dataset as a repository understands it."""
    ref: Mapping[str, object] = {
        "id": image.dataset_id,
        "dataset_type": "raw",
        "run": "",
        "data_id": {},
    }
    digest = Digest(
        image.size_bytes, image.sha256, "0" * 8, "0" * 8
    )  # nobody asks for the other two
    return Parcel(
        unit=f"{FOLDER}/{image.name}",
        kind=Kind.RAW,
        instrument=image.instrument,
        program="",
        day_obs=image.day_obs,
        files=(ParcelFile(SafeName(_place(image.name)), digest, (ref,), FORMATTER),),
    )
