"""The store in memory: the common promises, then its disk, page cache and power cuts."""

from __future__ import annotations

import pytest

from dbb.errors import StoreUnavailable
from support.conformance_store import StoreConformance, names, read, write
from support.fakes import FixedClock, MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("usdf")


class TestMemoryStore(StoreConformance):
    """The promises of every store."""


def test_a_power_cut_loses_what_was_not_committed_and_nothing_else(store: MemoryStore) -> None:
    write(store, "done", b"1")
    with pytest.raises(StoreUnavailable), store.create("half") as writer:  # noqa: PT012
        writer.write(b"2")
        store.crash()
    assert names(store) == ["done"]
    assert read(store, "done", cold=True) == b"1"


def test_rot_shows_in_a_cold_reading_only(store: MemoryStore) -> None:
    write(store, "a", b"\x00\x00")
    store.rot("a", bit=9)
    assert read(store, "a") == b"\x00\x00"
    assert read(store, "a", cold=True) == b"\x00\x02"
    assert read(store, "a") == b"\x00\x02"


def test_files_carry_the_time_of_the_clock() -> None:
    clock = FixedClock()
    store = MemoryStore("usdf", clock)
    clock.advance(60)
    write(store, "a", b"x")
    described = store.stat("a")
    assert described is not None
    assert described.modified_at == clock.now()
