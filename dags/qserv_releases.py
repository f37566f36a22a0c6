"""Start the handoff to Qserv of every release that is wholly delivered, once.

### What it does
A release comes in parcels, in any order; its list (`RELEASE.json`, in the parcel `release-<release>`) says which. When
an endpoint that has a Qserv serves every parcel of the list, with the manifests that the list names, and nothing
else of the release, `parquet_to_qserv` is triggered for that endpoint and release. A part of a release starts
nothing; neither does a handoff that was ever begun, by whomever: the run's name is that of the list.

It is woken when parcels are published at an endpoint, and every hour by the clock: an event that is lost costs an
hour and nothing else. `dbb qserv releases` says what is waited for.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). A list that cannot be
used does not turn a run red: `dbb quarantine list` names it. What was triggered is `parquet_to_qserv`'s to finish.

### Backfill
Not needed: a run looks at all releases, of whatever day. What was rolled back is begun again by hand only.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable

from dbb.operators.endpoints import parcels_published_at
from dbb.operators.qserv_releases import LookForReleases, StartHandoff
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()
places = sorted({settings.raw.archive, *settings.receivers})

with DAG(
    dag_id="qserv_releases",
    description="Start the handoff to Qserv of every release that is wholly delivered, once.",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("20 * * * *", timezone="UTC"),
        assets=AssetAny(*(parcels_published_at(name) for name in places)),
    ),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # a run that was missed is made good by the next one
    max_active_runs=1,
    default_args={**task_defaults(priority=5, retries=3), "pool": "release"},
    tags=[Tag.PRODUCTS],
):
    look = LookForReleases(task_id="look_for_releases")
    StartHandoff.partial(task_id="start_handoff").expand(due=look.output)
