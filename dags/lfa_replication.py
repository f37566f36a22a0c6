"""Bring the objects of the Large File Annex from the summit's bucket to the archive and beyond.

### What it does
Objects are announced by events (`dbb lfa consume` keeps them and wakes this DAG within seconds, or every ten
minutes when they do not stop), and found by listing the last two days' folders every ten minutes;
`lfa_efd_query` and `lfa_bucket_listing` find the rest.
Each is copied to the archive **under its own name**, computed, read back, classified by
`include/lfa/classes.yaml`, and travels with others in a parcel: registered in Rucio, served by Butler where its
class says so, and brought to whoever the policies say, where `deliver_<endpoint>` publishes it; only then is it
seen there (`dbb.lfa_available`). One that no class names is replicated all the same; `dbb lfa classes` tells.

A run may be repeated at any time: what is done is not done again.

### Parameters
- `day_obs`: the day whose objects are listed, e.g. `20261121`; empty for today and yesterday.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). An object that
is *refused* or *absent* does not turn a run red: `dbb quarantine list` and `dbb lfa list` name it.

### Backfill
Trigger it with `day_obs` for each day whose objects may have been missed.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule

from dbb.operators.archive import RegisterInRucio
from dbb.operators.endpoints import PublishAtEndpoint
from dbb.operators.lfa import CopyObjects, LookForObjects, SealIntoParcels, announced_objects
from dbb.operators.report import TellOfFailedSteps
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

archive = Settings.load().endpoint(Settings.load().raw.archive)

with DAG(
    dag_id="lfa_replication",
    description="Bring the objects of the Large File Annex to the archive and beyond.",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/10 * * * *", timezone="UTC"), assets=announced_objects()
    ),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # a run that was missed is made good by the next one
    max_active_runs=1,
    default_args=task_defaults(priority=20, retries=3),
    params={
        "day_obs": Param(
            "",
            type="string",
            pattern=r"^(\d{8})?$",
            description="The day whose objects are listed; empty for today and yesterday.",
        ),
    },
    tags=[Tag.LFA, Tag.LIVE],
):
    look = LookForObjects(
        task_id="look_for_objects", day_obs="{{ params.day_obs }}", queue=archive.queue
    )
    copy = CopyObjects.partial(task_id="copy_and_check_objects", queue=archive.queue).expand(
        keys=look.output
    )
    seal = SealIntoParcels(
        task_id="seal_into_parcels",
        queue=archive.queue,
        trigger_rule=TriggerRule.ALL_DONE,  # what other chunks have copied goes on
    )
    register = RegisterInRucio(task_id="register_in_rucio", units=seal.output)
    publish = PublishAtEndpoint(
        task_id=f"publish_at_{archive.name}",
        units=seal.output,
        endpoint=archive.name,
        queue=archive.queue,
    )
    tell = TellOfFailedSteps(task_id="tell_of_failed_steps", trigger_rule=TriggerRule.ONE_FAILED)
    copy >> seal >> register >> publish
    [look, copy, seal, register, publish] >> tell
