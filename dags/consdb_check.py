"""Hold a night of the Consolidated Database against its published consistency rules.

### What it does
For **one observing night**, each day at 14:00 UTC: publishes the observing metadata (`exposure`, `visit1`,
`ccdexposure`) of exposures that the archive serves and that are not there yet, then runs the nine rules that Rubin
publishes for these tables (`docs/reference/consdb.md`). An exposure that breaks a rule is a finding: *suspected*,
*confirmed* by a later check that still sees it, *closed* by one that no longer does. Other nights with open
findings are held against the rules again, too.
A rule about a table that no pipeline ever delivered is not judged, and said to be so.

### Parameters
- `day_obs`: the night, for a run triggered by hand, e.g. `20261121` (a partition key does as well).

### When it is red
- `check_the_night`: the night breaks a rule whose severity is *error*: rows contradict each other. The message names the rule and
  the first exposure (`docs/operate/consdb-rule-broken.md`), `dbb consdb check --day-obs 20261121` all. Not retried.
- Otherwise its log's last line has a code and what to do (`docs/operate/<code>.md`).

Rules whose severity is *warning* (a pipeline's rows that are not there), and open findings of other nights, do not turn a run red:
`dbb audit --list` has them with all others.

### Backfill
*Trigger → Backfill*, or `airflow backfill create --dag-id consdb_check`: a night counts by its own date at 14:00 UTC, so
*To* is the day after the last night at 00:00. Filling and checking a night again is always safe.
"""

from __future__ import annotations

from airflow.sdk import DAG, CronPartitionTimetable, Param

from dbb.operators.consdb import CheckTheNight, FillTheNight
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()

with DAG(
    dag_id="consdb_check",
    description="Hold a night of the Consolidated Database against its consistency rules.",
    doc_md=__doc__,
    schedule=CronPartitionTimetable(
        "0 14 * * *", timezone="UTC", run_offset=-1, key_format="%Y%m%d"
    ),
    start_date=settings.first_night,
    catchup=True,  # a night whose 14:00 fell into an outage is still checked
    max_active_runs=1,
    default_args=task_defaults(priority=1, retries=3) | {"pool": "audit"},
    params={
        "day_obs": Param(
            None,
            type=["null", "integer"],
            minimum=20170102,
            maximum=99991231,
            description="The night, as YYYYMMDD. Only for a run triggered by hand.",
        ),
    },
    tags=[Tag.AUDIT, Tag.NIGHTLY],
):
    fill = FillTheNight(
        task_id="fill_the_night", queue=settings.endpoint(settings.raw.archive).queue
    )
    fill >> CheckTheNight(task_id="check_the_night")
