"""Archive the Engineering and Facilities Database, hour by hour, and leave no gap unnoticed.

### What it does
Each hour, for every topic of `include/efd/topics.yaml`: notes that the hour is expected; compares the EFD's
counts of the last days with those when the hours were extracted, and opens those that have other points now;
extracts what is open, the newest first, into Parquet files; puts the files into parcels. `parcel_transfer`
registers and publishes these, as all permanent files. Nothing is ever overwritten: late points make a new
version of a file, and the ledger knows which is current.

A run may be repeated at any time: where nothing has changed, nothing is written. After an outage of the EFD
the open hours are made good by the next run, behind what is new. It is skipped where `DBB_EFD_URL` is not set.
`dbb efd status` lists the gaps: which hours of which topics are open or empty, and why.

### Parameters
- `look_back_h`: for how many hours back the counts are compared.
- `limit_s`: for how many seconds open hours are extracted; the rest waits for the next run.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). Files that
were extracted before are archived all the same; `tell_of_failed_steps` is red with any step. Gaps do not turn a run red.

### Backfill
Backfill the hours, from the UI or with `dbb efd extract --from --to`: it opens those that nobody expected yet.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TriggerRule

from dbb.operators.efd import (
    ArchiveHours,
    ExpectHours,
    ExtractOpenHours,
    FindLatePoints,
    archived,
)
from dbb.operators.report import TellOfFailedSteps
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()
archive = settings.endpoint(settings.raw.archive)
hour = {
    "begin": "{{ data_interval_start.isoformat() }}",
    "end": "{{ data_interval_end.isoformat() }}",
    "queue": archive.queue,
}

with DAG(
    dag_id="efd_archive",
    description="Archive the Engineering and Facilities Database, hour by hour.",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=True,
    max_active_runs=1,
    default_args=task_defaults(priority=20, retries=3),
    params={
        "look_back_h": Param(
            192, type="integer", minimum=0, maximum=2400, description="Hours that are compared."
        ),
        "limit_s": Param(
            2400, type="integer", minimum=1, maximum=3300, description="Seconds of extracting."
        ),
    },
    tags=[Tag.EFD],
):
    expect = ExpectHours(task_id="expect_the_hours", **hour)
    compare = FindLatePoints(
        task_id="find_late_points", look_back_h="{{ params.look_back_h }}", **hour
    )
    extract = ExtractOpenHours(
        task_id="extract_open_hours",
        limit_s="{{ params.limit_s }}",
        trigger_rule=TriggerRule.NONE_SKIPPED,  # a failed comparison keeps nothing waiting
        **hour,
    )
    seal = ArchiveHours(
        task_id="archive_the_hours",
        outlets=[archived(name) for name in settings.raw.instruments],
        trigger_rule=TriggerRule.NONE_SKIPPED,  # what was extracted before a failure is archived
        **hour,
    )
    tell = TellOfFailedSteps(task_id="tell_of_failed_steps", trigger_rule=TriggerRule.ONE_FAILED)
    # The transformation is a DAG of its own, which the assets wake.
    expect >> compare >> extract >> seal
    [expect, compare, extract, seal] >> tell
