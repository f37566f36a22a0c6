"""Take raw images through the whole chain while everything fails now and then; count what is lost or wrong at the end.

A round is a night of its own: real FITS files in real folders, real Butlers, the ledger in SQLite; Rucio answers from
memory and copies between the folders. Files arrive damaged, late and twice; processes are killed at any operation;
writes are cut short, forgotten or flipped while they look well; copies rot on the disk and disappear. What heals is
what heals in production: the night's steps again, reading again, and repair, whose brake for a person is off. One copy of an exposure is damaged at a
time: whoever loses all copies between two readings has lost the exposure, and no software brings it back.

The judge at the end trusts none of that: it holds what lies in the folders against the files that the camera wrote.
"""

from __future__ import annotations

import hashlib
import os
import random
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from lsst.daf.butler import Butler

from dbb.flows.releasing import read_again, release_units
from dbb.flows.repairing import carry_out, finish_repairs, plan_repairs
from dbb.flows.verifying import verify_units
from dbb.hooks.keeping import SqlKeeping
from dbb.model.delivery import State
from dbb.ports.store import Store, Writer
from sandbox.synthetic_night import Kind, deliver_late, make_night, resend_good
from support.calibration_site import PLACES, CalibrationSite
from support.corruptions import KINDS, Quietly
from support.faults import ForgetfulStore, Killed, PassingStore, Schedule, TruncatingStore
from support.world import NIGHT, RSES

ARCHIVE, RECEIVER = PLACES
ARRIVING = sorted({*Kind} - {Kind.MISSING_DETECTOR, Kind.CONFLICTING_DUPLICATE})
"""What befalls an exposure on its way to the backbone. What never comes was never there to be lost, and of two takes
under one name the second counts if the camera wrote it over the first before that was taken over."""
STRUCK, ROTTEN = 0.05, 0.15
"""The share of files of which a write fails without a word; of exposures, a copy of which rots at each moment."""
GONE = 0.2
"""Of these, the share that is gone and not damaged."""
HEALINGS = 12
"""So often the steps are repeated; what is not right then counts as it stands."""
SMALL_KINDS = tuple(name for name in KINDS if not name.startswith("64 KiB"))


@dataclass
class Losses:
    """Hold the outcome of rounds.

    Parameters
    ----------
    images, documents
        What the camera wrote, and what had to arrive.
    planted
        Faults by kind.
    lost
        Files of which no endpoint has the bytes that the camera wrote.
    wrong
        Files that an endpoint publishes with other bytes, and datasets that a Butler lacks or has twice.
    thin
        Files that are right at one endpoint only.
    """

    images: int = 0
    documents: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    thin: list[str] = field(default_factory=list)

    def add(self, other: Losses) -> None:
        """Add another round's."""
        self.images += other.images
        self.documents += other.documents
        self.planted += other.planted
        self.lost += other.lost
        self.wrong += other.wrong
        self.thin += other.thin

    @property
    def is_well(self) -> bool:
        """Say whether everything is there, twice, as it was."""
        return not (self.lost or self.wrong or self.thin)


