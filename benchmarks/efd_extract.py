"""Measure the extraction of the EFD: points and values per CPU-second, ours and the source's; peak memory.

::

    python benchmarks/efd_extract.py [--scale 0.05]

A real InfluxDB with a synthetic night, a store in a folder, a ledger in SQLite. The same points are extracted for
two lengths of interval, each in a process of its own: peak memory must not grow with the length. Then the
same again, where nothing has changed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / name) for name in ("plugins", "include", "tests")]

from dbb.flows.efd import Efd
from dbb.flows.efd_archiving import expect_hours, extract_open_cells, find_late_points
from dbb.hooks.efd.cells import SqlEfdCells
from dbb.hooks.efd.copying import ParquetCopier
from dbb.hooks.efd.source import InfluxSource
from dbb.hooks.engine import open_engine
from dbb.hooks.influx import Influx
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.posix_store import PosixStore
from dbb.model.day_obs import DayObs
from sandbox.allotted import Allotted
from sandbox.influx import Influx as InfluxServer
from sandbox.layout import Layout
from sandbox.synthetic_efd import EfdNight, make_database, write_night
from support.fake_clock import FixedClock

HOURS = (1, 4)
LIMIT = dt.timedelta(hours=1)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--hours", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.url:
        print(json.dumps(extract(given.url, given.scale, given.hours)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(ROOT, Path(folder))
        layout.make()
        server = InfluxServer(layout, Allotted.load(layout.allotted_file))
        server.start()
        try:
            measure(server, given.scale)
        finally:
            server.stop()
    return 0


def measure(server: InfluxServer, scale: float) -> None:
    """Write the night, and extract it for each length."""
    night = night_of(scale, max(HOURS))
    make_database(server.url(), "efd")
    before, began = source_cpu_s(server), time.process_time()
    points = write_night(night, server.url(), "efd")
    ours = time.process_time() - began
    print(
        f"written: {points:,} points, {ours:.1f} CPU-s, source {source_cpu_s(server) - before:.1f}"
    )
    for hours in HOURS:
        before = source_cpu_s(server)
        words = [sys.executable, __file__, "--url", server.url(), "--scale", str(scale)]
        done = subprocess.run(
            [*words, "--hours", str(hours)], check=True, capture_output=True, text=True
        )
        told = json.loads(done.stdout.splitlines()[-1])
        source = source_cpu_s(server) - before
        print(
            f"{hours} h: {told['rows']:,} points, {told['values']:,} values, {told['bytes']:,} bytes: "
            f"ours {told['cpu_s']:.1f} CPU-s, source {source:.1f} CPU-s (the second run included), "
            f"{told['rows'] / told['cpu_s']:,.0f} points and {told['values'] / told['cpu_s']:,.0f} values "
            f"per CPU-s of ours; peak {told['peak_mib']} MiB, {told['peak_above_mib']} above the imports; "
            f"nothing changed: {told['again_cpu_s']:.2f} CPU-s, {told['again']}"
        )


def night_of(scale: float, hours: float) -> EfdNight:
    """Give the night."""
    return EfdNight(DayObs(20261121), scale=scale, hours=hours)


def extract(url: str, scale: float, hours: int) -> dict[str, object]:
    """Extract the first hours; give the figures."""
    night = night_of(scale, hours)
    end = night.begin + dt.timedelta(hours=hours)
    with tempfile.TemporaryDirectory() as folder:
        store = PosixStore(Path(folder))
        clock = FixedClock(end + dt.timedelta(minutes=10))
        ledger = SqlLedger(open_engine("sqlite://"), clock, "benchmark")
        ledger.migrate()
        source, cells = InfluxSource(Influx(url, "efd")), SqlEfdCells(ledger)
        efd = Efd(night.known, source, ParquetCopier(source, store), cells, store, clock)
        before, began = peak_mib(), time.process_time()
        expect_hours(efd, night.begin, end)
        extract_open_cells(efd, night.begin, end, limit=LIMIT)
        cpu_s, peak, middle = time.process_time() - began, peak_mib(), time.process_time()
        expect_hours(efd, night.begin, end)
        again = find_late_points(efd, night.begin, end)
        again |= extract_open_cells(efd, night.begin, end, limit=LIMIT)
        again_cpu_s = time.process_time() - middle
        found = [file for name in efd.names for file in cells.current(name, night.begin, end)]
        widths = {name: len(source.shape(name).columns) for name in efd.names}
    return {
        "rows": sum(file.rows for file in found),
        "values": sum(file.rows * widths[file.topic] for file in found),
        "bytes": sum(file.digest.size_bytes for file in found),
        "cpu_s": cpu_s,
        "again_cpu_s": again_cpu_s,
        "again": {name: number for name, number in again.items() if number},
        "peak_mib": peak,
        "peak_above_mib": peak - before,
    }


def peak_mib() -> int:
    """Give the largest memory that this program had (``getrusage`` tells of its parent's too)."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) // 1024


def source_cpu_s(server: InfluxServer) -> float:
    """Give the CPU time of the server so far."""
    file = server.layout.state / "run" / f"{server.name}.json"
    pid = json.loads(file.read_text())["pid"]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
