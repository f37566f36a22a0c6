"""Take a release back from an endpoint's Qserv: its database with all rows, after a person approved.

### What it does
Says what would be deleted, asks (*Required Actions*), then deletes Qserv's database and the prepared files. The
delivered Parquet stays, and so does the history of the handoff. What was published needs the administrator's key
(`DBB_QSERV_ADMIN_KEY_…`).

### Parameters
- `endpoint`: whose Qserv.
- `release`: which; the same as for `parquet_to_qserv`, which can be run again afterwards.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). Clear the task: a
rollback that was cut short goes on.

### Backfill
None: it has no schedule.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Param

from dbb.operators import qserv
from dbb.operators.approval import ask_a_curator
from dbb.operators.task_defaults import task_defaults
from dbb.tags import Tag

with DAG(
    dag_id="qserv_rollback",
    description="Take a release back from an endpoint's Qserv, after a person approved.",
    doc_md=__doc__,
    schedule=None,
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={**task_defaults(priority=5, retries=5), "pool": "release"},
    params={
        "endpoint": Param(
            "usdf", type="string", pattern=r"^[a-z][a-z0-9]{1,19}$", description="Whose Qserv."
        ),
        "release": Param(
            "dp1",
            type="string",
            pattern=r"^[a-z0-9_]{1,30}$",
            description="A file of include/qserv/.",
        ),
    },
    tags=[Tag.PRODUCTS],
):
    plan = qserv.PlanRollback(task_id="plan_rollback")
    ask_a_person = ask_a_curator(
        subject="Delete this catalogue from Qserv?",
        body="{{ ti.xcom_pull(task_ids='plan_rollback') }}",
        within=dt.timedelta(days=1),
    )
    plan >> ask_a_person >> qserv.RollBack(task_id="roll_back")
