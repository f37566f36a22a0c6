"""The Engineering and Facilities Database: archive every hour, make values of every exposure, leave no gap unnoticed.

### What it does
*Extract and archive.* Each hour, for every topic of `include/efd/topics.yaml`: notes that the hour is expected; compares the
EFD's counts of the last days with those when hours were extracted, and opens those that differ; extracts what is open,
the newest first, into Parquet files, which `parcel_transfer` registers and publishes.
*Transform, judge and publish.* An interval, the exposures of an instrument that ended in an hour, is made when all hours that it reaches
into are archived, and again when they, its exposures or the configuration have changed. What the expectations
forbid is not published. Versions are only added.
*Compare.* Publications, those of exposures too, travel as files, which `efd_load_<endpoint>` loads. The run that ends at 13:00 UTC compares each
database that `DBB_EFD_VALUES_<ENDPOINT>` names by row hash. A run may be repeated at any time: where nothing has changed, nothing is written. Without
`DBB_EFD_URL` nothing is extracted. `dbb efd status` lists gaps, and intervals that wait or were refused.

### Parameters
- `look_back_h`: for how many hours back the counts are compared.
- `limit_s`: for how many seconds open hours are extracted; the rest waits for the next run.
- `accept_interval`, `accept_reason`: publish an interval that was refused, and why.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). What went well before is kept, and the
other steps go on; `tell_of_failed_steps` is red with any. Gaps, and intervals that wait, do not turn a run red.

### Backfill
Backfill the hours, from the UI or with `dbb efd extract` and `dbb efd transform`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, TriggerRule

from dbb.operators import efd, efd_values
from dbb.operators.efd_params import efd_params
from dbb.operators.report import TellOfFailedSteps
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()
queue = settings.endpoint(settings.raw.archive).queue
span = {
    "begin": "{{ data_interval_start.isoformat() }}",
    "end": "{{ data_interval_end.isoformat() }}",
}
accepted = {"accept_interval": "{{ params.accept_interval }}"}
rule: dict[str, Any] = {"trigger_rule": TriggerRule.NONE_SKIPPED}
always: dict[str, Any] = {"trigger_rule": TriggerRule.ALL_DONE}

with DAG(
    dag_id="efd_etl",
    description="Archive the Engineering and Facilities Database, and make values of every exposure.",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("6 * * * *", timezone="UTC"),  # an hour is due 5 min later
    start_date=settings.first_night,
    catchup=True,
    max_active_runs=1,
    default_args=task_defaults(priority=20, retries=3) | {"queue": queue},
    params=efd_params(),
    tags=[Tag.EFD],
):
    expect = efd.ExpectHours(task_id="expect_the_hours", **span)
    late = efd.FindLatePoints(
        task_id="find_late_points", look_back_h="{{ params.look_back_h }}", **span
    )
    extract = efd.ExtractOpenHours(
        task_id="extract_open_hours", limit_s="{{ params.limit_s }}", **span, **rule
    )
    outlets = [efd.archived(name) for name in settings.raw.instruments]
    seal = efd.ArchiveHours(task_id="archive_the_hours", outlets=outlets, **span, **rule)
    plan = efd_values.PlanIntervals(task_id="plan_intervals", **span, **accepted, **always)
    make = efd_values.MakeIntervals.partial(
        task_id="make_and_publish_intervals", accept_reason="{{ params.accept_reason }}", **accepted
    ).expand(intervals=plan.output)
    send = efd_values.SendPublications(task_id="send_publications", **always)
    compare = efd_values.CompareValues(
        task_id="compare_endpoints", endpoints=settings.receivers, **always, end=span["end"]
    )
    tell = TellOfFailedSteps(task_id="tell_of_failed_steps", trigger_rule=TriggerRule.ONE_FAILED)
    expect >> late >> extract >> seal >> plan >> make >> send >> compare
    [expect, late, extract, seal, plan, make, send, compare] >> tell
