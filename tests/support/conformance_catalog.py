"""What every catalogue promises: the one in memory passes the same suite as a real Rucio.

The tests see a catalogue through a *bench*, which also shows what no flow may look at.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from dbb.digests import digest_bytes
from dbb.errors import ConflictingDuplicate, Misconfigured
from dbb.model.exposure import Unit
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import Did, SafeName
from dbb.ports.catalog import (
    Catalog,
    CatalogEntry,
    CatalogFile,
    Lock,
    RuleState,
    RuleStatus,
    RuleWish,
)
from dbb.ports.store import Store

ACTIVITY = "Nightly"
SCOPE = "raw"
ZIP = {"rubin_butler": "zip_file", "rubin_sidecar": ""}
CYCLES = 60
"""How often the daemons may run until a rule has come true; a real transfer takes a few."""


class CatalogBench(Protocol):
    """A catalogue with three RSEs and everything that makes its rules come true."""

    catalog: Catalog
    archive: str
    receiver: str
    third: str

    def store(self, rse: str) -> Store:
        """Give the store of an RSE; files lie there as ``scope/name``."""

    def cycle(self) -> None:
        """Run the daemons once."""

    def repair(self) -> None:
        """Run the daemon that tries stuck rules again."""

    def is_open(self, dataset: Did) -> bool:
        """Say whether a dataset takes files."""

    def content(self, dataset: Did) -> set[Did]:
        """List the files of a dataset."""

    def metadata(self, did: Did) -> dict[str, Any]:
        """Read the metadata of a file."""

    def remove_rule(self, rule_id: str) -> None:
        """Have a rule expire."""


@dataclass(frozen=True)
class Bundle:
    """Hold a bundle's manifest, and its entry."""

    manifest: Manifest

    @property
    def entry(self) -> CatalogEntry:
        unit = self.manifest.unit
        return CatalogEntry(
            dataset=Did(SCOPE, unit.rucio_dataset),
            files=(
                CatalogFile(Did(SCOPE, unit.bundle_name), self.manifest.bundle, ZIP),
                CatalogFile(Did(SCOPE, unit.manifest_name), digest_bytes(self.manifest.data)),
            ),
            instrument=unit.instrument,
            program="BLOCK-365",
            labels=".raw-ukdf.",
        )


def manifest_of(unit: Unit, data: bytes = b"bundle") -> Manifest:
    """Make the manifest of a bundle with these bytes."""
    digest = digest_bytes(data)
    return Manifest(
        unit=unit,
        scope=SCOPE,
        bundle=digest,
        entries=(Entry(SafeName("a.fits"), digest, {"id": "1"}),),
        missing=(),
        universe={},
        records={},
    )


def entry_of(unit: Unit, data: bytes = b"bundle") -> CatalogEntry:
    """Make the entry of a bundle with these bytes."""
    return Bundle(manifest_of(unit, data)).entry


def files_of(entry: CatalogEntry) -> tuple[Did, Did]:
    """Name the bundle and the manifest of an entry."""
    bundle, manifest = entry.files
    return bundle.did, manifest.did


def unit_of(entry: CatalogEntry) -> Unit:
    """Tell whose entry it is."""
    return Unit.parse("/".join(files_of(entry)[0].name.split("/")[:3]))


def lay_down(entry: CatalogEntry, store: Store, data: bytes = b"bundle") -> None:
    """Put the bundle and the manifest where their RSE has them."""
    manifest = manifest_of(unit_of(entry), data)
    for did, content in zip(files_of(entry), (data, manifest.data), strict=True):
        with store.create(f"{did.scope}/{did.name}") as writer:
            writer.write(content)


def wait_for(bench: CatalogBench, rule_id: str, *states: RuleState) -> RuleStatus:
    """Run the daemons until a rule is in one of some states."""
    for _ in range(CYCLES):
        status = bench.catalog.rules([rule_id])[rule_id]
        if status.state in states:
            return status
        bench.cycle()
    raise AssertionError(status)


