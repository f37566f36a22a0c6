"""Fill an empty ledger with ten years of nights, 100 exposures each, and tonight's 3,250 of which some still wait.

The nights of the last year have as many as are taken in one, 1,000, and the archive's whole history. In one night of thirty
nothing was published for five hours, and one exposure in 500 came two hours late.
What tonight is, the caller says: one that has lasted for `LASTS` has no events ahead of now, which would all count as new.

PostgreSQL makes the many rows itself; SQLite is given them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, bindparam, text

from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sql import UtcTime
from dbb.model.day_obs import DayObs

BIG = 3250
PLACES = ("summit", "usdf", "frdf", "ukdf", "chile")
LATELY = dt.timedelta(days=7)
"""Only what happened within a week has its events at every place: pages ask for no older ones but the archive's of a year."""
YEAR = dt.timedelta(days=366)
LASTS = dt.timedelta(hours=14)
"""From the noon at which the long night begins until its last event."""

UNITS = """
insert into unit (unit, kind, instrument, day_obs, obs_id, part, expected, arrived, changed_at,
                  manifest_sha256, bundle_bytes, bundle_sha256, bundle_adler32, bundle_crc32c, gate,
                  files, size_bytes)
select 'LSSTCam/' || d.day || '/MC_O_' || d.day || '_' || lpad(n::text, 6, '0'), 'raw', 'LSSTCam',
       d.day::integer, 'MC_O_' || d.day || '_' || lpad(n::text, 6, '0'), 1, 205, 205,
       d.noon + n * :seconds * interval '1 second', repeat('a', 64), 4000000000, repeat('b', 64), '0000000c', '0000000d', 'passed',
       2, 4000000000
from (select to_char(t, 'YYYYMMDD') as day, t + interval '12 hours' as noon
      from generate_series(cast(:first as timestamptz), cast(:last as timestamptz), interval '1 day') t) d,
     generate_series(1, :exposures) n
"""
DELIVERIES = """
insert into delivery (unit, endpoint, state, since_at, version, reason, verified_at, read_again_at)
select u.unit, p.place, case when p.place = 'summit' then 'released' else 'published' end,
       u.changed_at + interval '60 seconds' + case when u.day_obs % 30 = 0 then interval '5 hours'
           when right(u.unit, 3) in ('333', '833') then interval '2 hours' else interval '0' end, 4, 'benchmark', u.changed_at + interval '1 hour', u.changed_at
from unit u, unnest(cast(:places as text[])) p(place)
where u.day_obs between :first_day and :last_day
"""
EVENTS = """
insert into delivery_event (unit, endpoint, version, at, old_state, new_state, reason, actor)
select d.unit, d.endpoint, v, d.since_at, '', case when v = 4 then d.state else 'arrived' end, 'benchmark', 'dbb'
from unit u join delivery d on d.unit = u.unit, generate_series(1, 4) v
where u.day_obs between :first_day and :last_day and (cast(:place as text) = '' or d.endpoint = :place)
"""


def fill(ledger: SqlLedger, tonight: DayObs, nights: int, exposures: int, year: int) -> None:
    """Lay nights that are safe and a long one; refusals, canaries and alarms; and have the database count.

    Parameters
    ----------
    exposures, year
        Of each night, and of each one of the last year.
    """
    ledger.migrate()
    last = tonight.date - dt.timedelta(days=1)
    first = last - dt.timedelta(days=nights - 1)
    is_sqlite = ledger.engine.dialect.name == "sqlite"
    with ledger.engine.begin() as connection:
        (_give if is_sqlite else _make)(connection, first, tonight.date, exposures, year)
        connection.execute(
            text(
                "update delivery set state = 'verified' where endpoint = 'summit' and unit like :units"
            ),
            {"units": f"LSSTCam/{tonight}/%"},
        )
        _lay_the_rest(connection, tonight)
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze" if is_sqlite else "vacuum analyze"))


def _make(
    connection: Connection, first: dt.date, tonight: dt.date, exposures: int, year: int
) -> None:
    """Have PostgreSQL make the rows."""
    one = dt.timedelta(days=1)
    recent, lately = max(first, tonight - YEAR), tonight - LATELY
    for begin, end, number in (
        (first, recent - one, exposures),
        (recent, tonight - one, year),
        (tonight, tonight, BIG),
    ):
        connection.execute(
            text(UNITS),
            {
                "first": f"{begin} 00:00Z",
                "last": f"{end} 00:00Z",
                "exposures": number,
                "seconds": _seconds(number),
            },
        )
    connection.execute(text(DELIVERIES), _days(first, tonight) | {"places": list(PLACES)})
    connection.execute(text(EVENTS), _days(recent, lately - one) | {"place": "usdf"})
    connection.execute(text(EVENTS), _days(lately, tonight) | {"place": ""})


def _days(first: dt.date, last: dt.date) -> dict[str, Any]:
    return {"first_day": int(f"{first:%Y%m%d}"), "last_day": int(f"{last:%Y%m%d}")}


