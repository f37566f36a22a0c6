"""Take from an endpoint what its time is over for: Level 1 images, the observatory's cache, copies kept for a while.

There is one DAG of this kind for each endpoint of `include/expiry/rules.yaml` and each receiver of a policy with
`keep_days`, `expire_<endpoint>`: one that is away, or waits for a person's answer, keeps no other full.

### What it does
Every six hours: carries out what an earlier run intended and was killed in; then plans what is due, and takes it away: the ledger
first, Butler's registry second, the files last. Nothing younger than its lifetime goes. What is archived goes only
with enough copies elsewhere that were read lately; what is pinned or tagged stays. Rucio deletes where it has the
files, once no rule wants them; the cache near the telescope deletes its own.

At the cache it first asks the archive which images it has, and mends what does not fit: rows without files are served
no more, files without rows are findings (`dbb audit`).

`dbb expire plan` shows the same plan; `dbb expire pin` holds something.

### When it asks
A plan for more than `approve_above_percent` of what an endpoint has of a kind (and more than ten) waits in
*Required Actions*: after an outage of days it is expected, otherwise find out why, then approve, or reject and nothing goes.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). `plan-refused`: a pin or
a lost copy came between; the next run plans anew. `cache-nearly-full`: more room is needed, nothing more may go.

### Backfill
Not needed: a run takes whatever is due, of whatever night.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable

from dbb.expiry_rules import load_expiry
from dbb.operators.approval import ask_a_curator
from dbb.operators.expiry import ApplyExpiry, FinishExpiries, PlanExpiry
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()

for name in load_expiry(settings).endpoints:
    endpoint = settings.endpoint(name)
    with DAG(
        dag_id=f"expire_{name}",
        description=f"Take away what its time is over for at {endpoint.title}.",
        doc_md=__doc__,
        schedule=CronTriggerTimetable("35 */6 * * *", timezone="UTC"),
        start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
        catchup=False,  # what was missed is due now
        max_active_runs=1,
        default_args=task_defaults(priority=1, retries=2) | {"pool": "audit"},
        tags=[Tag.UPKEEP],
    ):
        plan_id, ask_id = f"plan_expiry_at_{name}", f"ask_a_person_about_{name}"
        finish = FinishExpiries(
            task_id=f"finish_expiries_at_{name}", endpoint=name, queue=endpoint.queue
        )
        plan = PlanExpiry(task_id=plan_id, endpoint=name, approval=ask_id, queue=endpoint.queue)
        ask = ask_a_curator(
            task_id=ask_id,
            subject=f"More is due at {name} than goes in a day. Take it away?",
            body=f"{{{{ ti.xcom_pull(task_ids='{plan_id}', key='lines') }}}}",
            within=dt.timedelta(days=1),
        )
        apply = ApplyExpiry(
            task_id=f"expire_at_{name}",
            endpoint=name,
            plan=f"{{{{ ti.xcom_pull(task_ids='{plan_id}', key='plan') }}}}",
            as_of=f"{{{{ ti.xcom_pull(task_ids='{plan_id}', key='as_of') }}}}",
            queue=endpoint.queue,
            trigger_rule="none_failed",
        )
        finish >> plan >> ask >> apply
