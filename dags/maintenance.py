"""Hold everything for a maintenance, with nothing lost, or let it go on.

### What it does
**drain** notes which DAGs of the backbone run, pauses them (all but this one and `alarm_watch`), and waits until the tasks that run have ended. Nothing new is
started then; what waits (queued runs, deferred tasks, events in the inbox) waits on. Stores, databases and Airflow itself
may now be stopped. **resume** starts again the DAGs that ran before, and no others; what came meanwhile is taken up.

`dbb maintenance drain`, `status` and `resume` do the same. It asks Airflow's API as the user of `DBB_AIRFLOW_USER`, who
needs the role *Op*.

### Parameters
- `action`: drain or resume.
- `reason`: why, for the record.
- `within_s`: how long to wait for what runs.

### When it is red
With `drain-unfinished` something still runs; the log names it. Nothing new is started all the same: trigger it again, or
end those tasks. Clear the task after any other failure: it goes on where it was.

### Backfill
None: it has no schedule.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Param

from dbb.operators.maintenance import DrainOrResume
from dbb.operators.task_defaults import task_defaults
from dbb.tags import Tag

with DAG(
    dag_id="maintenance",
    description="Hold everything for a maintenance, with nothing lost, or let it go on.",
    doc_md=__doc__,
    schedule=None,
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={**task_defaults(priority=200, retries=1), "pool": "default_pool"},
    params={
        "action": Param(
            "drain", type="string", enum=["drain", "resume"], description="What is wanted."
        ),
        "reason": Param(
            "maintenance",
            type="string",
            minLength=1,
            maxLength=200,
            description="Why, for the record.",
        ),
        "within_s": Param(
            300,
            type="integer",
            minimum=0,
            maximum=3300,
            description="Seconds to wait for what runs.",
        ),
    },
    tags=[Tag.UPKEEP],
):
    DrainOrResume(task_id="drain_or_resume")
