"""Make the calibrations of a night again: another payload, another version, another campaign.

### What it does
The steps of `calibration_daily` for **one night**; with `again` also for groups that were refused,
withdrawn or made by another payload. A payload, version or parameters that were not tried yet make a new attempt with a RUN collection of its
own; nothing is overwritten. The result is in force if its campaign has none for the group yet; within
a campaign that has one it is kept and labelled, until the other one is rolled back. It also closes
the night at 13:30 UTC, and compares what is in force at the endpoints.

It is **paused** until you unpause it: look first whether the limits of `include/calibration/<instrument>.yaml`, by which
images and products are refused, are those of your camera.

### Parameters
As of `calibration_daily`: `instrument`, `campaign`, `payload`, `again`, `patience_s`; `day_obs` only for
a run triggered by hand.

### When it is red
Open the failed task's log: its last line has a code and what to do. `compare_endpoints` alone is
red: `dbb calibration compare` names the endpoint.

### Backfill
*Trigger → Backfill*, or `airflow backfill create`: a night counts by its own date at 13:30 UTC, so *To*
is the day after the last night at 00:00. Name campaign and payload in the run's configuration.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable

from dbb.operators.calibration_tasks import calibration_params, make_calibrations
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()

with DAG(
    dag_id="calibration_reprocess",
    description="Make the calibrations of a night again; nothing is overwritten.",
    doc_md=__doc__,
    schedule=CronPartitionTimetable(
        "30 13 * * *", timezone="UTC", run_offset=-1, key_format="%Y%m%d"
    ),
    start_date=settings.first_night,
    catchup=True,  # a night whose 13:30 fell into an outage is still closed
    max_active_runs=1,
    default_args=task_defaults(priority=1, retries=2) | {"pool": "calibration"},
    params=calibration_params(settings.raw.instruments),
    is_paused_upon_creation=True,  # until somebody has looked at the limits for this camera
    tags=[Tag.CALIBRATION, Tag.NIGHTLY],
):
    make_calibrations(tonight=False)
