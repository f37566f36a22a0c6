"""Measure the whole ETL of the EFD: extract, transform, judge, publish; beside asking for each exposure and column.

::

    python benchmarks/efd_etl.py [--scale 0.05] [--hours 4] [--columns 473] [--sample 2]

A real InfluxDB with a synthetic night, a store in a folder, a ledger in SQLite. Rates and exposures have the same
scale, so the work of one exposure is always that of the full night. What is asked for each exposure and column is
measured on a sample of exposures, of the same columns, in the same server, and multiplied by the number of exposures.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("", "plugins", "include", "tests")]

from benchmarks.efd_extract import peak_mib, source_cpu_s

from dbb.flows.efd import Efd
from dbb.flows.efd_archiving import expect_hours, extract_open_cells, find_late_points
from dbb.flows.efd_intervals import IntervalPorts, make_intervals, plan_intervals
from dbb.hooks.efd.cells import SqlEfdCells
from dbb.hooks.efd.config import TransformConfig
from dbb.hooks.efd.copying import ParquetCopier
from dbb.hooks.efd.opening import load_transform, open_intervals
from dbb.hooks.efd.source import InfluxSource
from dbb.hooks.engine import open_engine
from dbb.hooks.influx import Influx
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.posix_store import PosixStore
from dbb.model.day_obs import TAI_MINUS_UTC, DayObs
from dbb.model.efd import to_ns
from dbb.settings import INCLUDE
from sandbox.allotted import Allotted
from sandbox.influx import Influx as InfluxServer
from sandbox.layout import Layout
from sandbox.synthetic_efd import EfdNight, make_database, write_lines, write_night
from sandbox.synthetic_efd.fields import FIELDS, INDEXED
from support.conformance_published import facts, lay_exposures
from support.fake_clock import FixedClock
from support.telemetry import column, naive

INSTRUMENT = "LSSTCam"
LIMIT = dt.timedelta(hours=5)
FUNCTIONS = ("mean", "stddev", "min", "max")
LATE_SHARE = 0.01


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--hours", type=int, default=4)
    parser.add_argument("--columns", type=int, default=473, help="with columns of their own")
    parser.add_argument("--sample", type=int, default=2, help="exposures asked for one by one")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.url:
        print(json.dumps(run(given)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(ROOT, Path(folder))
        layout.make()
        server = InfluxServer(layout, Allotted.load(layout.allotted_file))
        server.start()
        try:
            measure(server, given, Path(folder))
        finally:
            server.stop()
    return 0


def measure(server: InfluxServer, given: argparse.Namespace, folder: Path) -> None:
    """Run the ETL three times, and ask one by one."""
    night = night_of(given)
    config = config_of(night, given.columns)
    make_database(server.url(), "efd")
    points = write_night(night, server.url(), "efd")
    many = len(night.exposures())
    print(
        f"{points:,} points, {len(night.known)} topics, {many} exposures, {len(config.wide)} columns and "
        f"{sum(len(each.fields) for each in config.arrays)} values in {len(config.arrays)} arrays"
    )
    (folder / "archive").mkdir()
    first = again(server, given, folder, "the night")
    again(server, given, folder, "the same again")
    late = write_late(server.url(), night)
    again(server, given, folder, f"{late:,} late points in every topic and hour")
    sampled = night.exposures()[many // 2 : many // 2 + given.sample]
    before, began = source_cpu_s(server), time.process_time()
    client = Influx(server.url(), "efd")
    asked = sum(ask_one_by_one(client, config, each.begin, each.end) for each in sampled)
    client.close()
    ours, source = time.process_time() - began, source_cpu_s(server) - before
    whole = (ours + source) / len(sampled) * many
    print(
        f"asked one by one: {asked / len(sampled):.0f} queries an exposure, {ours / len(sampled):.2f} + "
        f"{source / len(sampled):.2f} CPU-s (ours + the source's); for all {many}: {whole:.0f} CPU-s, "
        f"{whole / first:.1f} times the ETL"
    )


def again(server: InfluxServer, given: argparse.Namespace, folder: Path, what: str) -> float:
    """Run the ETL in a process of its own; print and give its CPU-seconds, the source's included."""
    before = source_cpu_s(server)
    words = [sys.executable, __file__, "--url", server.url(), "--folder", str(folder / "archive")]
    for name in ("scale", "hours", "columns"):
        words += [f"--{name}", str(getattr(given, name))]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    source = source_cpu_s(server) - before
    steps = ", ".join(f"{name} {cpu_s:.1f}" for name, cpu_s in told["cpu_s"].items())
    ours = sum(told["cpu_s"].values())
    print(
        f"{what}: ours {ours:.1f} CPU-s ({steps}), imports {told['imports']:.1f}, source {source:.1f}; "
        f"{told['wall_s']:.1f} s, the last hour to published {told['last_hour_s']:.1f} s; "
        f"peak {told['peak_mib']} MiB; {told['done']}"
    )
    return float(ours + source)