class FlippingWrites(PassingStore):
    """Say that a write went well, and have one bit of it wrong."""

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        """Write a file that a fault may meet."""
        buffer = BytesIO()
        yield buffer
        data = bytearray(buffer.getvalue())
        if data and self._is_hit(name):
            data[len(data) // 3] ^= 0x04
        with self.store.create(name) as writer:
            writer.write(bytes(data))


LYING: dict[str, Callable[[Store, Callable[[str], bool]], PassingStore]] = {
    "write cut short": TruncatingStore,
    "write forgotten": ForgetfulStore,
    "write flipped": FlippingWrites,
}


def run_round(folder: Path, seed: int, exposures: int, detectors: Sequence[str] = ()) -> Losses:
    """Take one night through, in an empty folder; give what became of it.

    Parameters
    ----------
    folder
        Where all of it lies.
    seed
        The same seed makes the same night and the same faults.
    exposures, detectors
        How large the night is; all detectors where none is named.
    """
    return _Round(folder, seed, exposures, detectors).run()


class _Round:
    def __init__(self, folder: Path, seed: int, exposures: int, detectors: Sequence[str]) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - faults that can be planted again
        self.outcome = Losses()
        self.spoilt: set[str] = set()
        """Exposures with a copy that rotted since all was well last."""
        self.site = CalibrationSite(folder, f"sqlite:///{folder}/ledger.db")
        self.rows = SqlKeeping(self.site.ledger)
        self.night = {
            "exposures": exposures, "seed": seed, "pixels": 8, "amplifiers": 1,
            "instruments": ("LSSTCam",), "detectors": detectors,
        }  # fmt: skip
        self.truth = self._write_truth(folder / "camera")
        kinds = Counter(self.dice.choice(ARRIVING) for _ in range(max(1, exposures // 3)))
        self.outcome.planted += Counter({f"arrives: {kind}": n for kind, n in kinds.items()})
        self.plan = make_night(folder / "summit", NIGHT, faults=kinds, **self.night)

    def run(self) -> Losses:
        """Let the night pass."""
        self._lie()
        self._killed(self._transfer)
        self._transfer(between=lambda: self._rot("before it was copied"))
        self._rot("early")
        deliver_late(self.plan)
        resend_good(self.plan)
        self._killed(self._transfer)
        self._heal()
        self._be_honest()
        for _ in range(2):
            self._rot("later")
            self._killed(self._heal)
            self._heal()
        self._judge()
        return self.outcome

    # -- what goes wrong ---------------------------------------------------------------------------

    def _lie(self) -> None:
        """Have a store of each endpoint fail now and then, each name once, without a word."""
        for place in PLACES:
            for kind, make in LYING.items():
                self.site.stores[place] = make(self.site.stores[place], self._strikes(kind))
            self.site.catalog.stores[RSES[place]] = self.site.stores[place]

    def _strikes(self, kind: str) -> Callable[[str], bool]:
        met: set[str] = set()

        def strikes(name: str) -> bool:
            if name in met or not name.startswith("raw/"):
                return False
            met.add(name)
            hit = self.dice.random() < STRUCK
            self.outcome.planted[kind] += hit
            return hit

        return strikes

    def _be_honest(self) -> None:
        for place in PLACES:
            store = self.site.stores[place]
            while isinstance(store, PassingStore):
                store = store.store
            self.site.stores[place] = store
            self.site.catalog.stores[RSES[place]] = store

    def _killed(self, work: Callable[[Schedule], object]) -> None:
        """Do a piece of work in a process that is killed within it."""
        when = self.dice.choice(("before", "after"))
        schedule = Schedule(self.dice.randrange(100 + 10 * len(self.plan.exposures)), when)
        try:
            work(schedule)
        except Killed:
            self.outcome.planted["process killed"] += 1

    def _rot(self, moment: str) -> None:
        """Damage a file of one copy of some exposures, behind everybody's back; or have it disappear."""
        for unit in self._units():
            places = [place for place in PLACES if _files(self.site.folder / place, unit)]
            hit = places and self.dice.random() < ROTTEN
            if hit and unit not in self.spoilt:
                self.spoilt.add(unit)
                path = self.dice.choice(_files(self.site.folder / self.dice.choice(places), unit))
                self.outcome.planted[f"{self._spoil(path)}, {moment}"] += 1

    def _spoil(self, path: Path) -> str:
        if self.dice.random() < GONE:
            path.unlink()
            return "gone"
        kind = self.dice.choice(SMALL_KINDS)
        good = path.read_bytes()
        damage = KINDS[kind](good, good, self.dice)
        with Quietly(path) as descriptor:
            os.pwrite(descriptor, damage.data, damage.offset)
            os.ftruncate(descriptor, damage.length)
        return kind

    # -- what production does ----------------------------------------------------------------------

    def _transfer(
        self, schedule: Schedule | None = None, between: Callable[[], object] = lambda: None
    ) -> None:
        """Do what a run of the DAG does, to the end: the source lets go of what is safe."""
        self.site.rest()
        self.site.land(schedule)
        between()
        self.site.deliver(schedule)
        backbone = self.site.backbone(schedule)
        read_again(backbone, self._units())
        release_units(backbone, self._units())

    def _heal(self, schedule: Schedule | None = None) -> None:
        """Do what the night's DAGs, the scrub and the repair do, until all is well."""
        for _ in range(HEALINGS):
            self.site.clock.advance(3700)
            self._transfer(schedule)
            backbone = self.site.backbone(schedule)
            rows = list(backbone.ledger.units(self._units()).values())
            bad = [each for each in verify_units(backbone, rows, PLACES, record=True) if each.error]
            finish_repairs(backbone, self.rows)
            if found := plan_repairs(backbone, self.rows, [RECEIVER]):
                carry_out(backbone, found)
            self.site.catalog.run_daemons()
            finish_repairs(backbone, self.rows)
            if not bad and not found and self._all_published():
                self.spoilt.clear()
                return

    def _units(self) -> list[str]:
        return [row.unit for row in self.site.ledger.units_of_night("LSSTCam", NIGHT.value)]

    def _all_published(self) -> bool:
        units = self._units()
        known = self.site.ledger.deliveries(units)
        return all(
            (found := known.get((unit, place))) and found.state is State.PUBLISHED
            for unit in units
            for place in PLACES
        )

    # -- what is true ------------------------------------------------------------------------------

    def _write_truth(self, folder: Path) -> dict[str, str]:
        """Have the camera write the night where nothing goes wrong; keep sums only."""
        make_night(folder, NIGHT, **self.night)
        truth = {}
        for path in folder.rglob("*"):
            if path.is_file():
                truth[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
                path.unlink()
        self.outcome.images = sum(name.endswith(".fits") for name in truth)
        self.outcome.documents = len(truth) - self.outcome.images
        return truth

    def _judge(self) -> None:
        """Hold what each endpoint has against what the camera wrote; ask each Butler how much it serves."""
        copies: dict[str, list[str]] = defaultdict(list)
        published = self.site.ledger.deliveries(self._units())
        for place in PLACES:
            for unit in self._units():
                delivery = published.get((unit, place))
                is_published = delivery is not None and delivery.state is State.PUBLISHED
                for name, sha256 in _members(self.site.folder / place, unit):
                    if self.truth.get(name) == sha256:
                        copies[name].append(place)
                    elif is_published:
                        self.outcome.wrong.append(f"{place} publishes {name} with other bytes")
            self._count_served(place)
        for name in self.truth:
            if not copies[name]:
                self.outcome.lost.append(name)
            elif len(set(copies[name])) < len(PLACES):
                self.outcome.thin.append(f"{name} is right at {copies[name][0]} only")

    def _count_served(self, place: str) -> None:
        with Butler.from_config(str(self.site.folder / "butler" / place)) as butler:
            run = "LSSTCam/raw/all"
            served = sum(
                len(butler.query_datasets(name, collections=run, limit=None, explain=False))
                for name in ("raw", "guider_raw")
            )
        if served != self.outcome.images:
            self.outcome.wrong.append(f"{place} serves {served} of {self.outcome.images} images")


def _files(store: Path, unit: str) -> list[Path]:
    """List the bundle and the manifest of a unit that an endpoint has, if there is anything in them."""
    leaf = unit.rpartition("/")[2]
    found = (store / "raw").rglob(f"{leaf}.*")
    return sorted(p for p in found if p.suffix in (".zip", ".json") and p.stat().st_size > 2000)


def _members(store: Path, unit: str) -> Iterator[tuple[str, str]]:
    """Read the bundle of a unit as anybody would: members with their sums; itself, where it cannot be read."""
    leaf = unit.rpartition("/")[2]
    for path in store.rglob(f"{leaf}.zip"):
        try:
            with zipfile.ZipFile(path) as bundle:
                found = [
                    (name, hashlib.sha256(bundle.read(name)).hexdigest())
                    for name in bundle.namelist()
                    if not name.startswith("_butler")
                ]
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
            found = [(path.name, str(error))]
        yield from found
