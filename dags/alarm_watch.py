"""Tell people what they must know: each cause once, and once more when it is over.

### What it does
Every five minutes it asks whether an endpoint lacks exposures four hours before their 24 hours are over, whether nothing was
published for twelve hours although exposures wait, how full the buffers are, whether a calibration is late, whether the
canary came through, what waits for a decision, whether the counts of a night's alerts agree a day after it, and how Airflow is. A new cause is recorded and sent to the channels that are set
(`DBB_ALARM_WEBHOOK`, `DBB_ALARM_MAIL`): what, where, since when, what next, and the page to open. While it lasts it
is not sent again.

`dbb alarms list` shows what is open, `--all` the log. A dead Airflow tells nobody: let a machine beside it call `dbb alarms watch`
by the clock; both may run, each cause is told once.

It also hands [our metrics](docs/reference/metrics.md) to what Airflow sends its own to, and asks Airflow, where `DBB_AIRFLOW_URL`
is set, what a maintenance still waits for and how far catching up is, for the page *Work*.

### Parameters
None.

### When it is red
A channel did not take an alarm ([`alarm-not-sent`](docs/operate/alarm-not-sent.md)); the next run sends it. Or `note_the_work` could not
ask Airflow, or list the summit's store: the page *Work* is then UNKNOWN. An open alarm does not make it red.

### Backfill
Not needed: a run tells how it is now.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable

from dbb.operators.alarms import LookForAlarms, NoteTheWork, TellTheMetrics
from dbb.operators.task_defaults import task_defaults
from dbb.tags import Tag

with DAG(
    dag_id="alarm_watch",
    description="Tell people what they must know: each cause once.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # what was is no news
    max_active_runs=1,
    default_args={**task_defaults(priority=150, retries=1), "pool": "audit"},
    tags=[Tag.AUDIT, Tag.LIVE],
):
    LookForAlarms(task_id="look_for_alarms")
    TellTheMetrics(task_id="tell_the_metrics")
    NoteTheWork(task_id="note_the_work")