def run(given: argparse.Namespace) -> dict[str, object]:
    """Do what the DAG does, for every hour of the night."""
    imports = time.process_time()
    night, folder = night_of(given), Path(given.folder)
    clock = FixedClock(night.end + dt.timedelta(minutes=10))
    ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), clock, "benchmark")
    ledger.migrate()
    store, source = PosixStore(folder), InfluxSource(Influx(given.url, "efd"))
    cells = SqlEfdCells(ledger)
    efd = Efd(night.known, source, ParquetCopier(source, store), cells, store, clock)
    ports = open_ports(given, night, ledger, store, clock)
    lay_exposures(ledger, *exposures_of(night))
    began, wall = time.process_time(), time.monotonic()
    before = night.begin - dt.timedelta(hours=1)  # the look-back of the first hour
    expect_hours(efd, before, night.end)
    find_late_points(efd, before, night.end)
    extract_open_cells(efd, before, night.end, limit=LIMIT)
    extracted = time.process_time()
    hours = [each.begin for each in plan_intervals(ports, night.begin, night.end)]
    planned = time.process_time()
    counts: dict[str, int] = {}
    last_hour_s = 0.0
    for hour in hours:
        middle = time.monotonic()
        for name, number in make_intervals(ports, [hour]).items():
            counts[name] = counts.get(name, 0) + number
        last_hour_s = time.monotonic() - middle
    return {
        "imports": imports,
        "cpu_s": {
            "extract": extracted - began,
            "plan": planned - extracted,
            "make and publish": time.process_time() - planned,
        },
        "wall_s": time.monotonic() - wall,
        "last_hour_s": last_hour_s,
        "peak_mib": peak_mib(),
        "done": {name: number for name, number in counts.items() if number},
    }


def night_of(given: argparse.Namespace) -> EfdNight:
    """Give the night: the topics that the instrument needs."""
    whole = EfdNight(DayObs(20261121))
    mine = tuple(
        sorted(name for name, topic in whole.known.items() if INSTRUMENT in topic.instruments)
    )
    return EfdNight(DayObs(20261121), given.scale, given.hours, topics=mine)


def config_of(night: EfdNight, columns: int) -> TransformConfig:
    """Give the instrument's configuration with more columns: a statistic of each scalar field, in turn."""
    config, _ = load_transform(INSTRUMENT, INCLUDE / "efd", set(night.known))
    made = list(config.columns)
    missing = columns - len(config.wide)
    fields = [
        (topic, f"{stem}{number}" if length else stem)
        for topic in sorted(night.known)
        for stem, length in FIELDS[topic].items()
        for number in range(length or 1)
        if stem != "nollZernikeIndices" and topic not in INDEXED
    ]
    wanted = [(function, *each) for each in fields for function in FUNCTIONS]
    made += [
        column(f"more_{place}", function, topic=topic, fields=(name,))
        for place, (function, topic, name) in enumerate(wanted[: max(0, missing)])
    ]
    return TransformConfig(INSTRUMENT, "benchmark", made, sha256="b" * 64, file="benchmark")


def open_ports(
    given: argparse.Namespace,
    night: EfdNight,
    ledger: SqlLedger,
    store: PosixStore,
    clock: FixedClock,
) -> IntervalPorts:
    """Open the transformation; a scaled night has scaled rates."""
    _, limits = load_transform(INSTRUMENT, INCLUDE / "efd", set(night.known))
    rates = {name: (rate * given.scale, how) for name, (rate, how) in limits.topics.items()}
    limits = dataclasses.replace(limits, topics=rates)
    return open_intervals(config_of(night, given.columns), limits, ledger, store, clock)


def exposures_of(night: EfdNight) -> list[object]:
    """Give the night's exposures as the raw flow leaves them."""
    many = []
    for each in night.exposures():
        begin, end = ((at + TAI_MINUS_UTC).replace(tzinfo=None) for at in (each.begin, each.end))
        changes = {"instrument": INSTRUMENT, "exposure_id": each.exposure_id}
        made = facts(each.exposure_id % 100_000, 0.0)
        many.append(dataclasses.replace(made, begin_tai=begin, end_tai=end, **changes))
    return many


def write_late(url: str, night: EfdNight) -> int:
    """Write one point more for every hundred, at random times of every topic; give their number."""
    choose, written = random.Random(1), 0  # noqa: S311 - a benchmark's own
    span = to_ns(night.end) - to_ns(night.begin)
    for name in sorted(night.known):
        series = night.of_topic(name)
        labels = [each for each in series.columns if series.columns[each].dtype.kind == "f"]
        lines = []
        for place in choose.sample(
            range(len(series.time_ns)), int(len(series.time_ns) * LATE_SHARE)
        ):
            told = ",".join(f"{label}={float(series.columns[label][place])!r}" for label in labels)
            at = to_ns(night.begin) + choose.randrange(span) // 1000 * 1000
            index = f",salIndex={series.columns['salIndex'][place]}i" if name in INDEXED else ""
            lines.append(f"{name} {told}{index},private_seqNum=0i {at}")
        if lines:
            write_lines(url, "efd", "\n".join(lines))
        written += len(lines)
    return written


def ask_one_by_one(
    client: Influx, config: TransformConfig, begin: dt.datetime, end: dt.datetime
) -> int:
    """Ask for the samples of every column of one exposure, and work each out; give the number of queries."""
    asked = 0
    for each in config.columns:
        names = ", ".join(f'"{name}"' for name in each.fields)
        only = " or ".join(f'"{each.subset_field}" = {value}' for value in each.subset)
        where = f"time >= {to_ns(begin - each.look_back)} and time <= {to_ns(end)}"
        where += f" and ({only})" if only else ""
        query = f'select {names} from "{each.topic}" where {where}'  # noqa: S608 - the config's own
        found: list[list[object]] = [[] for _ in each.fields]
        for piece in client.query(query):
            for row in piece.rows:
                for place, value in enumerate(row[1:]):
                    found[place].append(value)
        asked += 1
        groups = found if each.store_unpivoted else [[value for some in found for value in some]]
        for values in groups:
            naive(each.function, values, each.function_args)
    return asked


if __name__ == "__main__":
    sys.exit(main())
