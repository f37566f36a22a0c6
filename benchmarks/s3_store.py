"""Measure what our S3 store costs beside our POSIX store and beside plain boto3, in one run.

Every way writes the same files and reads them again to the last byte. Ours sends a SHA-256 with each
part and holds the server's own against it; boto3's own transfers send a CRC32 and look at no more.

::

    python benchmarks/s3_store.py [--mebibytes 64] [--files 4]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig
from boto3.session import Session

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include")]

from dbb.hooks.stores import open_store
from dbb.ports.store import READ_BYTES
from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.seaweedfs import SeaweedFs

WAYS = ("posix store", "s3 store", "boto3, one thread", "boto3, as it comes")


Ways = tuple[Callable[[str, bytes], None], Callable[[str], int]]


def write_and_read(way: str, place: str) -> Ways:
    """Give what writes a file and what reads one."""
    if way.startswith("boto3"):
        return _boto3(place, use_threads=way.endswith("comes"))
    store = open_store(place)

    def write(name: str, data: bytes) -> None:
        with store.create(name) as writer:
            for start in range(0, len(data), READ_BYTES):
                writer.write(data[start : start + READ_BYTES])

    def read(name: str) -> int:
        size = 0
        with store.open(name, cold=True) as file:
            while piece := file.read(READ_BYTES):
                size += len(piece)
        return size

    return write, read


def _boto3(place: str, *, use_threads: bool) -> Ways:
    client = Session().client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"])
    bucket = place.removeprefix("s3://")
    config = TransferConfig(use_threads=use_threads)

    def write(name: str, data: bytes) -> None:
        client.upload_fileobj(io.BytesIO(data), bucket, name, Config=config)

    def read(name: str) -> int:
        with Path(os.devnull).open("wb") as sink:
            counting = _Counting(sink)
            client.download_fileobj(bucket, name, counting, Config=config)
        return counting.end

    return write, read


class _Counting:
    """Throw bytes away; a download by threads writes its pieces in any order."""

    def __init__(self, sink: Any) -> None:
        self._sink, self._at, self.end = sink, 0, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset if whence == 0 else self._at + offset
        return self._at

    def write(self, data: bytes) -> int:
        self._sink.write(data)
        self._at += len(data)
        self.end = max(self.end, self._at)
        return len(data)


def measure(way: str, place: str, mebibytes: int, files: int) -> dict[str, Any]:
    """Write and read in this process alone; its peak is then this way's."""
    data = os.urandom(mebibytes << 20)
    write, read = write_and_read(way, place)
    write("warm", data[: 1 << 20])
    assert read("warm") == 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row: dict[str, Any] = {"way": way}
    for step, work in (
        ("write", lambda name: write(name, data)),
        ("read", lambda name: read(name) == len(data) or sys.exit("short")),
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        for number in range(files):
            work(f"bench/{number}")
        row[f"{step}_cpu_s"] = round(time.process_time() - cpu, 3)
        row[f"{step}_s"] = round(time.perf_counter() - wall, 3)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row["peak_mib_above_the_file"] = round((after - before) / 1024, 1)
    return row


def main() -> None:
    """Start a server, run each way in a process of its own, print a table and JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measure(given.way, given.place, given.mebibytes, given.files)))
        return

    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(ROOT, Path(folder) / "state")
        layout.make()
        layout.s3_file.write_text("FRDF\n")
        server = SeaweedFs(layout, Allotted.load(layout.allotted_file))
        warnings.simplefilter("ignore", ResourceWarning)
        server.start()
        try:
            rows = []
            for way in WAYS:
                place = f"{Path(folder, 'posix').as_uri()}" if way == "posix store" else "s3://frdf"
                Path(folder, "posix").mkdir(exist_ok=True)
                words = [sys.executable, __file__, "--way", way, "--place", place]
                words += ["--mebibytes", str(given.mebibytes), "--files", str(given.files)]
                done = subprocess.run(
                    words,
                    check=True,
                    capture_output=True,
                    text=True,
                    env={**os.environ, **server.environment_of_clients()},
                )
                rows.append(json.loads(done.stdout))
        finally:
            server.stop()
    total = given.mebibytes * given.files
    for row in rows:
        rates = [f"{total / max(row[f'{step}_cpu_s'], 1e-3):8.0f}" for step in ("write", "read")]
        print(f"{row['way']:<20} write/read MiB per CPU-s {' '.join(rates)}  {row}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