class CatalogConformance:
    """The promises of ``dbb.ports.catalog.Catalog``; the fixture ``bench`` gives the catalogue."""

    @pytest.fixture
    def units(self) -> Iterator[Unit]:
        """Give units that no test before had: a real catalogue never forgets."""
        return _new_units()

    @pytest.fixture
    def entry(self, units: Iterator[Unit]) -> CatalogEntry:
        return entry_of(next(units))

    def test_registered_files_are_at_their_rse(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        replicas = bench.catalog.replicas(files_of(entry))
        assert list(replicas) == list(files_of(entry))
        for did, places in replicas.items():
            assert list(places) == [bench.archive]
            assert places[bench.archive].endswith(f"/{SCOPE}/{did.name}")

    def test_a_file_nobody_registered_is_nowhere(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        bundle, manifest = files_of(entry)
        assert bench.catalog.replicas([bundle, manifest]) == {bundle: {}, manifest: {}}
        assert bench.catalog.replicas([]) == {}

    def test_the_dataset_is_closed_and_holds_both_files(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        assert bench.content(entry.dataset) == set(files_of(entry))
        assert not bench.is_open(entry.dataset)

    def test_rubins_tools_find_their_metadata_on_the_bundle_only(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        bundle, manifest = files_of(entry)
        labels = bench.metadata(bundle)
        assert (labels["rubin_butler"], labels["rubin_sidecar"]) == ("zip_file", "")
        assert "rubin_butler" not in bench.metadata(manifest)

    def test_registering_twice_is_registering_once(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        for _ in range(2):
            bench.catalog.register([entry], bench.archive)
            assert bench.content(entry.dataset) == set(files_of(entry))
            assert not bench.is_open(entry.dataset)

    def test_known_and_new_entries_may_come_together(
        self, bench: CatalogBench, units: Iterator[Unit]
    ) -> None:
        entries = [entry_of(next(units)) for _ in range(3)]
        bench.catalog.register(entries[:1], bench.archive)
        bench.catalog.register(entries, bench.archive)
        for entry in entries:
            assert bench.content(entry.dataset) == set(files_of(entry))
            assert not bench.is_open(entry.dataset)

    def test_no_entries_are_no_work(self, bench: CatalogBench) -> None:
        bench.catalog.register([], bench.archive)
        assert bench.catalog.ensure_rules([], RuleWish(bench.receiver, ACTIVITY)) == {}
        assert bench.catalog.rules([]) == {}

    @pytest.mark.parametrize("data", [b"other", b"another size"])
    def test_other_bytes_under_a_known_name_are_a_conflict_that_names_the_file(
        self, bench: CatalogBench, entry: CatalogEntry, data: bytes
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        other = entry_of(unit_of(entry), data)
        with pytest.raises(ConflictingDuplicate) as caught:
            bench.catalog.register([other], bench.archive)
        assert str(files_of(entry)[0]) in str(caught.value)
        bench.catalog.register([entry], bench.archive)  # the first stays as it was

    def test_a_second_rse_is_a_second_replica(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        bench.catalog.register([entry], bench.receiver)
        for places in bench.catalog.replicas(files_of(entry)).values():
            assert set(places) == {bench.archive, bench.receiver}

    def test_an_unknown_rse_is_a_fault_of_the_installation(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        with pytest.raises(Misconfigured):
            bench.catalog.register([entry], "NOWHERE")
        bench.catalog.register([entry], bench.archive)
        with pytest.raises(Misconfigured):
            bench.catalog.ensure_rules([entry.dataset], RuleWish("NOWHERE", ACTIVITY))

    def test_a_rule_for_an_unknown_dataset_is_refused(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        with pytest.raises(Misconfigured):
            bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))

    def test_there_is_one_rule_for_each_dataset_and_rse(
        self, bench: CatalogBench, units: Iterator[Unit]
    ) -> None:
        entries = [entry_of(next(units)) for _ in range(3)]
        datasets = [entry.dataset for entry in entries]
        bench.catalog.register(entries, bench.archive)
        first = bench.catalog.ensure_rules(datasets[:2], RuleWish(bench.receiver, ACTIVITY))
        again = bench.catalog.ensure_rules(datasets, RuleWish(bench.receiver, ACTIVITY))
        assert list(first) == datasets[:2]
        assert set(again) == set(datasets)
        assert len(set(again.values())) == 3
        assert first.items() <= again.items()
        assert bench.catalog.ensure_rules(datasets, RuleWish(bench.receiver, ACTIVITY)) == again

    def test_a_rule_brings_both_files_to_its_rse(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        rules = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        assert wait_for(bench, rules[entry.dataset], RuleState.OK) == RuleStatus(RuleState.OK)
        for did, places in bench.catalog.replicas(files_of(entry)).items():
            assert set(places) == {bench.archive, bench.receiver}
            assert bench.store(bench.receiver).stat(f"{SCOPE}/{did.name}") is not None
        again = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        assert again == rules

    def test_a_replica_that_was_declared_bad_is_fetched_again(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        rules = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        wait_for(bench, rules[entry.dataset], RuleState.OK)
        bundle, _ = files_of(entry)
        place = bench.store(bench.receiver)
        good = _content(place, bundle)
        with place.create(f"{SCOPE}/{bundle.name}") as writer:
            writer.write(b"x" * len(good))
        bench.catalog.declare_bad([bundle], bench.receiver, "digest-mismatch")
        bench.catalog.declare_bad([bundle], bench.receiver, "digest-mismatch")
        for _ in range(CYCLES):
            if _content(place, bundle) == good:
                break
            bench.cycle()
        assert _content(place, bundle) == good
        wait_for(bench, rules[entry.dataset], RuleState.OK)

    def test_a_retired_replica_goes_and_one_that_a_rule_wants_stays(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        lay_down(entry, bench.store(bench.third))
        bench.catalog.register([entry], bench.archive)
        bench.catalog.register([entry], bench.third)
        rules = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        wait_for(bench, rules[entry.dataset], RuleState.OK)
        dids = files_of(entry)
        for rse in (bench.third, bench.receiver):
            for _ in range(2):  # again is no error
                bench.catalog.retire(dids, rse)
        for _ in range(CYCLES):
            if not any(bench.third in places for places in bench.catalog.replicas(dids).values()):
                break
            bench.cycle()
        kept = {frozenset(places) for places in bench.catalog.replicas(dids).values()}
        assert kept == {frozenset({bench.archive, bench.receiver})}

    def test_a_replica_that_is_right_after_all_is_available_again(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        bundle, _ = files_of(entry)
        bench.catalog.declare_bad([bundle], bench.archive, "digest-mismatch")
        assert bench.catalog.replicas([bundle])[bundle] == {}
        bench.catalog.register([entry], bench.archive)
        bench.catalog.declare_good([bundle], bench.archive)
        assert set(bench.catalog.replicas([bundle])[bundle]) == {bench.archive}

    def test_a_rule_that_waits_says_so(self, bench: CatalogBench, entry: CatalogEntry) -> None:
        bench.catalog.register([entry], bench.archive)
        rules = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        status = bench.catalog.rules(list(rules.values()))[rules[entry.dataset]]
        assert status.state in {RuleState.WAITING, RuleState.STUCK}
        assert status.reason

    def test_a_rule_without_a_source_gets_stuck_and_says_why(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)  # and nothing lies there
        rules = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        status = wait_for(bench, rules[entry.dataset], RuleState.STUCK)
        assert status.reason

    def test_locks_tell_the_rule_and_how_far_it_is_in_one_question(
        self, bench: CatalogBench, units: Iterator[Unit]
    ) -> None:
        here, unruled, unknown = (entry_of(next(units)) for _ in range(3))
        lay_down(here, bench.store(bench.archive))
        bench.catalog.register([here, unruled], bench.archive)
        wish = RuleWish(bench.receiver, ACTIVITY)
        rules = bench.catalog.ensure_rules([here.dataset], wish)
        datasets = [here.dataset, unruled.dataset, unknown.dataset]
        before = bench.catalog.locks(datasets)
        assert before[here.dataset][bench.receiver].rule_id == rules[here.dataset]
        wait_for(bench, rules[here.dataset], RuleState.OK)
        lock = Lock(rules[here.dataset], RuleState.OK)
        assert bench.catalog.locks(datasets) == {
            here.dataset: {bench.receiver: lock}, unruled.dataset: {}, unknown.dataset: {}
        }  # fmt: skip
        assert bench.catalog.locks([]) == {}

    def test_a_rule_takes_copies_from_its_source_only_until_told_otherwise(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        wish = RuleWish(bench.receiver, ACTIVITY, source_rse=bench.third)
        rule = bench.catalog.ensure_rules([entry.dataset], wish)[entry.dataset]
        assert wait_for(bench, rule, RuleState.STUCK).reason
        bench.catalog.take_from([rule], bench.archive)
        bench.catalog.hurry([rule, "0" * 32])
        bench.repair()
        wait_for(bench, rule, RuleState.OK)

    def test_a_dropped_rule_takes_its_copies_along(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        wish = RuleWish(bench.receiver, ACTIVITY)
        rule = bench.catalog.ensure_rules([entry.dataset], wish)[entry.dataset]
        wait_for(bench, rule, RuleState.OK)
        bench.catalog.drop_rules([rule, "0" * 32])
        wait_for(bench, rule, RuleState.GONE)
        bundle, _ = files_of(entry)
        for _ in range(CYCLES):
            if not _content(bench.store(bench.receiver), bundle):
                break
            bench.cycle()
        assert not _content(bench.store(bench.receiver), bundle)
        assert _content(bench.store(bench.archive), bundle)

    def test_a_rule_that_was_dropped_and_is_wanted_again_at_once_stays(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        wish = RuleWish(bench.receiver, ACTIVITY)
        rule = bench.catalog.ensure_rules([entry.dataset], wish)[entry.dataset]
        wait_for(bench, rule, RuleState.OK)
        bench.catalog.drop_rules([rule])
        again = bench.catalog.ensure_rules([entry.dataset], wish)[entry.dataset]
        wait_for(bench, again, RuleState.OK)
        for _ in range(5):  # what was dropped is gone by then: see the test above
            bench.cycle()
        assert bench.catalog.rules([again])[again].state is RuleState.OK
        bundle, _ = files_of(entry)
        assert _content(bench.store(bench.receiver), bundle)

    def test_a_file_tells_its_dataset(self, bench: CatalogBench, entry: CatalogEntry) -> None:
        bundle, _ = files_of(entry)
        assert bench.catalog.datasets_of(bundle) == []
        bench.catalog.register([entry], bench.archive)
        assert bench.catalog.datasets_of(bundle) == [entry.dataset]

    @pytest.mark.parametrize("rule_id", ["0" * 32, "no rule's id", ""])
    def test_an_unknown_rule_is_gone(self, bench: CatalogBench, rule_id: str) -> None:
        assert bench.catalog.rules([rule_id])[rule_id].state is RuleState.GONE

    def test_a_removed_rule_is_gone_and_can_be_made_again(
        self, bench: CatalogBench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        rules = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        wait_for(bench, rules[entry.dataset], RuleState.OK)
        bench.remove_rule(rules[entry.dataset])
        wait_for(bench, rules[entry.dataset], RuleState.GONE)
        again = bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, ACTIVITY))
        assert again != rules


def _new_units() -> Iterator[Unit]:
    chosen = random.SystemRandom()
    while True:
        day = f"{chosen.randrange(2030, 2099)}{chosen.randrange(1, 13):02d}{chosen.randrange(1, 29):02d}"
        yield Unit.parse(f"LSSTCam/{day}/MC_O_{day}_{chosen.randrange(100_000):06d}")


def _content(store: Store, did: Did) -> bytes:
    name = f"{SCOPE}/{did.name}"
    if store.stat(name) is None:
        return b""
    with store.open(name) as stream:
        return stream.read()
