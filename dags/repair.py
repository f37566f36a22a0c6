"""Set right what is broken: the archive's bad copies, and what reconciliation confirmed anywhere.

### What it does
Every fifteen minutes: publishes again what Rucio has brought back, once every byte was read. Then reads the copies
of each unit that is *suspect* or *missing* at the archive: its own a second time, the others' until one is right. A copy
that is right after all is trusted again; a bad one is restored by Rucio from the nearest good one; a unit
without any good copy is reported as lost, by name, and nothing is published for it. Who is right is the manifest.

Findings that two scans of `reconcile` agree on, and a third one made now, are set right by the action of their kind
(`docs/reference/reconcile.md`): a missing or rotten copy is fetched anew, a replica registered, a rule made, datasets
ingested from their file, which is read before. A dark file is **set aside** with a row in quarantine, never deleted.

### Parameters
- `report_only`: plan, log the plan, and change nothing.

### When it asks
A plan for more than one per cent of an endpoint (and more than ten units), or for more than a thousand, is no rot but
a fault: *Required Actions* shows the plan. Find the fault first (a disk not mounted?), then approve, or reject and nothing is changed.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`).
`dbb quarantine list` names what is lost ([`copies-lost`](docs/operate/copies-lost.md)).

### Backfill
Not needed: a run takes up whatever is broken, of whatever night.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dbb.operators.approval import ask_a_curator
from dbb.operators.repair import ApplyRepairs, FinishRepairs, PlanRepairs
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

archive = Settings.load().endpoint(Settings.load().raw.archive)
defaults = {**task_defaults(priority=30, retries=2), "queue": archive.queue}

with DAG(
    dag_id="repair",
    description="Set right what is broken: bad copies, and what reconciliation confirmed.",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # a run that was missed is made good by the next one
    max_active_runs=1,
    default_args=defaults,
    params={"report_only": Param(False, type="boolean", description="Plan and change nothing.")},
    tags=[Tag.AUDIT],
):
    finish = FinishRepairs(task_id="publish_what_came_back")
    plan = PlanRepairs(
        task_id="plan_repairs", approval="ask_a_person", report_only="{{ params.report_only }}"
    )
    ask_a_person = ask_a_curator(
        subject="More is broken than rot explains. Set it right?",
        body="{{ ti.xcom_pull(task_ids='plan_repairs', key='lines') }}",
        within=dt.timedelta(days=1),
    )
    apply = ApplyRepairs(
        task_id="restore_copies",
        plan="{{ ti.xcom_pull(task_ids='plan_repairs', key='plan') }}",
        trigger_rule="none_failed",
    )
    finish >> plan >> ask_a_person >> apply
