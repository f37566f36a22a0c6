"""A whole backbone in memory: stores, Rucio and two Butlers that promise what the real ones do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from dbb.flows.arrivals import Arrivals, receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.releasing import read_again, release_units
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.engine import open_engine
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sidecars import read_sidecars
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.endpoint import RawPolicy
from dbb.model.exposure import ExposureFacts
from dbb.model.kind import Kind
from dbb.model.policy import Policy, PolicyBook, Selection
from support.fake_catalog import MemoryCatalog
from support.fake_clock import FixedClock
from support.fake_images import MemoryIndexer, MemoryInspector
from support.fake_repository import MemoryRepository
from support.fake_store import MemoryStore
from support.faults import Schedule, faulty
from support.tiny_camera import TINY

T = TypeVar("T")
NIGHT = DayObs(20261121)

POLICY = RawPolicy(
    instruments=("LSSTCam",),
    scope="raw",
    run="{instrument}/raw/all",
    source="summit",
    archive="usdf",
    copies_before_release=2,
    incomplete_after_s=3600,
    settle_s=2,
    chunk_exposures=10,
    receivers=("frdf", "ukdf"),
)
POLICIES = PolicyBook(
    (
        Policy("raw-frdf", "frdf", Selection(Kind.RAW), ("usdf",)),
        Policy("raw-ukdf", "ukdf", Selection(Kind.RAW, region="uk"), ("frdf", "usdf")),
        Policy("products-frdf", "frdf", Selection(Kind.PRODUCT), ("usdf",)),
        Policy("products-chile", "chile", Selection(Kind.PRODUCT), ("usdf", "frdf")),
        Policy("files-frdf", "frdf", Selection(Kind.FILE), ("usdf",)),
        Policy("lfa-frdf", "frdf", Selection(Kind.LFA), ("usdf",)),
    )
)
RSES = {"usdf": "USDF", "frdf": "FRDF", "ukdf": "UKDF", "chile": "CHILE"}


class MemorySky:
    """Know which exposures touch which region: those that a test names."""

    def __init__(self) -> None:
        self.touched: dict[str, frozenset[str]] = {}
        """Regions by ``obs_id``; tests fill it."""

    @property
    def version(self) -> str:
        return repr(sorted((name, sorted(regions)) for name, regions in self.touched.items()))

    def regions_touched(self, facts: ExposureFacts) -> frozenset[str] | None:
        return self.touched.get(facts.obs_id, frozenset())


@dataclass
class World:
    """Hold what outlives a process: stores, services and databases.

    Parameters
    ----------
    ledger_url
        Database of the ledger.
    """

    ledger_url: str = "sqlite://"
    clock: FixedClock = field(default_factory=FixedClock)
    policy: RawPolicy = POLICY
    policies: PolicyBook = POLICIES

    def __post_init__(self) -> None:
        self.stores = {name: MemoryStore(name, self.clock) for name in ("summit", *RSES)}
        self.catalog = MemoryCatalog(
            {rse: self.stores[name] for name, rse in RSES.items()}, (self.policies, RSES)
        )
        self.repositories = {name: MemoryRepository(self.stores[name]) for name in RSES}
        self.served = [self.repositories[name] for name in ("usdf", "frdf")]
        self.sky = MemorySky()
        self.ledger = SqlLedger(open_engine(self.ledger_url), self.clock, "test")
        self.ledger.migrate()
        self.inbox = SqlInbox(self.ledger)
        self.calibrations = SqlCalibrations(self.ledger)

    @property
    def summit(self) -> MemoryStore:
        return self.stores["summit"]

    def backbone(self, schedule: Schedule | None = None) -> Backbone:
        """Open the ports, as a new process does; all of them share a schedule of faults."""

        def port(real: T) -> T:
            return real if schedule is None else faulty(real, schedule)

        return Backbone(
            policy=self.policy,
            policies=self.policies,
            instruments={"LSSTCam": TINY},
            rses={"summit": "", **RSES},
            ledger=port(self.ledger),
            calibrations=port(self.calibrations),
            inbox=port(self.inbox),
            clock=self.clock,
            catalog=port(self.catalog),
            inspector=MemoryInspector(),
            indexer=MemoryIndexer(),
            sky=self.sky,
            sidecars=read_sidecars,
            store=lambda name: port(self.stores[name]),
            repository=lambda name: port(self.repositories[name]),
        )

    def settle(self, seconds: float = 10) -> None:
        """Let files come to rest."""
        self.clock.advance(seconds)

    def state(self, unit: str, endpoint: str) -> State | None:
        delivery = self.ledger.deliveries([unit]).get((unit, endpoint))
        return None if delivery is None else delivery.state

    def codes(self, unit: str | None = None) -> list[str]:
        return sorted(item.code for item in self.ledger.refusals(unit=unit))


def run_night(
    world: World, schedule: Schedule | None = None, *, broken: dict[str, str] | None = None
) -> Arrivals:
    """Do what one run of the DAG does, step by step."""
    backbone = world.backbone(schedule)
    arrivals = receive_arrivals(backbone, NIGHT)
    land_units(backbone, arrivals.work)
    judged = [row.unit for row, _ in find_ungated(backbone, arrivals.work)]
    failures = {unit: why for unit, why in (broken or {}).items() if unit in judged}
    apply_gate(backbone, judged, failures)
    register_units(backbone, arrivals.work)
    publish_units(backbone, arrivals.work, "usdf")
    for endpoint in world.policy.receivers:
        world.catalog.run_daemons()
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)
    read_again(backbone, arrivals.work)
    release_units(backbone, arrivals.work)
    return arrivals
