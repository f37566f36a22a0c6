"""The reconciler: each case of the table, and what must never be a finding."""

from pathlib import Path

import pytest

from dbb.errors import CatalogUnavailable, StoreUnavailable, UnknownEndpoint
from dbb.flows.manifests import read_manifest
from dbb.flows.reconcile_views import CONFIRM_AFTER
from dbb.flows.reconciling import reconcile_night
from dbb.model.finding import Aspect, Discrepancy, FindingState
from dbb.model.fingerprint import Fingerprint, fingerprint_of
from support.discrepancies import CASES
from support.fake_nights import open_sources
from support.faults import Killed, Schedule
from support.reconcile_page import render
from support.reconciled import DAY_S, scan, settled
from support.staged_units import bring
from support.world import NIGHT, World

ROOT = Path(__file__).resolve().parents[3]


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
    compared = {each for each in Discrepancy if each.aspect is not Aspect.CONSDB}
    assert {case.discrepancy for case in CASES} == compared


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


def test_a_manifest_that_cannot_be_fetched_just_now_closes_nothing():
    world, unit = settled()
    case = next(case for case in CASES if case.discrepancy is Discrepancy.SOURCE_LEFT)
    case.plant(world, unit)
    world.clock.advance(3600)
    assert len(scan(world)) == 1
    world.clock.advance(1000)
    away = StoreUnavailable.for_store("usdf", "away")
    scans = reconcile_night(open_sources(world, Silent("MemoryStore.open", away)), NIGHT)
    assert {each.endpoint: each.silent for each in scans}["summit"] == [away]
    assert states(world) == {("summit", Discrepancy.SOURCE_LEFT): FindingState.SUSPECTED}


def test_an_endpoint_that_takes_no_part_is_refused():
    world, _ = settled()
    with pytest.raises(UnknownEndpoint):
        reconcile_night(open_sources(world), NIGHT, ["oods"])


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


def test_a_scan_that_is_killed_anywhere_leaves_what_the_next_one_completes():
    world, unit = settled()
    _delete_frdf(world, unit)
    probe = Schedule()
    reconcile_night(open_sources(world, probe), NIGHT)
    for number in range(len(probe.seen)):
        world.clock.advance(1)
        with pytest.raises(Killed):
            reconcile_night(open_sources(world, Schedule(number)), NIGHT)
    world.clock.advance(601)
    assert scan(world) == {("frdf", Discrepancy.FILE_GONE, unit)}
    assert states(world) == {("frdf", Discrepancy.FILE_GONE): FindingState.CONFIRMED}


def test_a_scan_that_ends_late_does_not_undo_a_later_one():
    world, unit = settled()
    sources = open_sources(world)
    early = reconcile_night(sources, NIGHT)
    _delete_frdf(world, unit)
    world.clock.advance(60)
    scan(world, sources)
    for each in early:
        sources.findings.record(each)
    assert states(world) == {("frdf", Discrepancy.FILE_GONE): FindingState.SUSPECTED}


# -- fingerprints ----------------------------------------------------------------------------------


def test_fingerprints_are_known_since_the_bundle_was_sealed_and_computed_where_they_are_not():
    world, unit = settled()
    findings = open_sources(world).findings
    manifest = read_manifest(world.backbone(), world.ledger.units([unit])[unit])
    known = {unit: (manifest.sha256, fingerprint_of(manifest))}
    assert findings.fingerprints([unit]) == known
    findings.note_fingerprints({unit: ("of another manifest", Fingerprint(1, 2, 3))})
    assert scan(world) == set()
    assert findings.fingerprints([unit]) == known


def test_no_manifest_of_an_exposure_that_is_well_is_read():
    world, _ = settled()
    probe = Schedule()
    reconcile_night(open_sources(world, probe), NIGHT)
    assert "MemoryStore.open" not in probe.seen
    assert "MemoryButlerNights.datasets" not in probe.seen


# -- nothing is repaired -----------------------------------------------------------------------------


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


# -- when nearly everything is wrong ---------------------------------------------------------------


def test_a_registry_that_is_empty_is_told_without_reading_a_manifest():
    world, _ = settled()
    world.repositories["frdf"].datasets.clear()
    probe = Schedule()
    scans = reconcile_night(open_sources(world, probe), NIGHT)
    seen = [each for scan in scans for each in scan.sightings]
    assert {each.discrepancy for each in seen} == {Discrepancy.BUTLER_LACKS}
    assert [each.evidence["number"] for each in seen] == [3] * 4
    assert "MemoryStore.open" not in probe.seen


def test_a_store_that_has_moved_is_told_without_reading_a_manifest():
    world, _ = settled()
    datasets = world.repositories["frdf"].datasets
    for key, url in list(datasets.items()):
        datasets[key] = url.replace("memory://frdf", "memory://old/frdf")
    probe = Schedule()
    scans = reconcile_night(open_sources(world, probe), NIGHT)
    seen = [each for scan in scans for each in scan.sightings]
    assert [each.discrepancy for each in seen] == [Discrepancy.BUTLER_ELSEWHERE] * 4
    assert all("memory://old/frdf" in each.evidence["files"][0] for each in seen)
    assert "MemoryStore.open" not in probe.seen


def test_datasets_of_an_unpublished_unit_from_an_unknown_file_are_told_once():
    world, unit = settled()
    usdf = world.repositories["usdf"].datasets
    mine = {key: url for key, url in usdf.items() if unit[-20:] in url}
    world.repositories["ukdf"].datasets.update(mine)
    world.clock.advance(3600)
    assert scan(world) == {("ukdf", Discrepancy.BUTLER_UNPUBLISHED, unit)}
