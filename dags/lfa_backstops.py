"""Find the objects of the Large File Annex that no event told of.

There are two DAGs in this file: `lfa_efd_query` asks the EFD every hour, `lfa_bucket_listing` lists the
whole bucket once a day. Both only note objects; `lfa_replication` copies them, and is woken by it.

### What it does
`lfa_efd_query` asks the EFD for every event `largeFileObjectAvailable` since a day before the last asking.
How far it was asked is in the ledger: after an outage of the EFD the next run begins there. It is skipped
where `DBB_EFD_URL` is not set.

`lfa_bucket_listing` finds objects in folders that nobody has told of, and without a date in their names; and
those that are another version than the one that was copied, of whatever day.

Both may be repeated at any time.

### Parameters
- `day_obs`: with `lfa_efd_query`, the day to ask for, e.g. `20261121`; empty for what is new.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`).

### Backfill
Trigger `lfa_efd_query` with `day_obs` for each day whose events may have been missed.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dbb.operators.lfa import AskTheEfd, ListTheBucket
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

archive = Settings.load().endpoint(Settings.load().raw.archive)

with DAG(
    dag_id="lfa_efd_query",
    description="Ask the EFD for objects of the Large File Annex.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("20 * * * *", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # the ledger knows up to when the EFD was asked
    max_active_runs=1,
    default_args=task_defaults(priority=20, retries=3),
    params={
        "day_obs": Param(
            "",
            type="string",
            pattern=r"^(\d{8})?$",
            description="The day to ask for; empty for what is new since the last asking.",
        ),
    },
    tags=[Tag.LFA],
):
    AskTheEfd(task_id="ask_the_efd", day_obs="{{ params.day_obs }}", queue=archive.queue)

with DAG(
    dag_id="lfa_bucket_listing",
    description="List the whole bucket of the Large File Annex.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("45 13 * * *", timezone="UTC"),  # after the end of a day
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args=task_defaults(priority=20, retries=3),
    tags=[Tag.LFA],
):
    ListTheBucket(task_id="list_the_bucket", queue=archive.queue)
