"""A reader in a process of its own, who looks at everything that a Butler serves, again and again.

A campaign publishes and expires units at one endpoint, over a real Butler and a store of folders, while the
observer reads every dataset's file. Whatever a row names must be there, whole and right. A file that is gone when
it is opened is no fault if its row is gone by then too: the reader asked a moment before.
"""

from __future__ import annotations

import json
import multiprocessing
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from dbb.digests import digest_bytes
from dbb.flows.expiring import apply_expiry, plan_expiry
from dbb.flows.expiring_units import UnitsPlace
from dbb.flows.parcels import arrive
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.expiry import SqlExpiry
from dbb.hooks.posix_store import PosixStore
from dbb.model.day_obs import DayObs
from dbb.model.expiry import ExpiryBook, Rule
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile
from dbb.model.policy import PolicyBook
from support.world import RSES, World

TYPE = "difference_summary"
RUN = "LSSTCam/level1"
FIRST_PIXEL = 8 * 4**9
PAUSE_S = 0.05
"""Between two passes: SQLite lets nobody write while somebody reads."""
RULE = Rule("level1", ("usdf",), Kind.LEVEL1, 30, spare_tagged=False)
BOOK = ExpiryBook((RULE,), 100)


def content_of(pixel: int) -> bytes:
    """Give what the dataset of a pixel must hold."""
    return json.dumps({"pixel": pixel, "words": [pixel % 97] * 200}).encode()


@dataclass
class Seen:
    """Hold what the observer saw."""

    passes: int = 0
    rows: int = 0
    wrong: list[str] = field(default_factory=list)


def observe(root: str, stop: Event, passes: Any, answers: Any) -> None:
    """Look until told to stop; the body of the observer's process."""
    from lsst.daf.butler import Butler

    seen = Seen()
    with Butler.from_config(root, writeable=False) as butler:
        while not stop.is_set():
            _look(butler, seen)
            seen.passes += 1
            passes.value = seen.passes
            time.sleep(PAUSE_S)
    answers.put((seen.passes, seen.rows, seen.wrong[:20], len(seen.wrong)))


def _look(butler: Any, seen: Seen) -> None:
    if not butler.collections.query(RUN, collection_types=None):
        return
    refs = butler.query_datasets(TYPE, collections=RUN, limit=None, explain=False)
    places = butler.get_many_uris(refs, allow_missing=True)
    for ref in refs:
        seen.rows += 1
        why = _fault(ref, places.get(ref))
        if why and _is_still_served(butler, ref):
            seen.wrong.append(f"{ref.id}: {why}")


def _fault(ref: Any, place: Any) -> str:
    if place is None or place.primaryURI is None:
        return "the row has no file"
    try:
        found = Path(place.primaryURI.ospath).read_bytes()
    except FileNotFoundError:
        return "the file is gone"
    expected = content_of(ref.dataId["htm9"])
    if len(found) != len(expected):
        return f"the file has {len(found)} bytes instead of {len(expected)}"
    return "" if found == expected else "the file is another"


def _is_still_served(butler: Any, ref: Any) -> bool:
    """Ask again, after the file was looked at: now the row must be gone."""
    return butler.get_dataset(ref.id) is not None


