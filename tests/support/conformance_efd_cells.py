"""What every ledger promises about the archive of the EFD; a module gives the fixture ``ledger``."""

from __future__ import annotations

import datetime as dt

import pytest

from dbb.errors import EfdLatePoints, EfdNotExtracted, EfdPointsGone, EfdUnavailable
from dbb.hooks.efd.cells import SqlEfdCells
from dbb.model.digest import Digest
from dbb.model.efd import HOUR, Cell, CellState, Copied, Count, file_name

A, B = "lsst.sal.MTMount.encoder", "lsst.sal.MTPtg.mountPosition"
BEGIN = dt.datetime(2026, 11, 22, 0, tzinfo=dt.UTC)
NEVER = EfdNotExtracted.for_hour("")


@pytest.fixture
def cells(ledger):
    return SqlEfdCells(ledger)


def one(cells, topic=A, hour=0):
    (found,) = cells.cells([topic], BEGIN + hour * HOUR, BEGIN + (hour + 1) * HOUR)
    return found


def copied(rows=3, content="c" * 64, **remarks):
    return Copied(
        rows=rows,
        count=Count(rows, 6),
        first_ns=1795305600000000001,
        last_ns=1795305600123456789,
        content_sha256=content,
        fields={"azimuth0": "double"},
        remarks=remarks,
        digest=Digest(10, "d" * 64, "00000001", "00000002"),
    )


def fill(cells, cell, version=1, **others):
    name = file_name(cell.topic, cell.begin, version)
    cells.fill(cell, version, name, Count(3, 6), copied(**others))


def test_a_cell_is_opened_once(cells):
    assert cells.first() is None
    assert cells.expect([(A, BEGIN), (B, BEGIN)], NEVER) == 2
    assert cells.expect([(A, BEGIN), (A, BEGIN + HOUR)], NEVER) == 1
    assert cells.first() == BEGIN
    assert one(cells) == Cell(A, BEGIN, CellState.OPEN, NEVER.code, NEVER.message)


def test_open_cells_come_by_failures_and_then_the_newest_first(cells):
    cells.expect([(A, BEGIN + hour * HOUR) for hour in range(4)], NEVER)
    cells.fail(one(cells, hour=3), EfdUnavailable.for_query("x", "down"))
    found = cells.open([A], BEGIN, BEGIN + 9 * HOUR, 3)
    assert [(cell.begin - BEGIN) // HOUR for cell in found] == [2, 1, 0]
    assert one(cells, hour=3).attempts == 1
    assert cells.open([B], BEGIN, BEGIN + 9 * HOUR, 3) == []


def test_a_file_is_the_current_one_with_all_that_is_known_of_it(cells):
    cells.expect([(A, BEGIN)], NEVER)
    fill(cells, one(cells), **{"efd-clock-jump": "70 s"})
    cell = one(cells)
    assert (cell.state, cell.code, cell.version) == (CellState.EXTRACTED, "", 1)
    assert cell.count == Count(3, 6)
    assert cell.last_at == BEGIN + dt.timedelta(microseconds=123456)
    (file,) = cells.current(A, BEGIN, BEGIN + HOUR)
    assert file.name == f"20261121/efd/20261122T00/{A}.v1.parquet"
    assert (file.rows, file.digest.sha256, file.unit) == (3, "d" * 64, "")
    assert cells.remarks(BEGIN, BEGIN + HOUR) == [file]
    assert cells.fields_before(Cell(A, BEGIN + HOUR, CellState.OPEN)) == {"azimuth0": "double"}
    assert cells.fields_before(cell) is None


def test_a_later_version_replaces_none(cells):
    cells.expect([(A, BEGIN)], NEVER)
    fill(cells, one(cells))
    cells.reopen(one(cells), EfdLatePoints.for_hour("", 3, 4))
    assert (one(cells).state, one(cells).version) == (CellState.OPEN, 1)
    fill(cells, one(cells), version=2, rows=4)
    (file,) = cells.current(A, BEGIN, BEGIN + HOUR)
    assert (file.version, file.rows) == (2, 4)
    assert [each.version for each in cells.loose(9)] == [1, 2]


def test_what_is_wrong_with_a_source_is_marked_once_and_taken_back(cells):
    cells.expect([(A, BEGIN)], NEVER)
    fill(cells, one(cells))
    cells.mark(one(cells), EfdPointsGone.for_hour("", 3, 1))
    assert (one(cells).state, one(cells).code) == (CellState.EXTRACTED, "efd-points-gone")
    cells.mark(one(cells), None)
    assert one(cells).code == ""


def test_a_cell_can_be_empty_or_stay_as_it_was(cells):
    cells.expect([(A, BEGIN)], NEVER)
    cells.settle(one(cells), CellState.EMPTY, Count(), NEVER)
    assert (one(cells).state, one(cells).count) == (CellState.EMPTY, Count(0, None))


def test_files_travel_in_one_parcel_and_a_damaged_one_in_none(cells):
    cells.expect([(A, BEGIN), (B, BEGIN)], NEVER)
    fill(cells, one(cells))
    fill(cells, one(cells, B))
    cells.assign(cells.loose(9), "files/20261121/efd-x")
    cells.assign(cells.loose(9), "files/20261121/other")
    assert {file.unit for file in cells.loose(9)} == {"files/20261121/efd-x"}
    (bad,) = [file for file in cells.of_unit("files/20261121/efd-x") if file.topic == B]
    cells.discard(bad, NEVER)
    assert (one(cells, B).state, cells.current(B, BEGIN, BEGIN + HOUR)) == (CellState.OPEN, [])
    cells.seal("files/20261121/efd-x")
    assert cells.loose(9) == []
    assert len(cells.current(A, BEGIN, BEGIN + HOUR)) == 1


def test_a_version_is_claimed_once(cells):
    cells.expect([(A, BEGIN), (B, BEGIN)], NEVER)
    assert [cells.claim(one(cells)) for _ in range(3)] == [1, 2, 3]
    assert cells.claim(one(cells, B)) == 1
