"""Archive the alert packets of a night from the stream, in shards, and count them three times.

### What it does
Takes from Kafka every message that was not taken yet, into shards of about 1 GB with an index
(`docs/reference/alerts.md`), makes a parcel of each shard, and compares the night's counts: what the
producer says that it issued, what the stream gave, what lies in the archive. `parcel_transfer` registers
and publishes the parcels, as all permanent files.

A run may be repeated at any time: how far the stream is taken stands in the ledger, with the shards, and
not in Kafka. It is skipped where `DBB_ALERTS_BROKERS` is not set.

### Parameters
- `day_obs`: the night that is counted, for a run triggered by hand, e.g. `20261121`.

### When it is red
- `count_the_night`: the counts differ, or a packet of the night is in quarantine. **The message says until
  when the stream has what is missing**: see `docs/operate/alert-counts-differ.md`. Not retried; clear it
  when the cause is gone.
- Another step: its log's last line has a code and what to do (`docs/operate/<code>.md`). What was taken before is
  archived all the same; `tell_of_failed_steps` is red with any step.

### Backfill
Backfill the nights, or `dbb alerts archive`: all that the stream still has is taken, whatever night it is of,
and the night is counted again. What the stream has no more comes from the alert database:
`dbb alerts archive --from-database`.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, Param, TriggerRule

from dbb.operators.alerts import CountAlerts, SealAlertShards, TakeAlerts
from dbb.operators.report import TellOfFailedSteps
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()
queue = settings.endpoint(settings.raw.archive).queue

with DAG(
    dag_id="alert_archive",
    description="Archive the alert packets of a night, and count them three times.",
    doc_md=__doc__,
    schedule=CronPartitionTimetable(
        "0 13 * * *", timezone="UTC", run_offset=-1, key_format="%Y%m%d"
    ),
    start_date=settings.first_night,
    catchup=True,  # every night is counted
    max_active_runs=1,
    default_args=task_defaults(priority=20, retries=3),
    params={
        "day_obs": Param(
            None,
            type=["null", "integer"],
            minimum=20170102,
            maximum=99991231,
            description="The night, as YYYYMMDD. Only for a run triggered by hand.",
        ),
    },
    tags=[Tag.ALERTS, Tag.NIGHTLY],
):
    take = TakeAlerts(task_id="take_the_stream", queue=queue)
    seal = SealAlertShards(
        task_id="archive_the_shards",
        queue=queue,
        trigger_rule=TriggerRule.NONE_SKIPPED,  # what was taken before a failure is archived
    )
    count = CountAlerts(
        task_id="count_the_night", queue=queue, trigger_rule=TriggerRule.NONE_SKIPPED
    )
    tell = TellOfFailedSteps(task_id="tell_of_failed_steps", trigger_rule=TriggerRule.ONE_FAILED)
    take >> seal >> count
    [take, seal, count] >> tell
