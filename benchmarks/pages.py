"""Measure how long each page takes in the server, over a ledger of ten years of nights.

Claim: the 95th percentile of every page is under 300 ms of server time, with a night of 3,250 exposures at the source
and four endpoints, and ten years of other nights.

It fills an empty PostgreSQL database (``--fill``) and then asks the application itself, without a network between.

::

    python benchmarks/pages.py --url postgresql+psycopg://… --fill [--nights 3650] [--exposures 100]
    python benchmarks/pages.py --url postgresql+psycopg://… [--rounds 20]
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import statistics
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins")]

from sqlalchemy import text

from dbb.hooks.ledger import SqlLedger
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.wiring import open_ledger

BIG = 3250
PLACES = ("summit", "usdf", "frdf", "ukdf", "chile")

UNITS = """
insert into unit (unit, kind, instrument, day_obs, obs_id, part, expected, arrived, changed_at,
                  manifest_sha256, bundle_bytes, bundle_sha256, bundle_adler32, bundle_crc32c, gate,
                  files, size_bytes)
select 'LSSTCam/' || d.day || '/MC_O_' || d.day || '_' || lpad(n::text, 6, '0'), 'raw', 'LSSTCam',
       d.day::integer, 'MC_O_' || d.day || '_' || lpad(n::text, 6, '0'), 1, 205, 205,
       d.noon + n * interval '15 seconds', repeat('a', 64), 4000000000, repeat('b', 64), '0000000c', '0000000d', 'passed',
       2, 4000000000
from (select to_char(t, 'YYYYMMDD') as day, t + interval '12 hours' as noon
      from generate_series(cast(:first as timestamptz), cast(:last as timestamptz), interval '1 day') t) d,
     generate_series(1, :exposures) n
"""
DELIVERIES = """
insert into delivery (unit, endpoint, state, since_at, version, reason, verified_at, read_again_at)
select u.unit, p.place, case when p.place = 'summit' then 'released' else 'published' end,
       u.changed_at + interval '60 seconds', 4, 'benchmark', u.changed_at + interval '1 hour', u.changed_at
from unit u, unnest(cast(:places as text[])) p(place)
where u.day_obs between :first_day and :last_day
"""
EVENTS = """
insert into delivery_event (unit, endpoint, version, at, old_state, new_state, reason, actor)
select d.unit, d.endpoint, v, d.since_at, '', case when v = 4 then d.state else 'arrived' end, 'benchmark', 'dbb'
from unit u join delivery d on d.unit = u.unit, generate_series(1, 4) v
where u.day_obs >= :first_day
"""


def fill(ledger: SqlLedger, tonight: DayObs, nights: int, exposures: int) -> None:
    """Lay ten years of nights that are safe, and a long one of which some still wait."""
    ledger.migrate()
    last = tonight.date - dt.timedelta(days=1)
    first = last - dt.timedelta(days=nights - 1)
    days = {"first_day": int(f"{first:%Y%m%d}"), "last_day": tonight.value, "places": list(PLACES)}
    with ledger.engine.begin() as connection:
        for begin, end, number in ((first, last, exposures), (tonight.date, tonight.date, BIG)):
            connection.execute(
                text(UNITS),
                {"first": f"{begin} 00:00Z", "last": f"{end} 00:00Z", "exposures": number},
            )
        connection.execute(text(DELIVERIES), days)
        week = int(f"{last - dt.timedelta(days=7):%Y%m%d}")
        connection.execute(text(EVENTS), {"first_day": week})
        connection.execute(
            text(
                "update delivery set state = 'verified' where endpoint = 'summit' and unit like :units"
            ),
            {"units": f"LSSTCam/{tonight}/%"},
        )
        connection.execute(
            text(
                "insert into quarantine select 'id' || n, 'LSSTCam/' || :day || '/MC_O_' || :day || '_' || "
                "lpad(n::text, 6, '0'), :night, 'summit', 'x', 'y', 'truncated-file', 'r', 'n', now(), "
                "case when n % 10 = 0 then 'held' else 'superseded' end, null, '' "
                "from generate_series(1, 200) n"
            ),
            {"day": str(tonight), "night": tonight.value},
        )
        connection.execute(
            text(
                "insert into canary select n, now() - (301 - n) * interval '15 minutes', now(), 'through', '', "
                "'', now(), 'dbb' from generate_series(1, 300) n"
            )
        )
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


def measure(tonight: DayObs, rounds: int) -> None:
    """Ask for each page so often; print the times within the application."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from airflow.api_fastapi.core_api.security import get_user  # noqa: PLC0415
        from fastapi.testclient import TestClient  # noqa: PLC0415

        from dbb.web import app as pages  # noqa: PLC0415
        from dbb.web.access import can_decide, may_read, name_of  # noqa: PLC0415
        from dbb.web.layout import PAGES  # noqa: PLC0415
    app = pages.make_app()
    app.dependency_overrides[get_user] = lambda: None
    for guard in (may_read, can_decide, name_of):
        app.dependency_overrides[guard] = lambda: "anne"
    client = TestClient(app)
    obs_id = f"MC_O_{tonight}_000007"
    addresses = ["/nights", f"/night/{tonight}", f"/night/{tonight}?page=20", f"/exposure/{obs_id}"]
    addresses += [f"/{name}" for name in PAGES if name != "nights"]
    print("page\tp50_ms\tp95_ms\tcpu_ms\tfirst_ms\tkB")
    for address in addresses:
        times, cpu = [], _cpu()
        for _ in range(rounds + 1):
            began = time.perf_counter()
            answer = client.get(address)
            times.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, (address, answer.status_code, answer.text[-600:])
        first, *rest = times
        cpu_ms = 1000 * (_cpu() - cpu) / (rounds + 1)
        p95 = statistics.quantiles(rest, n=20)[-1]
        print(
            f"{address}\t{statistics.median(rest):.0f}\t{p95:.0f}\t{cpu_ms:.0f}\t{first:.0f}\t"
            f"{len(answer.content) / 1000:.0f}"
        )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Fill or measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--nights", type=int, default=3650)
    parser.add_argument("--exposures", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    os.environ["DBB_LEDGER_URL"] = given.url
    tonight = DayObs.at(dt.datetime.now(dt.UTC))
    if given.fill:
        fill(open_ledger(Settings.load(), "benchmark"), tonight, given.nights, given.exposures)
    else:
        measure(tonight, given.rounds)


if __name__ == "__main__":
    main()
