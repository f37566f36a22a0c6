"""Read every copy at an endpoint again, for ever, at the lowest rate that meets its deadline.

There is one DAG of this kind for each endpoint that keeps anything, `scrub_<endpoint>`: one whose workers are
away keeps no other from being read.

### What it does
Each hour: reads the copies whose last reading is oldest, every byte from the disk (the page
cache is dropped first), against their manifests. How much an hour reads follows from the deadlines: each
copy's next reading must come within `reread_days` of its last (`include/endpoints/<name>.yaml`, 90 without
a word). It makes way while the endpoint publishes, unless a copy is overdue.

A copy that is not right loses its state at once: readers see it no more. At a receiver Rucio fetches it anew and
`deliver_<endpoint>` publishes it; at the archive `repair` brings it back. `dbb quarantine` names it until then.

`dbb scrub status` shows how old the oldest reading is and how much is overdue.

### Parameters
- `share_s`: the time that one run stands for, and the longest that it reads.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). Damage does
not turn it red: `dbb night` and `dbb quarantine list` name what was found.

### Backfill
Not needed: a run takes up whatever is oldest. After an outage the rate is higher by itself.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dbb.operators.scrub import RereadCopies
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()

for name in (settings.raw.archive, *settings.receivers):
    endpoint = settings.endpoint(name)
    with DAG(
        dag_id=f"scrub_{name}",
        description=f"Read every copy again, for ever, at {endpoint.title}.",
        doc_md=__doc__,
        schedule=CronTriggerTimetable("20 * * * *", timezone="UTC"),
        start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
        catchup=False,  # what was missed is older now, and comes first
        max_active_runs=1,
        default_args=task_defaults(priority=1, retries=2) | {"pool": "audit"},
        params={
            "share_s": Param(
                3000,
                type="integer",
                minimum=1,
                maximum=3500,
                description="Seconds that a run stands for, and the longest that it reads.",
            ),
        },
        tags=[Tag.AUDIT],
    ):
        RereadCopies(
            task_id=f"reread_copies_at_{name}",
            endpoint=name,
            share_s="{{ params.share_s }}",
            queue=endpoint.queue,
        )
