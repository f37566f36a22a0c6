"""Move tonight's raw exposures within a minute of their arrival.

### What it does
Follows **tonight**: as soon as an exposure has come to rest in the summit's store, or a copy has
come to an endpoint, it does the steps of `raw_transfer` for it. The aim is *queryable at the archive
within 60 s of its last file*. It also takes up what the night before has left.

It is woken by the watcher `exposures and copies` (in the triggerer, within seconds, in a busy night every
45 s), and every five minutes by the clock: a wake-up that is lost costs five minutes and nothing else. One
run at a time; what arrives meanwhile is the next run's. It never waits for copies: their arrival wakes it.

### Parameters
None.

### When it is red
One red run among green ones mended itself: the next run took up what was left. When run after run is
red, open the failed task's log: its last line has a code and what to do. While one endpoint is away,
its `publish_at_…` is red and the other endpoints go on.

### When nothing runs
Is the DAG paused? Is the triggerer up (*Admin → Jobs*, or `airflow jobs check`)? Without it there is
still one run every five minutes.

### Backfill
Not here: this DAG knows no nights. Use `raw_transfer`, which may run at the same time.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable

from dbb.operators.raw_transfer_tasks import move_exposures
from dbb.operators.task_defaults import task_defaults
from dbb.tags import Tag
from dbb.triggers.arrivals import ArrivalTrigger

news = Asset(
    name="raw news",
    uri="x-dbb://summit/raw/news",
    watchers=[AssetWatcher(name="exposures and copies", trigger=ArrivalTrigger())],
)

with DAG(
    dag_id="raw_tonight",
    description="Move tonight's raw exposures within a minute of their arrival.",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=news
    ),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # a sweep that was missed is made good by the next one
    max_active_runs=1,  # two runs would do the same exposures twice
    default_args=task_defaults(priority=100, retries=1),
    tags=[Tag.RAW, Tag.LIVE],
):
    move_exposures(tonight=True)
