"""Measure how long it takes to find what no event told: a night's copies at its endpoints.

::

    python benchmarks/look_for_copies.py [--exposures 3250]

A ledger in SQLite with a night of sealed exposures, each wanted at four endpoints; Rucio's locks are
answered from memory, so that what is measured is ours. Once with nothing come and once with all come.
Prints CPU-seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("plugins", "include", "tests")]

from dbb.flows.cargo import dataset_did
from dbb.flows.copies import look_for_copies
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.ports.catalog import Lock, RuleState
from dbb.ports.ledger import UnitRow
from support.world import RSES, World

ENDPOINTS = ("frdf", "ukdf", "chile", "idac")


class _Locks:
    """Answer for every dataset and RSE the same."""

    def __init__(self, state: RuleState) -> None:
        self.state = state

    def locks(self, datasets: list[Any]) -> dict[Any, dict[str, Lock]]:
        """Answer as Rucio would, in bulk."""
        lock = Lock("0" * 32, self.state)
        return {did: dict.fromkeys([*RSES.values(), "IDAC"], lock) for did in datasets}


def fill(world: World, exposures: int) -> None:
    """Write a night into the ledger."""
    now = world.clock.now()
    names = [f"LSSTCam/20261121/MC_O_20261121_{number:06d}" for number in range(1, exposures + 1)]
    rows = [
        UnitRow(name, "raw", "LSSTCam", 20261121, name.rpartition("/")[2], 1, 205, 205, (), now)
        for name in names
    ]
    world.ledger.note_units(rows)
    with world.ledger.transaction() as connection:
        connection.exec_driver_sql("update unit set manifest_sha256 = unit, gate = 'passed'")
    world.ledger.expect(names, "usdf", "benchmark")
    for old, new in (
        (State.EXPECTED, State.ARRIVED),
        (State.ARRIVED, State.VERIFIED),
        (State.VERIFIED, State.REGISTERED),
    ):
        world.ledger.advance(names, "usdf", old, new, "benchmark")
    for endpoint in ENDPOINTS:
        world.ledger.expect(names, endpoint, "benchmark")
    assert dataset_did(rows[0]).name == Unit.parse(names[0]).rucio_dataset


def timed(work: Callable[[], object]) -> float:
    """Give the CPU-seconds of one call."""
    before = time.process_time()
    work()
    return round(time.process_time() - before, 2)


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, default=3250)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = World(f"sqlite:///{folder}/ledger.db")
        fill(world, given.exposures)
        result: dict[str, object] = {"exposures": given.exposures, "endpoints": len(ENDPOINTS)}
        for label, state in (("moving", RuleState.WAITING), ("come", RuleState.OK)):
            backbone = world.backbone()
            object.__setattr__(backbone, "catalog", _Locks(state))
            object.__setattr__(backbone, "rses", {**RSES, "idac": "IDAC", "summit": ""})

            def look(backbone: Any = backbone) -> None:
                for endpoint in ENDPOINTS:
                    look_for_copies(backbone, endpoint)

            result[f"{label}_cpu_s"] = timed(look)
        result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
