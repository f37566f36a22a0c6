"""The faults themselves: a fault that strikes nothing would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbb.errors import StoreUnavailable
from dbb.hooks.posix_store import PosixStore
from dbb.ports.store import Store
from support.conformance_store import names, read, write
from support.fakes import MemoryStore
from support.faults import (
    BitFlippingStore,
    ForgetfulStore,
    Killed,
    Schedule,
    TruncatingStore,
    every_crash,
    faulty,
)


def move_by_copy(source: Store, target: Store) -> None:
    """Move every file from store to store: the smallest flow that can lose one."""
    for file in list(source.list_files("")):
        with source.open(file.name) as reader, target.create(file.name) as writer:
            writer.write(reader.read())
        source.delete([file.name])


def move_by_hope(source: Store, target: Store) -> None:
    """Do the same in the wrong order: the planted bug."""
    for file in list(source.list_files("")):
        with source.open(file.name) as reader:
            data = reader.read()
        source.delete([file.name])
        with target.create(file.name) as writer:
            writer.write(data)


def losses(flow: object) -> list[str]:
    """Kill a flow at every operation, run it again, and say after which kills a file was lost."""

    def world() -> tuple[MemoryStore, MemoryStore]:
        source, target = MemoryStore("source"), MemoryStore("target")
        write(source, "a/1", b"one")
        write(source, "a/2", b"two")
        return source, target

    def run(schedule: Schedule, stores: tuple[MemoryStore, MemoryStore]) -> None:
        flow(*(faulty(store, schedule) for store in stores))  # type: ignore[operator]

    lost = []
    for schedule in every_crash(lambda counting: run(counting, world())):
        stores = world()
        with pytest.raises(Killed):
            run(schedule, stores)
        run(Schedule(), stores)
        if names(stores[1]) != ["a/1", "a/2"]:
            lost.append(repr(schedule))
    return lost


def test_a_sound_flow_survives_a_kill_at_every_operation() -> None:
    assert losses(move_by_copy) == []


def test_a_planted_bug_turns_the_sweep_red() -> None:
    lost = losses(move_by_hope)
    assert any("after: MemoryStore.delete" in where.replace("'", "") for where in lost)


def test_the_sweep_counts_every_operation_over_all_ports() -> None:
    schedule = Schedule()
    source, target = MemoryStore("source"), MemoryStore("target")
    write(source, "a", b"x")
    move_by_copy(faulty(source, schedule), faulty(target, schedule))
    assert schedule.seen == [
        "MemoryStore.list_files",
        "MemoryStore.open",
        "MemoryStore.create",
        "MemoryStore.create: commit",
        "MemoryStore.open: commit",
        "MemoryStore.delete",
    ]


@pytest.mark.parametrize(("when", "expected"), [("before", []), ("after", ["a"])])
def test_a_kill_at_the_commit_is_before_or_after_it(when: str, expected: list[str]) -> None:
    store = MemoryStore()
    port = faulty(store, Schedule(1, when))  # type: ignore[arg-type]
    with pytest.raises(Killed):
        write(port, "a", b"x")
    assert names(store) == expected


def test_nothing_runs_after_a_kill() -> None:
    store = MemoryStore()
    port = faulty(store, Schedule(0, "before"))
    with pytest.raises(Killed):
        port.stat("a")
    with pytest.raises(Killed):
        write(port, "a", b"x")
    assert names(store) == []


def test_a_killed_writer_leaves_its_hidden_file_as_a_real_one_does(tmp_path: Path) -> None:
    store = PosixStore(tmp_path)
    schedule = Schedule(1, "before")
    with pytest.raises(Killed):
        write(faulty(store, schedule), "a", b"half")
    assert names(store) == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


def test_any_error_can_strike_once() -> None:
    store = MemoryStore()
    port = faulty(store, Schedule(1, "before", StoreUnavailable("The store is tired.")))
    with pytest.raises(StoreUnavailable):
        write(port, "a", b"x")
    assert names(store) == []
    write(port, "a", b"x")
    assert read(store, "a") == b"x"


def test_one_bit_is_flipped_when_read_and_only_where_it_shall_be() -> None:
    store = BitFlippingStore(MemoryStore(), strikes=lambda name: name == "bad")
    for name in ("bad", "good"):
        write(store, name, b"\x00" * 9)
    assert read(store, "good", cold=True) == b"\x00" * 9
    flipped = int.from_bytes(read(store, "bad", cold=True), "big")
    assert flipped.bit_count() == 1
    assert store.struck == ["bad"]


def test_a_truncating_store_keeps_half_and_says_nothing() -> None:
    store = TruncatingStore(MemoryStore())
    write(store, "a", b"12345678")
    assert read(store, "a") == b"1234"


def test_a_forgetful_store_keeps_nothing_and_says_nothing() -> None:
    store = ForgetfulStore(MemoryStore())
    write(store, "a", b"x")
    assert names(store) == []
