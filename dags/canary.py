"""Send a synthetic exposure all the way every 15 minutes, measure it, and remove it.

### What it does
Lays an exposure of one small image into the source's store, under an instrument of its own (`DBBCanary`), and brings it the way of every
exposure: bundled, read back, registered in Rucio, copied to each endpoint that receives exposures, published there, read by
Butler with equal bytes. The seconds of each stage are in the ledger: `dbb canary status`. Then it is removed: registries first,
Rucio's rules second, files last. No night, policy, collection or loss account knows it. A run first removes what an earlier one left.

It waits without holding a worker, and looks every ten seconds.

### When it is red
The canary did not come through within ten minutes: the last line of the log names the step where it stuck, the reason, and what
to do ([`canary-stuck`](docs/operate/canary-stuck.md)). Exposures probably stick at the same step.

### Backfill
Not needed: a run tells how it is now.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable

from dbb.operators.canary import FlyCanary
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

archive = Settings.load().endpoint(Settings.load().raw.archive)
defaults = task_defaults(priority=10, retries=2) | {"pool": "audit", "queue": archive.queue}

with DAG(
    dag_id="canary",
    description="Send a synthetic exposure all the way, measure it, and remove it.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # what was is no news
    max_active_runs=1,
    default_args=defaults,
    tags=[Tag.AUDIT],
):
    FlyCanary(task_id="fly_canary")
