"""The canary: a synthetic exposure that goes the way of a raw one, is measured, and leaves nothing.

It has an instrument of its own, and a ledger of its own that lives as long as one look: so nights' verdicts, the loss
budget and the policies' figures cannot know it. It remembers nothing between two looks: each does all steps again
from the files at the source, and each step that was done before changes nothing, as for every exposure.

It is removed in the order in which it can never be half visible: the registries first, Rucio's rules second, the
files third, its manifest last. Killed anywhere, the next canary removes what was left.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dbb.errors import CanaryStuck, DbbError
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import ask_for_copies, register_units
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.exposure import CANARY_INSTRUMENT, ObsId, Unit
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.names import Did

log = logging.getLogger(__name__)

CAMERA_CODE = "DC"
DAY = DayObs(20170102)
"""A night in which nothing was observed."""

ROUND = 9_999
"""After so many canaries, 104 days, a number comes again: dimension records cannot be deleted, so they are few."""

PERIOD_S = 900
LIMIT_S = 600
"""How long a canary may take."""

MISSING_AFTER_PERIODS = 2
REMOVE_WITHIN = dt.timedelta(days=1)
"""How long Rucio may take to delete the copies that its rules no longer want."""


@dataclass(frozen=True, slots=True)
class Canary:
    """Hold one canary as the ledger knows it."""

    number: int
    begun_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: str
    stuck_at: str
    reason: str
    removed_at: dt.datetime | None

    @property
    def unit(self) -> Unit:
        """Name its exposure."""
        return Unit(CANARY_INSTRUMENT, ObsId(CAMERA_CODE, "O", DAY, (self.number - 1) % ROUND + 1))

    @property
    def name(self) -> str:
        """Name it for people."""
        return f"canary {self.number}"


class CanaryRows(Protocol):
    """Remember canaries."""

    def begin(self) -> Canary:
        """Record a new one."""

    def newest(self, most: int) -> list[Canary]:
        """Read the newest, the last first."""

    def left(self) -> list[Canary]:
        """Read those of which something may be left."""

    def reach(self, number: int, stage: str) -> None:
        """Record that one has reached a stage."""

    def end(self, number: int, outcome: str, stuck_at: str = "", reason: str = "") -> None:
        """Record how one ended."""

    def removed(self, number: int) -> None:
        """Record that nothing of one is left."""

    def stages(self, canary: Canary) -> dict[str, float]:
        """Give the seconds from one's begin to each stage."""


@dataclass(frozen=True)
class Cage:
    """Hold what a canary needs beside the backbone.

    Parameters
    ----------
    rows
        The ledger's record.
    draw
        Makes an exposure's files, by name at the source: the same each time.
    prepare
        Has the repository of an endpoint know the canary's instrument.
    read
        Reads a dataset by its UUID as a user does at an endpoint; gives its bytes.
    forget
        Has Rucio forget a dataset with its files, and their copy at an RSE.
    open_backbone
        Opens a backbone of the canary's own, with an empty ledger.
    """

    rows: CanaryRows
    draw: Callable[[Unit], Mapping[str, bytes]]
    prepare: Callable[[str], None]
    read: Callable[[str, str], bytes]
    forget: Callable[[Did, Sequence[Did], str], None]
    open_backbone: Callable[[], Backbone]


@dataclass(frozen=True, slots=True)
class Stop:
    """Say at which step a canary is, and what it waits for; no step where it is through."""

    step: str = ""
    reason: str = ""


def look_after(cage: Cage, canary: Canary) -> Stop:
    """Do all that can be done for a canary now; say where it stops.

    What fails, and a service that does not answer, is a reason to wait: only its limit ends it.
    """
    look = _Look(cage, canary)
    try:
        look.go()
    except _Waiting as waiting:
        return Stop(look.step, str(waiting))
    except DbbError as error:
        return Stop(look.step, str(error))
    return Stop()


