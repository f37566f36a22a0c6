"""Measure what it costs to find out which regions of the sky a night's exposures touch.

::

    python benchmarks/region_labels.py [--exposures 3250]

Ten regions: eight boxes of ten degrees, a circle, and a map of 5,000 cells of HEALPix order 6. The
exposures look anywhere. Prints CPU-seconds and peak memory.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import math
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))

import yaml

from dbb.hooks.instruments import load_instruments
from dbb.hooks.sky_regions import SkyRegions
from dbb.model.exposure import ExposureFacts

WHEN = dt.datetime(2026, 11, 22, 3)  # noqa: DTZ001 - TAI has no zone
FACTS = ExposureFacts(
    instrument="LSSTCam", exposure_id=1, obs_id="MC_O_20261121_000001", day_obs=20261121, seq_num=1,
    seq_start=1, seq_end=1, group_name="g", controller="O", physical_filter="r_57",
    observation_type="science", observation_reason="science", science_program="", target_name="",
    exposure_time_s=15.0, dark_time_s=15.0, begin_tai=WHEN, end_tai=WHEN, tracking_ra_deg=0.0,
    tracking_dec_deg=0.0, sky_angle_deg=0.0, azimuth_deg=None, zenith_angle_deg=None, airmass=None,
    air_temperature_c=None, pressure_pa=None, humidity_percent=None, wind_speed_m_s=None,
    has_simulated=False, can_see_sky=True,
)  # fmt: skip


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, default=3250)
    given = parser.parse_args()
    rng = random.Random(1)  # noqa: S311 - reproducible on purpose
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shapes: dict[str, object] = {
            f"box{n}": {
                "polygon": [[40 * n, -40], [40 * n + 10, -40], [40 * n + 10, -30], [40 * n, -30]]
            }
            for n in range(8)
        }
        shapes["circle"] = {"circle": {"ra_deg": 200.0, "dec_deg": -20.0, "radius_deg": 5.0}}
        shapes["map"] = {"moc": {"6": sorted(rng.sample(range(12 * 4**6), 5000))}}
        for region, shape in shapes.items():
            document = {"name": region, "title": region, **shape}  # type: ignore[dict-item]
            (folder / f"{region}.yaml").write_text(yaml.safe_dump(document))
        sky = SkyRegions(folder, load_instruments())
        before = time.process_time()
        regions = len(sky.regions)
        parsed = time.process_time()
        touched = 0
        for _ in range(given.exposures):
            facts = dataclasses.replace(
                FACTS,
                tracking_ra_deg=rng.uniform(0, 360),
                tracking_dec_deg=math.degrees(math.asin(rng.uniform(-1, 0.2))),
                sky_angle_deg=rng.uniform(0, 360),
            )
            touched += len(sky.regions_touched(facts) or ())
        done = time.process_time()
    print(
        json.dumps(
            {
                "exposures": given.exposures,
                "regions": regions,
                "touched": touched,
                "parse_cpu_s": round(parsed - before, 2),
                "cpu_s": round(done - parsed, 2),
                "ms_an_exposure": round((done - parsed) / given.exposures * 1000, 2),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