def _seconds(exposures: int) -> int:
    """Give the time between exposures: a night of them takes ten hours, a long one half a day."""
    return 36_000 // min(max(exposures, 1000), 2400)


def _give(
    connection: Connection, first: dt.date, tonight: dt.date, exposures: int, year: int
) -> None:
    """Give SQLite the rows of a night at a time."""
    cursor = connection.connection.cursor()
    for number in range((tonight - first).days + 1):
        date = first + dt.timedelta(days=number)
        is_recent = date >= tonight - YEAR
        rows = list(_night(date, BIG if date == tonight else year if is_recent else exposures))
        cursor.executemany(
            "insert into unit (unit, kind, instrument, day_obs, obs_id, part, expected, arrived, changed_at, "
            "manifest_sha256, bundle_bytes, bundle_sha256, bundle_adler32, bundle_crc32c, gate, files, size_bytes) "
            "values (:unit, 'raw', 'LSSTCam', :day_obs, :obs_id, 1, 205, 205, :changed_at, :sha256, 4000000000, "
            ":sha256, '0000000c', '0000000d', 'passed', 2, 4000000000)",
            rows,
        )
        cursor.executemany(
            "insert into delivery (unit, endpoint, state, since_at, version, reason, verified_at, read_again_at) "
            "values (?, ?, ?, ?, 4, 'benchmark', ?, ?)",
            [
                (row["unit"], place, "released" if place == "summit" else "published",
                 _after(row, 60 + _late(row)), _after(row, 3600), row["changed_at"])
                for row in rows
                for place in PLACES
            ],
        )  # fmt: skip
        if is_recent:
            cursor.execute(
                "insert into delivery_event select d.unit, d.endpoint, v.column1, d.since_at, '', "
                "case when v.column1 = 4 then d.state else 'arrived' end, 'benchmark', 'dbb' "
                "from unit u join delivery d on d.unit = u.unit, (values (1), (2), (3), (4)) v "
                "where u.day_obs = ? and (? or d.endpoint = 'usdf')",
                (int(f"{date:%Y%m%d}"), date >= tonight - LATELY),
            )


def _late(row: dict[str, Any]) -> int:
    if row["day_obs"] % 30 == 0:
        return 5 * 3600
    return 2 * 3600 if row["unit"].endswith(("333", "833")) else 0


def _night(date: dt.date, exposures: int) -> Iterator[dict[str, Any]]:
    day = f"{date:%Y%m%d}"
    noon = dt.datetime.combine(date, dt.time(12), dt.UTC)
    for number in range(1, exposures + 1):
        obs_id = f"MC_O_{day}_{number:06d}"
        changed_at = noon + dt.timedelta(seconds=_seconds(exposures) * number)
        yield {
            "unit": f"LSSTCam/{day}/{obs_id}",
            "day_obs": int(day),
            "obs_id": obs_id,
            "changed_at": changed_at.isoformat(timespec="microseconds"),
            "sha256": "a" * 64,
        }


def _after(row: dict[str, Any], seconds: float) -> str:
    time = dt.datetime.fromisoformat(row["changed_at"]) + dt.timedelta(seconds=seconds)
    return time.isoformat(timespec="microseconds")


def _lay_the_rest(connection: Connection, tonight: DayObs) -> None:
    now = dt.datetime.now(dt.UTC)
    at = bindparam("at", type_=UtcTime())
    over = bindparam("over_at", type_=UtcTime())
    unit = f"LSSTCam/{tonight}/MC_O_{tonight}_"
    refused = text(
        "insert into quarantine values (:id, :unit, :night, 'summit', 'x', 'y', 'truncated-file', 'r', 'n', :at, "
        ":decision, null, '')"
    )
    connection.execute(
        refused.bindparams(at),
        [
            {"id": f"id{n}", "unit": f"{unit}{n:06d}", "night": tonight.value, "at": now,
             "decision": "superseded" if n % 10 else "held"}
            for n in range(1, 201)
        ],
    )  # fmt: skip
    canary = text("insert into canary values (:n, :at, :at, 'through', '', '', :at, 'dbb')")
    flown = [{"n": n, "at": now - (301 - n) * dt.timedelta(minutes=15)} for n in range(1, 301)]
    connection.execute(canary.bindparams(at), flown)
    alarm = text(
        "insert into alarm values (:n, :cause, 'not-published', 'late', 'usdf', 'look', '', :at, :at, :over_at)"
    )
    raised = [
        {"n": n, "cause": f"late usdf {n}", "at": now, "over_at": now if n % 50 else None}
        for n in range(1, 2001)
    ]
    connection.execute(alarm.bindparams(at, over), raised)
    told = text("insert into alarm_told values (:n, 'mail', 'raised', :at)").bindparams(at)
    connection.execute(told, [{"n": each["n"], "at": now} for each in raised])