def settle(cage: Cage, canary: Canary, stop: Stop, now: dt.datetime, limit_s: float) -> bool:
    """End a canary that is through or has stuck, and remove it; say whether it has ended.

    Raises
    ------
    CanaryStuck
        If it did not come through in time.
    """
    took = (now - canary.begun_at).total_seconds()
    if stop.step and took <= limit_s:
        return False
    outcome = "stuck" if stop.step else "through"
    cage.rows.end(canary.number, outcome, stop.step, stop.reason)
    try:
        remove(cage, canary)
    except DbbError as error:  # the next one does it, and no step is hidden by it
        log.warning("action=remove-canary number=%d reason=%s", canary.number, error)
    if stop.step:
        raise CanaryStuck.for_step(canary.name, stop.step, took, limit_s, stop.reason or "it waits")
    return True


def tidy(cage: Cage, now: dt.datetime) -> list[int]:
    """Remove what earlier canaries left, also those that were killed; number those that are not gone.

    Raises
    ------
    CanaryStuck
        If something is left of one that ended long ago.
    """
    left = []
    for canary in cage.rows.left():
        cage.rows.end(canary.number, "interrupted", "", "its run was killed")
        what = remove(cage, canary)
        if what:
            left.append(canary.number)
            age = now - canary.begun_at
            if age > REMOVE_WITHIN:
                limit_s = REMOVE_WITHIN.total_seconds()
                raise CanaryStuck.for_step(
                    canary.name, "remove", age.total_seconds(), limit_s, f"{what[0]} is left"
                )
    return left


def remove(cage: Cage, canary: Canary) -> list[str]:
    """Remove a canary everywhere; name what is left, which is what Rucio has yet to delete."""
    backbone, unit = cage.open_backbone(), canary.unit
    archive, policy = backbone.archive, backbone.policy
    files = [Did(Kind.RAW.scope, name) for name in (unit.bundle_name, unit.manifest_name)]
    dataset = Did(Kind.RAW.scope, unit.rucio_dataset)
    manifest = _manifest(backbone, unit)
    ids = [] if manifest is None else [str((entry.ref or {})["id"]) for entry in manifest.images]
    if manifest is not None:
        for endpoint in policy.publishers:
            cage.prepare(endpoint)
            backbone.repository(endpoint).withdraw([manifest])
    left = [
        f"{endpoint}: dataset {name}"
        for endpoint in (policy.publishers if ids else ())
        for name in backbone.repository(endpoint).locate(ids)
    ]
    if left:  # no file goes while a registry has it
        return left
    locks = backbone.catalog.locks([dataset]).get(dataset, {})
    backbone.catalog.drop_rules([lock.rule_id for lock in locks.values()])
    for endpoint in policy.publishers:
        cage.forget(dataset, files, backbone.rses[endpoint])
    backbone.source.delete([file.name for file in backbone.source.list_files(f"{unit.folder}/")])
    left = [
        f"{endpoint}: {file.name}"
        for endpoint in policy.receivers
        for file in backbone.store(endpoint).list_files(f"{Kind.RAW.scope}/{unit.folder}/")
    ]
    archive.delete([f"{Kind.RAW.scope}/{unit.bundle_name}"])
    archive.delete([f"{Kind.RAW.scope}/{unit.manifest_name}"])  # last: by it the rest was found
    if not left:
        cage.rows.removed(canary.number)
    log.info("action=remove-canary number=%d left=%d", canary.number, len(left))
    return left


def overdue(rows: CanaryRows, now: dt.datetime) -> CanaryStuck | None:
    """Say what is wrong with the canaries: the last one stuck, or none came for two periods."""
    newest = rows.newest(1)
    if not newest:
        return None
    last, limit_s = newest[0], float(MISSING_AFTER_PERIODS * PERIOD_S)
    age_s = (now - last.begun_at).total_seconds()
    if age_s > limit_s:
        return CanaryStuck.for_step(
            last.name, "the schedule", age_s, limit_s, "no canary has come since"
        )
    if last.outcome == "stuck":
        took = ((last.ended_at or now) - last.begun_at).total_seconds()
        return CanaryStuck.for_step(last.name, last.stuck_at, took, LIMIT_S, last.reason)
    return None


