"""Measure what combining calibration exposures costs, beside a plain median of the whole stack.

Claims: the cost grows with the pixels, not faster with the exposures, and the memory does not grow
with the exposures at all.

::

    python benchmarks/calibration_payload.py [--side 512] [--detectors 2] [--exposures 1 5 25 50]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include"), str(ROOT / "tests")]

import numpy as np

from dbb.hooks.calibration.combining import CombiningPayload
from dbb.hooks.calibration.reader import InputReader
from dbb.hooks.calibration.segments import read_detector
from dbb.model.payload import PayloadInput
from sandbox.synthetic_night import make_calibration_group
from support.calibration_orders import digest, make_order

FULL_PIXELS = 16e6 * 205
"""Pixels of an exposure of LSSTCam."""

Results: TypeAlias = "multiprocessing.Queue[tuple[float, float, float, int]]"

DETECTORS = ("R22_S11", "R22_S12", "R22_S10", "R22_S00")


def make(folder: str, exposures: int, given: argparse.Namespace) -> None:
    """Write the group that is combined."""
    make_calibration_group(
        Path(folder),
        "bias",
        exposures=exposures,
        pixels=given.side,
        amplifiers=4,
        overscan=64,
        detectors=DETECTORS[: given.detectors],
    )


def measure(way: str, folder: str, exposures: int, results: Results) -> None:
    """Combine a group in this process, which does nothing else; report CPU-seconds and memory."""
    images = sorted(Path(folder).rglob("*.fits"))
    inputs = [
        PayloadInput(path.name, digest(path), path, "", int(path.stem[-1]) + int(path.stem[-2]) * 3,
                     int(path.parent.name[-6:]))
        for path in images
    ]  # fmt: skip
    kept = sorted({given.exposure_id for given in inputs})[:exposures]
    inputs = [given for given in inputs if given.exposure_id in kept]
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin = time.process_time()
    if way == "payload":
        with tempfile.TemporaryDirectory() as out:
            CombiningPayload(1).run(make_order(Path(out) / "order", "bias", inputs))
    else:
        with InputReader() as reader:
            for detector in sorted({given.detector for given in inputs}):
                mine = [given for given in inputs if given.detector == detector]
                cube = [read_detector("x", reader.read(given)).pixels for given in mine]
                np.median(np.array(cube), axis=0)
    spent = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put((spent, base, peak, len(inputs)))


def main() -> None:
    """Print a table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--side", type=int, default=512, help="rows and columns of each of four amplifiers"
    )
    parser.add_argument("--detectors", type=int, default=2)
    parser.add_argument("--exposures", type=int, nargs="+", default=[1, 5, 25, 50])
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        # in a process of its own: a child's peak memory counts from its parent's
        maker = context.Process(target=make, args=(folder, max(given.exposures), given))
        maker.start()
        maker.join()
        for exposures in given.exposures:
            for way in ("payload", "median"):
                results: Results = context.Queue()
                process = context.Process(target=measure, args=(way, folder, exposures, results))
                process.start()
                spent, base, peak, images = results.get()
                process.join()
                mpix = images * given.side**2 * 4 / 1e6
                rows.append(
                    {
                        "exposures": exposures,
                        "way": way,
                        "cpu_s": round(spent, 2),
                        "cpu_s_per_detector": round(spent / given.detectors, 2),
                        "cpu_s_per_mpix": round(spent / mpix, 4),
                        "before_mib": round(base),
                        "peak_mib": round(peak),
                    }
                )
    keys = list(rows[0])
    print(" | ".join(keys))
    for row in rows:
        print(" | ".join(str(row[key]) for key in keys))
    of_25 = [row for row in rows if row["exposures"] == 25 and row["way"] == "payload"]
    for row in of_25:
        hours = float(str(row["cpu_s_per_mpix"])) * FULL_PIXELS / 1e6 * 25 / 3600
        print(
            f"25 exposures of LSSTCam: {hours:.1f} CPU-hours, {hours * 3600 / 205:.0f} s a detector"
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
