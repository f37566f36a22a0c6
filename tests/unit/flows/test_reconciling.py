"""The reconciler: each case of the table, and what must never be a finding."""

import dataclasses
from pathlib import Path

import pytest

from dbb.errors import BadDayObs, CatalogUnavailable, StoreUnavailable
from dbb.flows.reconcile_views import CONFIRM_AFTER
from dbb.flows.reconciling import choose_nights, reconcile_night
from dbb.model.day_obs import DayObs
from dbb.model.finding import Discrepancy, FindingState
from support.discrepancies import CASES, bring, render
from support.fake_nights import open_sources
from support.faults import Schedule
from support.world import NIGHT, World

DAY_S = 24 * 3600
ROOT = Path(__file__).resolve().parents[3]


def settled(stage="done"):
    """A world in which a night is over: three exposures done, a fourth as far as a stage."""
    world = World()
    world.sky.touched["MC_O_20261121_000001"] = frozenset({"uk"})
    bring(world, range(1, 4))
    (unit,) = bring(world, range(4, 5), stage)
    world.clock.advance(DAY_S)
    return world, unit


def scan(world, sources=None):
    scans = reconcile_night(sources or open_sources(world), NIGHT)
    assert all(not each.silent for each in scans)
    return {
        (seen.endpoint, seen.discrepancy, seen.subject)
        for each in scans
        for seen in each.sightings
    }


def states(world, **options):
    found = open_sources(world).findings.find(**options)
    return {(each.sighting.endpoint, each.sighting.discrepancy): each.state for each in found}


# -- the table of cases ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_discrepancy_is_named_alone_and_confirmed_by_a_second_scan(case):
    world, unit = settled(case.stage)
    subject = case.plant(world, unit)
    world.clock.advance(3600)
    key = (case.endpoint, case.discrepancy)
    assert scan(world) == {(*key, subject)}
    assert states(world) == {key: FindingState.SUSPECTED}
    world.clock.advance(CONFIRM_AFTER.total_seconds() - 1)
    scan(world)
    assert states(world) == {key: FindingState.SUSPECTED}
    world.clock.advance(2)
    scan(world)
    assert states(world) == {key: FindingState.CONFIRMED}


@pytest.mark.parametrize("case", [case for case in CASES if case.stage == "done"], ids=str)
def test_before_the_damage_there_was_nothing_to_find(case):
    world, _ = settled(case.stage)
    assert scan(world) == set()


def test_every_kind_of_discrepancy_has_a_case():
    assert {case.discrepancy for case in CASES} == set(Discrepancy)


def test_the_reference_page_is_written_from_the_cases():
    assert (ROOT / "docs/reference/reconcile.md").read_text(encoding="utf-8") == render()


# -- suspected, confirmed, closed ------------------------------------------------------------------


def test_what_is_mended_is_closed_and_when_it_comes_back_is_suspected_anew():
    world, unit = settled()
    name = f"raw/{unit.rpartition('/')[0]}/{unit.rpartition('/')[2]}"
    stem = unit.rpartition("/")[2]
    name = f"{name}/{stem}.zip"
    data = world.stores["frdf"].data(name)
    world.stores["frdf"].delete([name])
    for _ in range(2):
        scan(world)
        world.clock.advance(1000)
    assert list(states(world).values()) == [FindingState.CONFIRMED]
    world.stores["frdf"].put(name, data)
    scan(world)
    assert states(world) == {}
    (finding,) = open_sources(world).findings.find(with_closed=True)
    assert finding.state is FindingState.CLOSED
    assert finding.closed_at == world.clock.now()
    world.stores["frdf"].delete([name])
    world.clock.advance(1000)
    scan(world)
    (finding,) = open_sources(world).findings.find()
    assert (finding.state, finding.scans) == (FindingState.SUSPECTED, 1)
    assert finding.first_seen_at == world.clock.now()


def test_a_scan_recorded_twice_counts_once():
    world, unit = settled()
    world.stores["frdf"].delete([f"raw/LSSTCam/20261121/{unit[-20:]}/{unit[-20:]}.zip"])
    sources = open_sources(world)
    scans = reconcile_night(sources, NIGHT)
    for each in scans:
        sources.findings.record(each)
    (finding,) = sources.findings.find()
    assert finding.scans == 1


