"""Write a synthetic night of the EFD: ``python -m sandbox.synthetic_efd --night 20261121 --url …``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import requests

from dbb.errors import DbbError
from dbb.model.day_obs import DayObs
from sandbox.synthetic_efd import EfdNight, make_database, write_night


def main(arguments: Sequence[str] | None = None) -> int:
    """Write it; give the exit status."""
    parser = argparse.ArgumentParser(prog="synthetic_efd", description=__doc__)
    parser.add_argument("--night", required=True, help="the day, as 20261121")
    parser.add_argument("--url", required=True, help="the address of an InfluxDB 1.x")
    parser.add_argument(
        "--database", default="efd", help="its database, made where it is not there"
    )
    parser.add_argument("--scale", type=float, default=0.01, help="factor of all rates")
    parser.add_argument("--hours", type=float, default=10.0, help="how long the night is")
    parser.add_argument("--seed", type=int, default=1, help="another one gives other values")
    parser.add_argument(
        "--topic", action="append", default=[], help="only this one; may be given again"
    )
    given = parser.parse_args(arguments)
    try:
        night = EfdNight(
            DayObs.parse(given.night), given.scale, given.hours, given.seed, tuple(given.topic)
        )
        make_database(given.url, given.database)
        points = write_night(night, given.url, given.database, _tell)
    except (DbbError, KeyError, ValueError, requests.RequestException) as error:
        print(f"synthetic_efd: {error}", file=sys.stderr)
        return 1
    print(f"{points} points from {night.begin.isoformat()} to {night.end.isoformat()}")
    return 0


def _tell(topic: str, points: int) -> None:
    print(f"{topic}: {points} points", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
