"""Load what is published of telemetry and exposures into an endpoint's database.

There is one DAG of this kind for each endpoint that receives anything, `efd_load_<endpoint>`: one that is away
keeps neither the others waiting nor the archiving of the EFD.

### What it does
Each hour, 20 minutes after `efd_etl` has begun: takes the files of publications that `deliver_<endpoint>` has published
at **its endpoint**, works each row's hash out again, and loads them in the order of their numbers into the database
that `DBB_EFD_VALUES_<ENDPOINT>` names; its tables are made when they miss. Without that variable it is skipped.

A run loads for half an hour, and the next one goes on: an endpoint that was away, or is new, catches up from
the first publication that it lacks. A run may be repeated at any time: what is there is not loaded again.

### When it is red
Open the task's log: its last line has a code and what to do (`docs/operate/<code>.md`). What was loaded before stays.
A publication that has not come yet does not turn a run red; after 20 hours it is an alarm.

### Backfill
Not needed: a run takes up everything that the endpoint lacks, of whatever night.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable

from dbb.operators.efd_values import LoadPublications
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()

for name in settings.receivers:
    endpoint = settings.endpoint(name)
    with DAG(
        dag_id=f"efd_load_{name}",
        description=f"Load what is published of telemetry and exposures at {endpoint.title}.",
        doc_md=__doc__,
        schedule=CronTriggerTimetable("26 * * * *", timezone="UTC"),
        start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
        catchup=False,  # a run that was missed is made good by the next one
        max_active_runs=1,
        default_args=task_defaults(priority=20, retries=3) | {"pool": "delivery"},
        tags=[Tag.EFD],
    ):
        LoadPublications(task_id=f"load_at_{name}", endpoint=name, queue=endpoint.queue)
