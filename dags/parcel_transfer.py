"""Take batches of products and permanent files, and bring them to who shall have them.

### What it does
A producer lays a batch down in the archive's store, in `incoming/<scope>/<YYYYMMDD>/<name>/`, with a
sidecar for what Butler shall serve, and ends with the empty file `_READY` (`dbb parcel send` does all
that). Every five minutes this DAG takes what is ready: reads each file, compares it with its sidecar,
copies it to its place, reads it back, registers it in Rucio, and has the archive's Butler serve it.
Rucio's subscriptions bring it to the other endpoints, where `deliver_<endpoint>` publishes it.

A run may be repeated at any time: what is done is not done again.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). A batch
that is *refused* does not turn a run red: it stays where it is, with `_REFUSED` in place of `_READY`, and
`dbb quarantine list` names it. Mend it, and make it ready again.

### Backfill
Not needed: a run takes whatever is ready, of whatever day.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, task_group

from dbb.operators.archive import RegisterInRucio
from dbb.operators.endpoints import PublishAtEndpoint
from dbb.operators.parcels import LookForParcels, TakeParcels
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

archive = Settings.load().endpoint(Settings.load().raw.archive)

with DAG(
    dag_id="parcel_transfer",
    description="Take batches of products and permanent files, and bring them to who shall have them.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # a run that was missed is made good by the next one
    max_active_runs=1,
    default_args=task_defaults(priority=10, retries=3),
    tags=[Tag.PRODUCTS],
):

    @task_group(group_id="parcels", prefix_group_id=False)
    def work_on_chunk(units: list[str]) -> None:
        """Do the steps of one chunk."""
        take = TakeParcels(task_id="take_parcels", units=units, queue=archive.queue)
        register = RegisterInRucio(task_id="register_in_rucio", units=units)
        publish = PublishAtEndpoint(
            task_id=f"publish_at_{archive.name}",
            units=units,
            endpoint=archive.name,
            queue=archive.queue,
        )
        take >> register >> publish

    look = LookForParcels(task_id="look_for_parcels", queue=archive.queue)
    work_on_chunk.expand(units=look.output)
