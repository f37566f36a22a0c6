"""Burn down a scratch endpoint and rebuild it; rebuild the ledger beside the real one and compare.

### What it does
Each Sunday: for every endpoint whose file says `role: scratch`, its store and its Butler registry are **wiped**, and
brought back from the peers' stores and manifests alone, neither ledger nor Rucio is asked. Every byte is read back,
every dataset asked for, one of each unit is read through Butler. Then the ledger is rebuilt from the stores into a
database of its own, and compared with the real one row by row. What was shown is in `dbb drill list`.

No other place can be wiped: its role, its address and a mark inside it are checked
([`not-scratch`](docs/operate/not-scratch.md)).

### Parameters
- `nights`: how many of the latest nights are the sample. The wall time grows with their bytes.
- `first_day`, `last_day`: these nights instead.

### When it is red
Something did not come back ([`drill-failed`](docs/operate/drill-failed.md)): the next real fire would lose it. The error
names the first ones.

### Backfill
Not needed. Trigger it with `first_day` and `last_day` after a change of stores, peers or Butler.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dbb.model.endpoint import Role
from dbb.operators.drills import DrillEndpoint, DrillLedger
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

DAYS = {
    "first_day": "{{ params.first_day }}",
    "last_day": "{{ params.last_day }}",
    "nights": "{{ params.nights }}",
}


def night(description: str) -> Param:
    """Describe a parameter that is a night or empty."""
    return Param("", type="string", pattern=r"^(\d{8})?$", description=description)


with DAG(
    dag_id="dr_drill",
    description="Burn down a scratch endpoint and rebuild it; rebuild the ledger and compare.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 16 * * 0", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # a drill that was missed shows nothing more than the next one
    max_active_runs=1,
    default_args=task_defaults(priority=1, retries=1)
    | {"pool": "audit", "execution_timeout": dt.timedelta(hours=12)},
    params={
        "nights": Param(1, type="integer", minimum=1, maximum=1000, description="Latest nights."),
        "first_day": night("First night instead; empty: the latest."),
        "last_day": night("Last night; empty: the first."),
    },
    tags=[Tag.AUDIT],
):
    DrillLedger(task_id="rebuild_the_ledger_and_compare", **DAYS)
    for name, endpoint in Settings.load().endpoints.items():
        if endpoint.role is Role.SCRATCH:
            DrillEndpoint(
                task_id=f"wipe_and_rebuild_{name}", endpoint=name, queue=endpoint.queue, **DAYS
            )
