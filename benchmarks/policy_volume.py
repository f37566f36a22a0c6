"""Tell how many files and bytes each shipped policy asks for of a maximum day's raw exposures.

A maximum day is 2,800 science and 450 calibration exposures. The science exposures look evenly over the sky south of
declination +2, those of calibrations nowhere; who touches which region is found by the real geometry. An exposure
travels as two files, its bundle and its manifest. Its size is a parameter: 205 images of 16 million pixels, at one
byte a pixel as the camera's lossless compression leaves about, are 3.3 GB.

::

    python benchmarks/policy_volume.py [--science 2800] [--calibration 450] [--exposure-bytes 3300000000]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import random
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "benchmarks")]

from region_labels import FACTS  # type: ignore[import-not-found] # a script beside this one

from dbb.hooks.instruments import load_instruments
from dbb.hooks.sky_regions import SkyRegions
from dbb.model.kind import Kind
from dbb.model.policy import Traits
from dbb.settings import Settings

FILES = 2


def main() -> None:
    """Print a table, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--science", type=int, default=2800)
    parser.add_argument("--calibration", type=int, default=450)
    parser.add_argument("--exposure-bytes", type=int, default=3_300_000_000)
    given = parser.parse_args()
    settings = Settings.load()
    sky = SkyRegions(settings.include / "policies" / "regions", load_instruments())
    rng = random.Random(1)  # noqa: S311 - reproducible on purpose
    wanted: Counter[str] = Counter()
    before = time.process_time()
    for number in range(given.science + given.calibration):
        facts = dataclasses.replace(
            FACTS,
            tracking_ra_deg=rng.uniform(0, 360),
            tracking_dec_deg=math.degrees(math.asin(rng.uniform(-1, math.sin(math.radians(2))))),
            sky_angle_deg=rng.uniform(0, 360),
            can_see_sky=number < given.science,
        )
        regions = sky.regions_touched(facts)
        traits = Traits(Kind.RAW, "LSSTCam", "", facts.day_obs, regions=regions)
        wanted.update(policy.name for policy in settings.policies.wanted(traits))
    spent = time.process_time() - before
    rows = [
        {
            "policy": policy.name,
            "receiver": policy.receiver,
            "exposures": wanted[policy.name],
            "files": FILES * wanted[policy.name],
            "terabytes": round(wanted[policy.name] * given.exposure_bytes / 1e12, 1),
        }
        for policy in settings.policies.of_kind(Kind.RAW)
    ]
    print("| policy | receiver | exposures | files | TB |\n|---|---|---|---|---|")
    for row in rows:
        print(
            "| "
            + " | ".join(
                f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()
            )
            + " |"
        )
    print(json.dumps({"cpu_s": round(spent, 1), "policies": rows}))


if __name__ == "__main__":
    main()