class Silent(Schedule):
    """Have every call of one name fail."""

    def __init__(self, label, error):
        super().__init__(error=error)
        self.label = label

    def begin(self, label):
        if label == self.label:
            raise self.error
        return super().begin(label)


def test_a_silent_service_neither_finds_nor_closes_anything_of_its_own():
    world, unit = settled()
    case = next(case for case in CASES if case.discrepancy is Discrepancy.RULE_LACKING)
    case.plant(world, unit)
    _delete_frdf(world, unit)
    assert len(scan(world)) == 2
    _mend_frdf(world, unit)
    world.clock.advance(1000)
    down = CatalogUnavailable.for_call("replicas", "down")
    sources = open_sources(world, Silent("MemoryRucioNights.replicas_at", down))
    scans = reconcile_night(sources, NIGHT)
    assert {each.endpoint: each.silent for each in scans}["frdf"] == [down]
    assert states(world) == {("frdf", Discrepancy.RULE_LACKING): FindingState.SUSPECTED}


def test_a_store_that_is_away_gives_no_missing_files():
    world, _ = settled()
    away = StoreUnavailable.for_store("frdf", "away")
    scans = reconcile_night(open_sources(world, Silent("MemoryStore.list_files", away)), NIGHT)
    assert [seen for each in scans for seen in each.sightings] == []
    assert all(each.silent == [away] for each in scans)


def _frdf_name(unit):
    return f"raw/LSSTCam/20261121/{unit[-20:]}/{unit[-20:]}.zip"


def _delete_frdf(world, unit):
    world.stores["frdf"].delete([_frdf_name(unit)])


def _mend_frdf(world, unit):
    world.stores["frdf"].put(_frdf_name(unit), world.stores["usdf"].data(_frdf_name(unit)))


# -- which nights ----------------------------------------------------------------------------------


def test_tonight_is_never_compared():
    world = World()
    with pytest.raises(BadDayObs, match="not over"):
        reconcile_night(open_sources(world), NIGHT)
    world.clock.advance((NIGHT.end - world.clock.now()).total_seconds() + 1800)
    with pytest.raises(BadDayObs, match="not over"):
        reconcile_night(open_sources(world), NIGHT)
    assert choose_nights(open_sources(world), 3, 3) == []


def test_recent_nights_those_with_findings_and_the_longest_unseen_are_chosen():
    world, unit = settled()
    base = world.ledger.units([unit])[unit]
    nights = [20261001, 20261002, 20261003, 20261004]
    for day in nights:
        name = f"LSSTCam/{day}/MC_O_{day}_000001"
        obs_id = f"MC_O_{day}_000001"
        row = dataclasses.replace(base, unit=name, day_obs=day, obs_id=obs_id, manifest_sha256="")
        world.ledger.note_units([row])
    sources = open_sources(world)
    reconcile_night(sources, DayObs(20261001))
    world.stores["frdf"].put("raw/LSSTCam/20261003/stray", b"x")
    world.clock.advance(3600)
    reconcile_night(sources, DayObs(20261003))
    chosen = choose_nights(sources, 1, 1)
    assert chosen == [DayObs(20261002), DayObs(20261003), NIGHT]
    for night in chosen:
        reconcile_night(sources, night)
        world.clock.advance(60)
    assert choose_nights(sources, 1, 1) == [DayObs(20261003), DayObs(20261004), NIGHT]
    reconcile_night(sources, DayObs(20261004))
    assert choose_nights(sources, 1, 1) == [DayObs(20261001), DayObs(20261003), NIGHT]


def test_it_changes_nothing_but_its_findings():
    world = World()
    units = bring(world, range(1, len(CASES) + 1))
    world.clock.advance(DAY_S)
    cases = [case for case in CASES if case.stage == "done"]
    for case, unit in zip(cases, units, strict=False):
        case.plant(world, unit)
    world.clock.advance(3600)

    def look():
        stores = {
            name: [(each, store.data(each)) for each in store.names]
            for name, store in world.stores.items()
        }
        datasets = {name: dict(each.datasets) for name, each in world.repositories.items()}
        rucio = (sorted(world.catalog.datasets), sorted(world.catalog._rules))
        return stores, datasets, rucio, [world.ledger.events(unit) for unit in units]

    before = look()
    assert len(scan(world)) == len(cases)
    assert look() == before
