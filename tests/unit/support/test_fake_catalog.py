"""The catalogue in memory: the common promises, then failing transfers."""

from __future__ import annotations

from typing import Any

import pytest

from dbb.model.exposure import Unit
from dbb.model.names import Did
from dbb.ports.catalog import RuleState, RuleWish
from support.conformance_catalog import (
    CatalogConformance,
    entry_of,
    files_of,
    lay_down,
    manifest_of,
)
from support.conformance_store import read
from support.fakes import MemoryCatalog, MemoryStore

UNIT = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123")


class Bench:
    archive = "USDF"
    receiver = "FRDF"
    third = "UKDF"

    def __init__(self) -> None:
        self.stores = {rse: MemoryStore(rse) for rse in ("USDF", "FRDF", "UKDF")}
        self.catalog = MemoryCatalog(self.stores)

    def store(self, rse: str) -> MemoryStore:
        return self.stores[rse]

    def cycle(self) -> None:
        self.catalog.run_daemons()

    def repair(self) -> None:
        self.catalog.run_daemons()

    def is_open(self, dataset: Did) -> bool:
        return self.catalog.datasets[dataset].is_open

    def content(self, dataset: Did) -> set[Did]:
        return set(self.catalog.datasets[dataset].files)

    def metadata(self, did: Did) -> dict[str, Any]:
        return dict(self.catalog.files[did].metadata)

    def remove_rule(self, rule_id: str) -> None:
        self.catalog.remove_rule(rule_id)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestMemoryCatalog(CatalogConformance):
    """The promises of every catalogue."""


def test_transfers_can_be_told_to_fail_and_are_tried_again(bench: Bench) -> None:
    entry = entry_of(UNIT)
    lay_down(entry, bench.store("USDF"))
    bench.catalog.register([entry], "USDF")
    rules = bench.catalog.ensure_rules([entry.dataset], RuleWish("FRDF", "Nightly"))
    rule_id = rules[entry.dataset]
    bench.catalog.run_daemons(fails=lambda did: "no space" if did.name.endswith(".zip") else "")
    status = bench.catalog.rules([rule_id])[rule_id]
    assert (status.state, status.reason) == (RuleState.STUCK, "no space")
    bench.catalog.run_daemons()
    assert bench.catalog.rules([rule_id])[rule_id].state is RuleState.OK
    bundle, manifest = files_of(entry)
    assert read(bench.store("FRDF"), f"raw/{bundle.name}") == b"bundle"
    assert read(bench.store("FRDF"), f"raw/{manifest.name}") == manifest_of(UNIT).data
