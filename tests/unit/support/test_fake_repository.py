"""The Butler repository in memory: whole or not at all, idempotent, and not easily fooled."""

from __future__ import annotations

import dataclasses

import pytest

from dbb.errors import IngestRefused
from dbb.model.exposure import Unit
from dbb.ports.repository import LandedBundle
from support.conformance_catalog import entry_of, lay_down, manifest_of
from support.fakes import MemoryRepository, MemoryStore

UNIT = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("usdf")


@pytest.fixture
def landed(store: MemoryStore) -> LandedBundle:
    entry = entry_of(UNIT)
    lay_down(entry, store)
    return LandedBundle(manifest_of(UNIT), store.url_of(f"raw/{UNIT.bundle_name}"))


def test_a_bundle_appears_whole_and_twice_is_once(store: MemoryStore, landed: LandedBundle) -> None:
    repository = MemoryRepository(store)
    assert repository.find_ingested([landed.manifest]) == set()
    for _ in range(2):
        assert repository.ingest([landed]) == {}
        assert repository.find_ingested([landed.manifest]) == {str(UNIT)}
        assert list(repository.datasets) == ["1"]
    assert repository.ingest_calls == 2


def test_a_unit_can_be_refused_and_the_others_go_in(
    store: MemoryStore, landed: LandedBundle
) -> None:
    other_unit = dataclasses.replace(UNIT, part=2)
    image = dataclasses.replace(landed.manifest.entries[0], ref={"id": "2"})
    other = LandedBundle(
        dataclasses.replace(landed.manifest, unit=other_unit, entries=(image,)), landed.url
    )
    repository = MemoryRepository(store)
    repository.refused[str(UNIT)] = "no such instrument"
    errors = repository.ingest([landed, other])
    assert list(errors) == [str(UNIT)]
    assert isinstance(errors[str(UNIT)], IngestRefused)
    assert list(repository.datasets) == ["2"]


def test_a_bundle_that_is_not_there_is_refused(store: MemoryStore, landed: LandedBundle) -> None:
    repository = MemoryRepository(store)
    store.delete([f"raw/{UNIT.bundle_name}"])
    assert list(repository.ingest([landed])) == [str(UNIT)]
    assert repository.datasets == {}


def test_a_dataset_never_changes_its_place(store: MemoryStore, landed: LandedBundle) -> None:
    repository = MemoryRepository()
    assert repository.ingest([landed]) == {}
    moved = dataclasses.replace(landed, url=f"{store.url}/elsewhere.zip")
    assert list(repository.ingest([moved])) == [str(UNIT)]
