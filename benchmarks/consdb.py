"""Measure the Consolidated Database: publishing nights of exposures, carrying them, a question over telemetry, the rules.

::

    python benchmarks/consdb.py [--nights 10] [--exposures 1000] [--url postgresql+psycopg2://…]

Without an address in an SQLite file of its own; with one, in an empty database of PostgreSQL. Exposures have 205 detectors
and 471 values of telemetry each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("plugins", "tests")]

from sqlalchemy import text

from dbb.hooks.consdb.database import SqlConsdb
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.engine import open_engine
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.files import SqlEndpoint, SqlPublicationFiles
from dbb.hooks.publications.hashes import SqlHashes
from dbb.model.consdb import Observation, ccdexposures, exposure_record
from dbb.model.consdb_rules import RULES, rule_parameters
from dbb.model.efd_values import EfdRow
from dbb.model.exposure import Unit
from support.fake_clock import FixedClock
from support.raw_bundles import make_facts
from support.telemetry import NOON, column, config_of

CAMERA = load_instruments()["LSSTCam"]
WIND = "mt_salindex301_airflow_speed_mean"
CONFIG = config_of(
    *(column(f"c{number}_mean") for number in range(470)), column(WIND), instrument="LSSTCam"
)
FIRST_DAY = 20261111


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=10)
    parser.add_argument("--exposures", type=int, default=1000)
    parser.add_argument("--url")
    given = parser.parse_args()
    days = [FIRST_DAY + night for night in range(given.nights)]
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(given.url or f"sqlite:///{folder}/ledger.db")
        ledger = SqlLedger(engine, FixedClock(), "benchmark")
        ledger.migrate()
        nights = {day: make_night(day, given.exposures) for day in days}
        one = days[-1]
        measure("publish all nights", lambda: publish(ledger, *nights.values()))
        measure("one night again", lambda: publish(ledger, nights[one]))
        measure("telemetry of all nights", lambda: lay(ledger, days, given.exposures))
        if given.url:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("analyze"))
        measure("r-band in strong wind, one night", lambda: ask(ledger, one))
        consdb, parameters = SqlConsdb(ledger), rule_parameters(CAMERA)
        measure("nine rules, one night", lambda: [consdb.broken(r, one, parameters) for r in RULES])
        measure("sums of one night", lambda: consdb.digests(one, one))
        hashes = SqlHashes(ledger)
        measure("sums of all nights, telemetry too", lambda: hashes.days(hashes.last()))
        there = SqlLedger(open_engine(f"sqlite:///{folder}/there.db"), FixedClock(), "benchmark")
        there.migrate()
        files: list[bytes] = []
        measure("all publications as files", lambda: files.extend(write(ledger)))
        print(f"  {len(files)} files, {sum(map(len, files)) / 1e6:.1f} MB", end="; ")
        measure("loaded into an endpoint's SQLite", lambda: load(there, files))
        for each in (engine, there.engine):
            each.dispose()
    return 0


def measure(what: str, act: Callable[[], Any]) -> None:
    """Do it, and print what it cost: our CPU time, and the time that went by."""
    cpu_s, at_s = time.process_time(), time.monotonic()
    act()
    print(f"{what}: {time.process_time() - cpu_s:.2f} CPU-s, {time.monotonic() - at_s:.2f} s")


def make_night(day: int, exposures: int) -> list[Observation]:
    """Make what the exposures of a night say."""
    made = []
    for number in range(1, exposures + 1):
        unit = Unit.parse(f"LSSTCam/{day}/MC_O_{day}_{number:06d}")
        facts = make_facts(unit, "r_57" if number % 2 else "g_6")
        record = exposure_record(facts, CAMERA.physical_filters[facts.physical_filter], {})
        detectors = ccdexposures(facts, [each.id for each in CAMERA.detectors])
        made.append(Observation(str(unit), "0" * 64, record, detectors))
    return made


def publish(ledger: SqlLedger, *nights: list[Observation]) -> None:
    """Publish nights in chunks, as the raw DAGs do."""
    for night in nights:
        for first in range(0, len(night), 10):
            ledger.observe(night[first : first + 10])


def lay(ledger: SqlLedger, days: list[int], exposures: int) -> None:
    """Publish telemetry of nights, one publication each."""
    published = SqlPublished(ledger)
    for day in days:
        rows = [
            EfdRow(
                day * 100000 + number, day, number, "",
                {each.name: float(number % 20) for each in CONFIG.columns},
            )
            for number in range(1, exposures + 1)
        ]  # fmt: skip
        published.publish(CONFIG, NOON, NOON, rows)


def write(ledger: SqlLedger) -> list[bytes]:
    """Write every publication into a file, as they travel."""
    files = SqlPublicationFiles(ledger)
    return [files.write(each) for each in files.unwritten()]


def load(ledger: SqlLedger, files: list[bytes]) -> None:
    """Load files, as an endpoint does."""
    for data in files:
        SqlEndpoint(ledger).load(data, "benchmark")


def ask(ledger: SqlLedger, day: int) -> None:
    """Ask what a user asks; the answer has a quarter of the night."""
    dot = "_" if ledger.engine.dialect.name == "sqlite" else "."
    query = (
        f"select e.exposure_name, t.{WIND} from cdb_lsstcam{dot}exposure e "  # noqa: S608
        f"join efd_lsstcam{dot}exposure_efd t on t.exposure_id = e.exposure_id "
        f"where e.day_obs = :day and e.band = 'r' and t.{WIND} > 10"
    )
    with ledger.transaction() as connection:
        found = connection.execute(text(query), {"day": day}).all()
    print(f"  {len(found)} exposures", end="; ")


if __name__ == "__main__":
    raise SystemExit(main())
