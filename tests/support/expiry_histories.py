"""Random histories of caches, and an oracle that knows by itself what may go.

A history is a handful of units at three endpoints, and steps in random order: units come, time passes, pins come
and end, copies are read again, go bad and come back, and expiry runs at an endpoint, sometimes with a pin or a bad
copy between plan and intention, sometimes killed at any operation of any port. The oracle keeps its own books; it
looks at every intention when it is written, and at every file when it is deleted.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dbb.digests import digest_bytes
from dbb.errors import PlanRefused
from dbb.flows.cargo import Cargo, dataset_did
from dbb.flows.expiring import apply_expiry, finish_expiries, plan_expiry
from dbb.flows.expiring_units import UnitsPlace
from dbb.flows.expiry_views import Wish
from dbb.hooks.expiry import SqlExpiry
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.expiry import By, ExpiryBook, Rule
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile
from dbb.model.policy import Policy, PolicyBook, Selection
from dbb.ports.catalog import CatalogEntry, RuleWish
from dbb.ports.repository import LandedParcel
from support.faults import Killed, Schedule, faulty
from support.world import RSES, World

LIFETIME = dt.timedelta(days=30)
SHORT = dt.timedelta(days=10)
LATELY = dt.timedelta(days=60)
DAY = dt.timedelta(days=1)

WHERE = {Kind.LEVEL1: ("usdf", "frdf"), Kind.PRODUCT: ("usdf", "frdf", "chile")}
PLACES = ("usdf", "frdf", "chile")

LEVEL1 = Rule("level1", ("usdf", "frdf"), Kind.LEVEL1, LIFETIME.days, spare_tagged=False)
PRODUCTS = Rule(
    "short", ("frdf", "chile"), Kind.PRODUCT, SHORT.days, By.INGEST,
    copies=2, verified_within_days=LATELY.days,
)  # fmt: skip
BOOK = ExpiryBook((LEVEL1, PRODUCTS), 100)
POLICIES = PolicyBook(
    (
        Policy("level1-frdf", "frdf", Selection(Kind.LEVEL1), ("usdf",), copies=1),
        Policy("products-frdf", "frdf", Selection(Kind.PRODUCT), ("usdf",)),
        Policy("products-chile", "chile", Selection(Kind.PRODUCT), ("usdf",)),
    )
)


def make_parcel(kind: Kind, day: int, name: str, files: int = 2) -> tuple[Parcel, dict[str, bytes]]:
    """Make a parcel of a few files, each a dataset."""
    data = {f"{day}/{name}/{number}.bin": f"{name} {number}".encode() for number in range(files)}
    listed = []
    for leaf, content in sorted(data.items()):
        ref = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{leaf}")),
            "dataset_type": "difference_image",
            "run": "LSSTCam/level1",
            "data_id": {"instrument": "LSSTCam", "visit": 1},
        }
        listed.append(ParcelFile(SafeName(leaf), digest_bytes(content), (ref,), "some.Formatter"))
    types = {
        "difference_image": {"dimensions": ["visit"], "storage_class": "X", "is_calibration": False}
    }
    unit = f"{kind.scope}/{day}/{name}"
    return Parcel(unit, kind, "LSSTCam", "", day, tuple(listed), types), data


def publish_parcel(world: World, kind: Kind, day: int, name: str, files: int = 2) -> Parcel:
    """Lay a parcel down and publish it where it belongs, by the shortest way that leaves all records."""
    parcel, data = make_parcel(kind, day, name, files)
    row_name, ledger = parcel.unit, world.ledger
    ledger.seal_parcel(parcel)
    data[str(parcel.name.manifest_name)] = parcel.data
    row = ledger.units([row_name])[row_name]
    entry = CatalogEntry(dataset_did(row), Cargo(row, parcel).files, kind)
    world.catalog.register([entry], RSES["usdf"])
    world.catalog.datasets[entry.dataset].is_new = False  # its rules are made here
    for place in WHERE[kind]:
        store = world.stores[place]
        for leaf, content in data.items():
            store.put(f"{kind.scope}/{leaf}", content)
        if place != "usdf":
            (rule,) = world.catalog.ensure_rules(
                [entry.dataset], RuleWish(RSES[place], "x")
            ).values()
            ledger.expect([row_name], place, "for a history")
            ledger.set_rules({row_name: rule}, place)
        else:
            ledger.expect([row_name], place, "for a history")
        urls = {str(file.name): store.url_of(f"{kind.scope}/{file.name}") for file in parcel.files}
        world.repositories[place].ingest_parcels([LandedParcel(parcel, urls, certify=False)])
        for old, new in (
            (State.EXPECTED, State.ARRIVED),
            (State.ARRIVED, State.VERIFIED),
            (State.VERIFIED, State.REGISTERED),
            (State.REGISTERED, State.PUBLISHED),
        ):
            ledger.advance([row_name], place, old, new, "for a history")
    world.catalog.run_daemons()
    return parcel


class WatchedExpiry(SqlExpiry):
    """Tell a watcher of every intention, just before and just after it is written."""

    before: Callable[[str], None] = staticmethod(lambda _: None)
    after: Callable[[str, Rule, set[str]], None] = staticmethod(lambda *_: None)

    def intend(
        self, endpoint: str, rule: Rule, wishes: Iterable[Wish], *, are_units: bool
    ) -> set[str]:
        self.before(endpoint)
        intended = super().intend(endpoint, rule, list(wishes), are_units=are_units)
        self.after(endpoint, rule, intended)
        return intended


@dataclass
class _Copy:
    served_at: dt.datetime
    read_at: dt.datetime
    is_good: bool = True
    bad_since: dt.datetime | None = None


@dataclass
class History:
    """Play one history and keep books of its own.

    Parameters
    ----------
    seed
        What makes it this one and no other.
    """

    seed: int
    wrong: list[str] = field(default_factory=list)
    steps: int = 0
    deletions: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - a history, no secret
        self.world = World(policies=POLICIES)
        self.world.catalog.subscriptions = (PolicyBook(), {})
        self.parcels: dict[str, Parcel] = {}
        self.copies: dict[tuple[str, str], _Copy] = {}
        self.intended: set[tuple[str, str]] = set()
        self.pins: list[tuple[str, str, str, dt.datetime]] = []
        self.rows = WatchedExpiry(self.world.ledger)
        self.rows.before, self.rows.after = self._disturb, self._judge
        for place in PLACES:
            self._watch(place)

    # -- the oracle ----------------------------------------------------------------------------

    @property
    def now(self) -> dt.datetime:
        return self.world.clock.now()

    def may_go(self, unit: str, place: str) -> bool:
        """Say, by these books alone, whether a copy may go now."""
        parcel, copy = self.parcels[unit], self.copies[unit, place]
        if any(
            self.now < until and where in ("", place) and f"{unit}/".startswith(f"{subject}/")
            for _, subject, where, until in self.pins
        ):
            return False
        if parcel.kind is Kind.LEVEL1:
            return DayObs(parcel.day_obs).end + LIFETIME <= self.now
        others = [
            other
            for (name, elsewhere), other in self.copies.items()
            if name == unit and elsewhere != place
        ]
        good = [other for other in others if other.is_good and other.read_at >= self.now - LATELY]
        return place != "usdf" and copy.served_at + SHORT <= self.now and len(good) >= 2

    def must_go(self, unit: str, place: str) -> bool:
        """Say whether a run that ends well must leave nothing of a copy."""
        copy = self.copies[unit, place]
        if not copy.is_good:
            is_level1 = self.parcels[unit].kind is Kind.LEVEL1
            rested = copy.bad_since is not None and copy.bad_since <= self.now - DAY
            return is_level1 and rested and self.may_go(unit, place)
        return self.may_go(unit, place)

    def _judge(self, place: str, rule: Rule, intended: set[str]) -> None:
        for unit in sorted(intended):
            if not self.may_go(unit, place):
                self.wrong.append(f"{unit} goes from {place} by {rule.name} and may not")
        for unit in intended:
            self.copies.pop((unit, place), None)
            self.intended.add((unit, place))

    def _watch(self, place: str) -> None:
        store, repository = self.world.stores[place], self.world.repositories[place]
        delete = store.delete

        def watched(names: Iterable[str]) -> None:
            names = list(names)
            for name in names:
                scope, day, leaf, *_ = name.split("/")
                unit = f"{scope}/{day}/{leaf}"
                self.deletions += 1
                if (unit, place) not in self.intended:
                    self.wrong.append(f"{name} is deleted at {place} and nobody intended it")
                ids = {ref["id"] for file in self.parcels[unit].files for ref in file.refs}
                if ids & set(repository.datasets):
                    self.wrong.append(f"{name} is deleted at {place} and Butler still serves it")
            delete(names)

        store.delete = watched

    def look(self) -> None:
        """Look as a reader does: no row without its file, nothing published that is not served."""
        for place in PLACES:
            names = set(self.world.stores[place].names)
            url = f"{self.world.stores[place].url}/"
            for dataset in self.world.repositories[place].datasets.values():
                name = dataset.partition("#")[0].removeprefix(url)
                if name not in names:
                    self.wrong.append(f"{place} serves {name}, which is not there")

    def check_end(self) -> None:
        """Look when expiry has run well at every endpoint: what must go is gone, whole."""
        for unit, place in [key for key in self.copies if self.must_go(*key)]:
            self.wrong.append(f"{unit} stays at {place} beyond its time")
        for unit, place in self.intended:
            if any(name.startswith(f"{unit}/") for name in self.world.stores[place].names):
                self.wrong.append(f"files of {unit} are left at {place}")

    # -- steps ---------------------------------------------------------------------------------

    def play(self, steps: int = 25) -> list[str]:
        """Play; name what went wrong."""
        kinds = [self._come] * 3 + [self._wait] * 5 + [self._run] * 6
        kinds += [self._pin, self._unpin, self._read, self._lose, self._recover]
        self._come()
        for _ in range(steps):
            self.random.choice(kinds)()
            self.look()
            self.steps += 1
        for place in PLACES:
            self._expire(place, None)
        self.look()
        self.check_end()
        self.world.ledger.engine.dispose()
        return [f"history {self.seed}: {each}" for each in self.wrong]

    def _come(self) -> None:
        kind = self.random.choice((Kind.LEVEL1, Kind.LEVEL1, Kind.PRODUCT))
        observed = self.now - self.random.choice((0, 0, 1, 9, 29, 30, 31)) * DAY
        day, name = DayObs.at(observed).value, f"p{len(self.parcels)}"
        parcel = publish_parcel(self.world, kind, day, name)
        self.parcels[parcel.unit] = parcel
        for place in WHERE[kind]:
            self.copies[parcel.unit, place] = _Copy(self.now, self.now)

    def _wait(self) -> None:
        hours = self.random.choice((1, 6, 23, 24, 72, 240, 241, 480, 719))
        self.world.clock.advance(3600 * hours)

    def _subject(self) -> str:
        unit = self.random.choice(sorted(self.parcels))
        return unit if self.random.random() < 0.6 else unit.rpartition("/")[0]

    def _pin(self) -> None:
        subject, place = self._subject(), self.random.choice(("", *PLACES))
        until = self.now + self.random.choice((1, 5, 40)) * DAY
        pin, _ = self.rows.pin(subject, place, "precovery", "for a history", until)
        self.pins.append((pin.pin_id, subject, place, until))

    def _unpin(self) -> None:
        if self.pins:
            pin = self.random.choice(self.pins)
            self.rows.unpin([pin[0]])
            self.pins.remove(pin)

    def _any_copy(self, *, good: bool) -> tuple[str, str] | None:
        found = [key for key, copy in sorted(self.copies.items()) if copy.is_good is good]
        return self.random.choice(found) if found else None

    def _read(self) -> None:
        for unit in sorted(self.parcels):
            if self.random.random() < 0.6:
                for place in PLACES:
                    copy = self.copies.get((unit, place))
                    if copy is not None and copy.is_good:
                        self.world.ledger.note_read([unit], place)
                        copy.read_at = self.now

    def _lose(self) -> None:
        key = self._any_copy(good=True)
        if key:
            self.world.ledger.advance(
                [key[0]], key[1], State.PUBLISHED, State.SUSPECT, "for a history"
            )
            self.copies[key].is_good, self.copies[key].bad_since = False, self.now

    def _recover(self) -> None:
        key = self._any_copy(good=False)
        if key:
            unit, place = key
            for old, new in (
                (State.SUSPECT, State.ARRIVED),
                (State.ARRIVED, State.VERIFIED),
                (State.VERIFIED, State.REGISTERED),
                (State.REGISTERED, State.PUBLISHED),
            ):
                self.world.ledger.advance([unit], place, old, new, "for a history")
            self.copies[key].is_good, self.copies[key].read_at = True, self.now

    def _disturb(self, _place: str) -> None:
        """Come between the plan and the intention."""
        dice = self.random.random()
        if dice < 0.15:
            self._pin()
        elif dice < 0.25:
            self._lose()

    def _run(self) -> None:
        place = self.random.choice(PLACES)
        dice = self.random.random()
        if dice < 0.5:
            self._expire(place, None)
        else:
            when = "before" if dice < 0.75 else "after"
            self._expire(place, Schedule(self.random.randrange(24), when))

    def _expire(self, place: str, schedule: Schedule | None) -> None:
        """Run expiry at an endpoint, as a new process does; it may be killed anywhere."""
        backbone = self.world.backbone(schedule)
        rows = self.rows if schedule is None else faulty(self.rows, schedule)
        here = UnitsPlace(backbone, rows, place)
        with contextlib.suppress(Killed, PlanRefused):
            finish_expiries(here, rows)
            plan = plan_expiry(here, rows, BOOK, self.now)
            apply_expiry(here, rows, BOOK, self.now, plan.sha256)


def play_many(first: int, number: int, steps: int = 25) -> tuple[int, int, list[str]]:
    """Play histories; give their steps, the files they deleted, and what went wrong."""
    played, deleted, wrong = 0, 0, []
    for seed in range(first, first + number):
        history = History(seed)
        wrong += history.play(steps)
        played += history.steps
        deleted += history.deletions
    return played, deleted, wrong
