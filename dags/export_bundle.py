"""Make an export for somebody outside: signed, verified offline, repaired by what is missing.

### What it does
Asks an endpoint's Butler which datasets are wanted, traces each to a unit that is published and was verified there, and pins
its UUID and sha256. Copies them into a bag below `DBB_EXPORT_ROOT`, with all that an empty Butler repository
needs to open them, signs it, reads every byte back, and only then gives the folder its name. What is wanted
and not available is refused by name, or listed in the bag (`leave_out`). `dbb export list` shows what was sent.

### Parameters
`name`, `owner`, `collections`, `dataset_types`, and where you like `where` with `bind`, `endpoint`, `find_first`, `title`,
`licence`, `ends_on`, `leave_out`; `since` or `since_export` for only what is new.

### When it asks
An export of more than `DBB_EXPORT_APPROVAL_BYTES` (a terabyte) waits in *Required Actions* with its size. Nothing was copied yet.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). Clear the task: it goes on
where it was; what was pinned stays pinned.

### Backfill
There is none: a run makes one export, when somebody asks for it.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG

from dbb.operators.approval import ask_a_curator
from dbb.operators.exports import MakeExport, PlanExport, export_params
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()
archive = settings.endpoint(settings.raw.archive)
defaults = task_defaults(priority=1, retries=5) | {
    "pool": "export",
    "queue": archive.queue,
    "execution_timeout": dt.timedelta(days=1),
}

with DAG(
    dag_id="export_bundle",
    description="Make a signed export of datasets for somebody outside.",
    doc_md=__doc__,
    schedule=None,
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args=defaults,
    params=export_params(archive.name, (archive.name, *settings.raw.receivers)),
    tags=[Tag.PRODUCTS],
):
    plan = PlanExport(task_id="plan_export", approval="ask_a_person")
    ask_a_person = ask_a_curator(
        subject="A large export is asked for. Make it?",
        body="{{ ti.xcom_pull(task_ids='plan_export', key='lines') }}",
        within=dt.timedelta(days=7),
    )
    make = MakeExport(task_id="make_export", trigger_rule="none_failed")
    plan >> ask_a_person >> make
