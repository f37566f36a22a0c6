"""Watch the buffers in Chile: how full they are, and how long they last with their link down.

### What it does
Each hour: releases at the summit, of whatever night, what enough published and re-read copies stand for; then lists each
buffer and compares what is left with what arrives on the busiest day of the last week. A buffer must last twice as
long as its link takes to be repaired (`link_mttr_h` in `include/endpoints/<name>.yaml`).

`dbb buffers` shows the same numbers. It also sums up losses, copies and publications for the pages (`dbb budget`,
`dbb replicas`, `dbb outages`).

### When it is red
A buffer is nearly full: four fifths are used, or what is left does not last as long as it must. The last line of the
log says which, and what to do ([`buffer-nearly-full`](docs/operate/buffer-nearly-full.md)). It stays red until there is room.

### Backfill
Not needed: a run tells how it is now.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, TriggerRule

from dbb.operators.buffers import MeasureBuffers, NoteSums, ReleaseWhatIsSafe
from dbb.operators.report import TellOfFailedSteps
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

source = Settings.load().endpoint(Settings.load().raw.source)

with DAG(
    dag_id="buffer_watch",
    description="Watch the buffers in Chile: how full they are, and how long they last.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("50 * * * *", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # what was is no news
    max_active_runs=1,
    default_args=task_defaults(priority=20, retries=2),
    tags=[Tag.RAW, Tag.AUDIT],
):
    release = ReleaseWhatIsSafe(task_id="release_what_is_safe", queue=source.queue)
    measure = MeasureBuffers(
        task_id="measure_buffers", queue=source.queue, trigger_rule=TriggerRule.ALL_DONE
    )
    note = NoteSums(task_id="note_sums")
    tell = TellOfFailedSteps(task_id="tell_of_failed_steps", trigger_rule=TriggerRule.ONE_FAILED)
    release >> measure
    [release, measure, note] >> tell
