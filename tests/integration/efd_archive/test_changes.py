"""What changes at the source after its hour was archived."""

from __future__ import annotations

import requests

from dbb.model.efd import CellState
from support.efd_world import BEGIN_NS, HOUR_NS, MOUNT


def test_late_points_open_exactly_the_hours_that_they_touch(efd):
    efd.fill(hours=5)
    efd.at(5)
    efd.run(hours=5)
    old = efd.file(hour=2)
    efd.write(MOUNT, BEGIN_NS + 2 * HOUR_NS + 7, azimuth0=0.5, private_seqNum=9000)
    counts = efd.run(hours=5)
    assert (counts["reopened"], counts["extracted"]) == (1, 1)
    assert [efd.cell(hour=hour).version for hour in range(5)] == [1, 1, 2, 1, 1]
    assert efd.file(hour=2).rows == old.rows + 1
    assert efd.file(hour=2).name != old.name
    assert f"files/{old.name}" in efd.efd.store.names  # the first version stays


def test_a_point_that_replaces_another_is_noticed_too(efd):
    efd.fill()
    efd.run()
    efd.write(MOUNT, BEGIN_NS, azimuth0=99.0, private_seqNum=5000)
    assert efd.run()["reopened"] == 1
    assert efd.parquet().read().column("azimuth0")[0].as_py() == 99.0


def test_points_that_the_source_loses_stay_in_the_archive(efd):
    efd.fill()
    efd.run()
    window = f"time >= {BEGIN_NS} AND time < {BEGIN_NS + 10**12}"
    statement = f'DELETE FROM "{MOUNT}" WHERE {window}'  # noqa: S608 - constants
    requests.post(
        f"{efd.url}/query", data={"q": statement, "db": efd.database}, timeout=10
    ).raise_for_status()
    counts = efd.run()
    assert (counts["gone"], counts["extracted"]) == (1, 0)
    assert (efd.cell().state, efd.cell().code) == (CellState.EXTRACTED, "efd-points-gone")
    assert efd.file().rows == 60
    before = efd.everything()
    efd.run()
    assert efd.everything() == before
    efd.fill()
    efd.run()
    assert efd.cell().code == ""