class _Waiting(Exception):
    """Say what a canary waits for."""


@dataclass
class _Look:
    """Do all steps once, on a ledger that knows nothing."""

    cage: Cage
    canary: Canary
    step: str = "lay down"
    backbone: Backbone = field(init=False)

    def __post_init__(self) -> None:
        self.backbone = self.cage.open_backbone()
        self.unit = self.canary.unit
        self.name = str(self.unit)

    def go(self) -> None:
        archive = self.backbone.policy.archive
        self._lay_down()
        self._bundle()
        self._register()
        self._serve(archive)
        for endpoint in self.backbone.policy.receivers:
            self.step = f"copy to {endpoint}"
            ask_for_copies(self.backbone, [self.name], endpoint)
        waiting: _Waiting | None = None
        stopped = ""
        for endpoint in self.backbone.policy.receivers:  # one that is away hides no other one
            try:
                self._copy(endpoint)
                self._serve(endpoint)
            except (_Waiting, DbbError) as error:
                stopped, waiting = stopped or self.step, waiting or _Waiting(str(error))
        if waiting is not None:
            self.step = stopped
            raise waiting

    def _reached(self) -> None:
        self.cage.rows.reach(self.canary.number, self.step)

    def _lay_down(self) -> None:
        for name, data in self.cage.draw(self.unit).items():
            known = self.backbone.source.stat(name)
            if known is None or known.size_bytes != len(data):
                with self.backbone.source.create(name) as writer:
                    writer.write(data)
        self._reached()

    def _bundle(self) -> None:
        self.step = "bundle"
        receive_arrivals(self.backbone, DAY)
        land_units(self.backbone, [self.name])
        self._demand(self.backbone.policy.archive, State.VERIFIED)
        apply_gate(self.backbone, [self.name], {})
        self._reached()

    def _register(self) -> None:
        self.step = "register in Rucio"
        register_units(self.backbone, [self.name])
        self._demand(self.backbone.policy.archive, State.REGISTERED)
        self._reached()

    def _copy(self, endpoint: str) -> None:
        self.step = f"copy to {endpoint}"
        found = look_for_copies(self.backbone, endpoint, [self.name])
        if self.name not in found.work:
            raise _Waiting(found.waiting.get(self.name, "no rule brings it"))
        self._reached()

    def _serve(self, endpoint: str) -> None:
        self.step = f"publish at {endpoint}"
        self.cage.prepare(endpoint)
        publish_units(self.backbone, [self.name], endpoint)
        self._demand(endpoint, State.PUBLISHED)
        self._reached()
        self.step = f"read at {endpoint}"
        manifest = _manifest(self.backbone, self.unit)
        for entry in () if manifest is None else manifest.images:
            data = self.cage.read(endpoint, str((entry.ref or {})["id"]))
            if hashlib.sha256(data).hexdigest() != entry.digest.sha256:
                raise _Waiting(f"{entry.name} reads as other bytes than were sent")
        self._reached()

    def _demand(self, endpoint: str, state: State) -> None:
        delivery = self.backbone.ledger.deliveries([self.name]).get((self.name, endpoint))
        if delivery is not None and delivery.state is state:
            return
        for item in self.backbone.ledger.refusals(unit=self.name):
            raise _Waiting(f"{item.code}: {item.reason}")
        raise _Waiting("its files are not at rest yet" if delivery is None else delivery.reason)


def _manifest(backbone: Backbone, unit: Unit) -> Manifest | None:
    name = f"{Kind.RAW.scope}/{unit.manifest_name}"
    if backbone.archive.stat(name) is None:
        return None
    with backbone.archive.open(name) as stream:
        return Manifest.parse(stream.read(), name)
