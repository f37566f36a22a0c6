"""Kill the extraction of the EFD before and after every operation of every port; look; run again.

The sweep is run on the flow as it is, then on ones with a planted bug: it must turn red.
"""

import contextlib
import io

import pyarrow.parquet as pq
import pytest

from dbb.digests import digest_bytes
from dbb.flows import efd_archiving, efd_sealing
from dbb.flows.efd_archiving import (
    expect_hours,
    extract_open_cells,
    find_late_points,
)
from dbb.flows.efd_gaps import find_gaps
from dbb.flows.efd_sealing import seal_hours
from dbb.model.delivery import State
from dbb.model.efd import CellState, to_ns
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT, make_efd
from support.fake_efd import MemorySource
from support.fake_store import MemoryStore
from support.faults import Killed, every_crash
from support.world import World

POINTS = 3


def new_world():
    world, source = World(), MemorySource()
    for number in range(POINTS):
        source.write(
            MOUNT, to_ns(BEGIN) + number * 10**9, azimuth0=number / 2, private_seqNum=number
        )
    world.clock._now = BEGIN + HOUR + HOUR / 6
    return world, source


def run(world, source, schedule=None):
    efd = make_efd(world, source, schedule=schedule)
    end = BEGIN + HOUR
    expect_hours(efd, BEGIN, end)
    find_late_points(efd, BEGIN, end)
    extract_open_cells(efd, BEGIN, end, limit=HOUR)
    seal_hours(world.backbone(schedule), efd)


def look(world, source):
    """Look as a reader does, at any moment: what the ledger calls extracted is there, every byte."""
    efd, wrong = make_efd(world, source), []
    store = world.stores["usdf"]
    for cell in efd.cells.cells([MOUNT, EVENT], BEGIN, BEGIN + HOUR):
        files = efd.cells.current(cell.topic, cell.begin, cell.end)
        if cell.state is CellState.EXTRACTED and cell.topic == MOUNT and not files:
            wrong.append(f"{cell} is extracted and has no file")
        for file in files:
            name = f"files/{file.name}"
            if name not in store.names:
                wrong.append(f"{name} is not there")
            elif not digest_bytes(store.data(name)).same_bytes(file.digest):
                wrong.append(f"{name} has other bytes")
    return wrong


def check_end(world, source):
    efd, wrong = make_efd(world, source), look(world, source)
    wrong += [f"gap: {gap}" for gap in find_gaps(efd, None, None)]
    files = efd.cells.current(MOUNT, BEGIN, BEGIN + HOUR)
    if [file.rows for file in files] != [POINTS]:
        return [*wrong, f"the files are {files}"]
    table = pq.read_table(io.BytesIO(world.stores["usdf"].data(f"files/{files[0].name}")))
    if table.column("private_seqNum").to_pylist() != list(range(POINTS)):
        wrong.append("other points are archived")
    if not files[0].unit or world.state(files[0].unit, "usdf") is not State.VERIFIED:
        wrong.append("its parcel is not on its way")
    if efd.cells.loose(10):
        wrong.append("a file travels nowhere")
    return wrong


def sweep():
    def count(schedule):
        run(*new_world(), schedule)

    for schedule in every_crash(count):
        world, source = new_world()
        with pytest.raises(Killed):
            run(world, source, schedule)
        for store in world.stores.values():
            store.crash()
        wrong = look(world, source)
        run(world, source)
        wrong += check_end(world, source)
        if wrong:
            return [f"{schedule}: {fault}" for fault in wrong]
    return []


def test_killed_anywhere_the_next_run_ends_well():
    assert sweep() == []


def test_the_sweep_is_red_where_a_cell_is_filled_before_its_file_is_written(monkeypatch):
    write = MemoryStore.create

    @contextlib.contextmanager
    def forget(self, name):
        """Keep no file of the archive that is written: as if its row had come first."""
        with write(self, name) as writer:
            yield writer
        if name.endswith(".parquet"):
            self.delete([name])

    monkeypatch.setattr(MemoryStore, "create", forget)
    monkeypatch.setattr(efd_archiving, "_read_back", lambda *_: None)
    assert sweep() != []


def test_the_sweep_is_red_where_a_parcel_counts_as_sealed_too_early(monkeypatch):
    monkeypatch.setattr(efd_sealing, "arrive", lambda *_: None)
    assert sweep() != []
