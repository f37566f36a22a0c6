"""Deliver what Rucio brings to an endpoint: re-read it, ingest it, publish it.

There is one DAG of this kind for each endpoint that receives anything, `deliver_<endpoint>`; a new
endpoint is one more file in `include/endpoints`.

### What it does
Looks which copies have come to **its endpoint** (exposures, products, permanent files, objects of
the Large File Annex), reads every byte back from the disk, lets the endpoint's Butler serve what is a
dataset, and says *published* last. Copies that do not come are seen to: a missing rule is made, a
stuck one is tried again, after an hour from the policy's next source. `dbb where` shows why a copy
waits and since when.

It is woken by the inbox of Rucio's events (in a busy night once a minute), and every five minutes by the
clock: an event that is lost costs five minutes and nothing else. One run at a time.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). The
other endpoints go on without this one; what is left is the next run's.

### When nothing comes
`dbb where` of an exposure names the reason. Is the policy applied (`dbb policy plan` is empty)? Are
Rucio's daemons up?

### Backfill
Not needed: a run takes up everything that the endpoint lacks, of whatever night.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronTriggerTimetable,
    task_group,
)

from dbb.operators.endpoints import LookForCopies, PublishAtEndpoint
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag
from dbb.triggers.inbox import InboxTrigger

settings = Settings.load()


def publish_chunks(endpoint: str, queue: str) -> Any:
    """Make the step that is done for each chunk of units."""

    @task_group(group_id="chunk", prefix_group_id=False)
    def publish_chunk(units: list[str]) -> None:
        PublishAtEndpoint(
            task_id=f"publish_at_{endpoint}", units=units, endpoint=endpoint, queue=queue
        )

    return publish_chunk


for name in settings.receivers:
    endpoint = settings.endpoint(name)
    copies = Asset(
        name=f"copies at {name}",
        uri=f"x-dbb://{name}/copies",
        watchers=[AssetWatcher(name=f"events of {name}", trigger=InboxTrigger(rse=endpoint.rse))],
    )
    with DAG(
        dag_id=f"deliver_{name}",
        description=f"Publish what Rucio brings to {endpoint.title}.",
        doc_md=__doc__,
        schedule=AssetOrTimeSchedule(
            timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=copies
        ),
        start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
        catchup=False,  # a sweep that was missed is made good by the next one
        max_active_runs=1,
        default_args=task_defaults(priority=80, retries=3) | {"pool": "delivery"},
        tags=[Tag.DELIVERY, Tag.LIVE],
    ):
        look = LookForCopies(
            task_id=f"look_for_copies_at_{name}", endpoint=name, queue=endpoint.queue
        )
        publish_chunks(name, endpoint.queue).expand(units=look.output)
