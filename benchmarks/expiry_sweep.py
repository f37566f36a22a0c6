"""Measure a sweep that takes 100,000 datasets away from one endpoint.

The units are parcels of one file with 200 datasets each, as bundles are; Butler's registry and the ledger are SQLite
files, or schemas of a PostgreSQL database; the store is a folder; Rucio is in memory. Timed are the plan, and its
application until no file is left: the ledger's transactions, Butler's registry, the files. CPU-seconds are this
process's: a database server's come on top.

::

    python benchmarks/expiry_sweep.py [--datasets 100000] [--postgres URL] [--folder DIR]

With ``--postgres`` the database must have the extension btree_gist; two schemas are made in it and dropped again.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from lsst.daf.butler import Butler, Config
from sqlalchemy import create_engine, text

from dbb.digests import digest_bytes
from dbb.flows.expiring import apply_expiry, plan_expiry
from dbb.flows.expiring_units import UnitsPlace
from dbb.hooks.butler_setup import name_driver
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile
from support.observer import BOOK, RUN, TYPE, Campaign, content_of, universe

PER_UNIT = 200


class Bundles(Campaign):  # type: ignore[misc]  # tests are not typed for others
    """Publish units of one file with many datasets."""

    def _parcel(self, day: int) -> tuple[Parcel, dict[str, bytes]]:
        name = f"v{self.pixel}"
        content = content_of(self.pixel)
        leaf = SafeName(f"{day}/{name}/images.zip")
        refs = tuple(
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{leaf}#{number}")),
                "dataset_type": TYPE,
                "run": RUN,
                "data_id": {"htm9": self.pixel + number},
                "member": f"{number}.json",
            }
            for number in range(self.datasets)
        )
        self.pixel += self.datasets
        formatter = "lsst.daf.butler.formatters.json.JsonFormatter"
        kind = {
            "dimensions": ["htm9"],
            "storage_class": "StructuredDataDict",
            "is_calibration": False,
        }
        file = ParcelFile(leaf, digest_bytes(content), refs, formatter)
        unit = f"level1/{day}/{name}"
        parcel = Parcel(unit, Kind.LEVEL1, "", "", day, (file,), {TYPE: kind}, universe())
        manifest = f"level1/{parcel.name.manifest_name}"
        return parcel, {f"level1/{leaf}": content, manifest: parcel.data}


def measure(what: str, work: Any, datasets: int) -> Any:
    """Time a step; print its rate."""
    cpu, began = time.process_time(), time.monotonic()
    result = work()
    cpu, wall = time.process_time() - cpu, time.monotonic() - began
    print(f"{what:8} {cpu:8.1f} CPU-s {wall:8.1f} s {datasets / cpu:8.0f} datasets per CPU-second")
    return result


def sweep(folder: Path, datasets: int, postgres: str) -> bool:
    """Fill an endpoint, let the lifetime pass, sweep; say whether nothing is left."""
    mark = f"expiry_{uuid.uuid4().hex[:8]}"
    ledger = ""
    if postgres:
        config = Config()
        config["registry", "db"] = name_driver(postgres)
        config["registry", "namespace"] = mark
        Butler.makeRepo(str(folder / "butler"), config=config)
        ledger = postgres
    campaign = Bundles(folder, PER_UNIT, ledger_url=ledger)
    units = datasets // PER_UNIT
    measure("publish", lambda: [campaign.publish(50) for _ in range(units // 50)], datasets)
    campaign.world.clock.advance(32 * 86400)
    now = campaign.world.clock.now()
    place = UnitsPlace(campaign.world.backbone(), campaign.rows, "usdf")
    cpu, began = time.process_time(), time.monotonic()
    plan = measure("plan", lambda: plan_expiry(place, campaign.rows, BOOK, now), datasets)
    done = measure(
        "apply",
        lambda: apply_expiry(place, campaign.rows, BOOK, now, plan.sha256, accept_large=True),
        datasets,
    )
    cpu, wall = time.process_time() - cpu, time.monotonic() - began
    print(f"sweep    {cpu:8.1f} CPU-s {wall:8.1f} s {datasets / cpu:8.0f} datasets per CPU-second")
    left = sum(path.is_file() for path in (folder / "usdf").rglob("*"))
    print(f"{done['intended']:,} of {units:,} units went; {left} files are left")
    campaign.world.ledger.engine.dispose()
    if postgres:
        engine = create_engine(name_driver(postgres))
        with engine.begin() as connection:
            connection.execute(text(f"drop schema {mark} cascade"))
            connection.execute(text("drop schema dbb cascade"))
        engine.dispose()
    return done["intended"] == units and not left


def main() -> int:
    """Measure, print, and fail if something is left."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--datasets", type=int, default=100_000)
    parser.add_argument("--postgres", default="", help="SQLAlchemy URL of an empty database")
    parser.add_argument("--folder", help="where to work: a file system in memory spares the disk")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        return 0 if sweep(Path(folder), given.datasets, given.postgres) else 1


if __name__ == "__main__":
    sys.exit(main())
