"""Close one observing night of raw exposures, or bring back any earlier one.

### What it does
Brings **one observing night** of raw exposures from the summit's store to every endpoint: each file
is read and judged, each exposure becomes one bundle, the bundle is read back, known to Rucio,
copied, re-read and served by Butler; then the summit's copies are released. During the night
`raw_tonight` does the same; this DAG closes the night at 12:30 UTC, and is the one to backfill.

A run may be repeated at any time: what is done is not done again. A run with nothing to do ends in
seconds and says so in the log of `look_for_new_exposures`.

### Parameters
- `day_obs`: the night, for a run triggered by hand, e.g. `20261121` (a partition key does as well).
- `patience_s`: how long to wait for Rucio's copies. Those that come later are the next run's.

### When it is red
1. Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`).
2. `tell_of_failed_steps` is red whenever another step is; the other chunks went on without it.
3. Clear the failed task, or trigger the night again. Exposures that were *refused* do not turn a
   run red: `report_the_night` names them, `dbb night` and `dbb quarantine` lead on.

### Backfill a range of nights
UI: *Trigger* → *Run this Dag for a range of dates*. CLI:
`airflow backfill create --dag-id raw_transfer --from-date 2026-11-21 --to-date 2026-11-24`
(nights 21, 22 and 23).
- A night counts by **its own date at 12:30 UTC**: *To* is the day after the last night at 00:00, or
  the last night at 12:30. With *To* = last night 12:00 the last night is left out.
- Nights that had a run already are left out: choose *All Runs* (`--reprocess-behavior completed`).
- *Max Active Runs* is 1 unless you say more. Backfills use the pool `catchup`, never tonight's.
- To stop one, cancel the backfill (menu *Backfills*): queued nights are dropped, the nights that
  are running end by themselves. Marking a run failed leaves nothing half done either.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, Param

from dbb.operators.raw_transfer_tasks import move_exposures
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()

with DAG(
    dag_id="raw_transfer",
    description="Close one observing night of raw exposures, or bring back any earlier one.",
    doc_md=__doc__,
    schedule=CronPartitionTimetable(
        "30 12 * * *", timezone="UTC", run_offset=-1, key_format="%Y%m%d"
    ),
    start_date=settings.first_night,
    catchup=True,  # a night whose 12:30 fell into an outage is still closed
    max_active_runs=2,
    default_args=task_defaults(priority=1, retries=5),
    params={
        "day_obs": Param(
            None,
            type=["null", "integer"],
            minimum=20170102,
            maximum=99991231,
            description="The night, as YYYYMMDD. Only for a run triggered by hand.",
        ),
        "patience_s": Param(
            1800,
            type="integer",
            minimum=0,
            maximum=86400,
            description="Seconds to wait for the copies at other endpoints.",
        ),
    },
    tags=[Tag.RAW, Tag.NIGHTLY],
):
    move_exposures(tonight=False)
