"""Sweep out of an endpoint's store what killed writers left there.

There is one DAG of this kind for each store that only we write to, `sweep_<endpoint>`: one that is down, or
whose workers are away, costs only its own.

### What it does
A writer that is killed leaves a hidden file in a folder, or an upload on S3 that never ends. Nobody sees
either, but they take space, and S3 bills for them. Once a day this DAG deletes those that were begun more
than two days ago. The source has none: others write there.

A run may be repeated at any time.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). Nothing
waits for this DAG. If one store is red for weeks, look at its free space.

### Backfill
Not needed: a run takes all that is old enough.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable

from dbb.model.endpoint import Role
from dbb.operators.sweeping import SweepStore
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

for name, endpoint in Settings.load().endpoints.items():
    # Others write to a source, and an upload does not say whose it is; a drill wipes all.
    if endpoint.role in (Role.SOURCE, Role.SCRATCH):
        continue
    with DAG(
        dag_id=f"sweep_{name}",
        description=f"Sweep out of the store what killed writers left at {endpoint.title}.",
        doc_md=__doc__,
        schedule=CronTriggerTimetable("30 15 * * *", timezone="UTC"),
        start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
        catchup=False,  # a run that was missed is made good by the next one
        max_active_runs=1,
        default_args=task_defaults(priority=1, retries=3),
        tags=[Tag.UPKEEP],
    ):
        SweepStore(task_id=f"sweep_store_of_{name}", endpoint=name, queue=endpoint.queue)