@dataclass
class Campaign:
    """Publish and expire at one endpoint.

    Parameters
    ----------
    folder
        Where the store and the repository are made.
    datasets
        How many datasets a unit has.
    ledger_url
        Database of the ledger; an SQLite file where none is named.
    """

    folder: Path
    datasets: int = 2
    ledger_url: str = ""

    def __post_init__(self) -> None:
        from lsst.daf.butler import Butler

        self.root = str(self.folder / "butler")
        if not Path(self.root).exists():
            Butler.makeRepo(self.root)
        (self.folder / "usdf").mkdir(parents=True)
        self.world = World(
            policies=PolicyBook(),
            ledger_url=self.ledger_url or f"sqlite:///{self.folder}/ledger.sqlite",
        )
        store = PosixStore(self.folder / "usdf")
        self.world.stores["usdf"] = store  # type: ignore[assignment]
        self.world.catalog.stores[RSES["usdf"]] = store
        self.world.repositories["usdf"] = ButlerRepository(self.root)  # type: ignore[assignment]
        self.rows = SqlExpiry(self.world.ledger)
        self.pixel = FIRST_PIXEL
        self.units = 0
        self.gone = 0

    def publish(self, number: int) -> None:
        """Publish so many new units of tonight, as the flows do."""
        day = DayObs.at(self.world.clock.now()).value
        backbone, names = self.world.backbone(), []
        for _ in range(number):
            parcel, data = self._parcel(day)
            self.world.ledger.seal_parcel(parcel)
            for name, content in data.items():
                with self.world.stores["usdf"].create(name) as writer:
                    writer.write(content)
            arrive(backbone, parcel.unit)
            names.append(parcel.unit)
        register_units(backbone, names)
        done = publish_units(backbone, names, "usdf")["published"]
        if done != number:
            raise AssertionError(f"{done} of {number} were published: {self.world.codes()}")
        self.units += number

    def expire(self) -> None:
        """Let the lifetime pass and take away whatever is due."""
        self.world.clock.advance(32 * 86400)
        place = UnitsPlace(self.world.backbone(), self.rows, "usdf")
        now = self.world.clock.now()
        plan = plan_expiry(place, self.rows, BOOK, now)
        done = apply_expiry(place, self.rows, BOOK, now, plan.sha256, accept_large=True)
        self.gone += done["intended"]

    def _parcel(self, day: int) -> tuple[Parcel, dict[str, bytes]]:
        name, listed, data = f"v{self.pixel}", [], {}
        for _ in range(self.datasets):
            content = content_of(self.pixel)
            leaf = SafeName(f"{day}/{name}/{self.pixel}.json")
            ref = {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(leaf))),
                "dataset_type": TYPE,
                "run": RUN,
                "data_id": {"htm9": self.pixel},
            }
            formatter = "lsst.daf.butler.formatters.json.JsonFormatter"
            listed.append(ParcelFile(leaf, digest_bytes(content), (ref,), formatter))
            data[f"level1/{leaf}"] = content
            self.pixel += 1
        kind = {
            "dimensions": ["htm9"],
            "storage_class": "StructuredDataDict",
            "is_calibration": False,
        }
        parcel = Parcel(
            f"level1/{day}/{name}", Kind.LEVEL1, "", "", day,
            tuple(sorted(listed, key=lambda each: each.name)), {TYPE: kind}, universe(),
        )  # fmt: skip
        data[f"level1/{parcel.name.manifest_name}"] = parcel.data
        return parcel, data

    @contextmanager
    def observed(self) -> Iterator[Observer]:
        """Have everything looked at meanwhile."""
        observer = Observer(self.root)
        observer.start()
        try:
            yield observer
        finally:
            observer.end()


def universe() -> dict[str, Any]:
    """Name the dimension universe that parcels follow."""
    from lsst.daf.butler import DimensionUniverse

    universe = DimensionUniverse()
    return {"namespace": universe.namespace, "version": universe.version}


class Observer:
    """Be the observer's process, seen from the campaign."""

    def __init__(self, root: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop, self._passes = context.Event(), context.Value("q", 0)
        self._answers = context.Queue()
        self._process = context.Process(
            target=observe, args=(root, self._stop, self._passes, self._answers), daemon=True
        )
        self.seen = Seen()
        self.number_wrong = 0

    def start(self) -> None:
        """Start, and wait for the first pass."""
        self._process.start()
        self.wait_for_pass(timeout_s=120)

    def wait_for_pass(self, number: int = 1, timeout_s: float = 60) -> None:
        """Wait until it has looked at everything so many times more."""
        wanted, until = self._passes.value + number, time.monotonic() + timeout_s
        while self._passes.value < wanted:
            if not self._process.is_alive() or time.monotonic() > until:
                raise AssertionError("the observer does not look any more")
            time.sleep(0.005)

    def end(self) -> None:
        """Have it stop and say what it saw."""
        self._stop.set()
        passes, rows, wrong, self.number_wrong = self._answers.get(timeout=60)
        self.seen = Seen(passes, rows, wrong)
        self._process.join(60)


def run_campaign(
    folder: Path,
    units: int,
    at_once: int,
    between: Callable[[Observer], None] | None = None,
    within_s: float = float("inf"),
) -> tuple[Campaign, Observer]:
    """Publish and expire so many units, or those for which there is time, while an observer looks."""
    until = time.monotonic() + within_s
    campaign = Campaign(folder)
    campaign.publish(1)  # the dataset type and the run exist before anybody asks for them
    with campaign.observed() as observer:
        while campaign.units < units and time.monotonic() < until:
            campaign.publish(min(at_once, units - campaign.units))
            if between is not None:
                between(observer)
            campaign.expire()
    return campaign, observer
