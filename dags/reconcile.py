"""Compare what store, Rucio, Butler and ledger say of past nights at an endpoint. It reports and never acts.

There is one DAG of this kind for each endpoint, `reconcile_<endpoint>`: one that is away keeps no other from
being compared.

### What it does
For each night it compares four records: files gone, cut short, unwanted or dark;
rules, replicas and Rucio datasets; Butler's datasets; what no event told; the summit's buffer. What one
scan sees is *suspected*, what another sees ten minutes later or more is *confirmed*, what the next no
longer sees is *closed*. Work that goes on meanwhile is left alone, and **tonight is never compared**.

Every quarter of an hour: the latest night, all nights with open findings, and the night that was not looked at for the
longest time. `docs/reference/reconcile.md` describes each finding with its policy, evidence and action.

### Parameters
- `first_day`, `last_day`: compare these nights instead, both included, e.g. `20261121`.
- `recent`: how many of the latest nights to compare.
- `rota`: how many of the others, those not looked at for the longest time first.

### When it is red
A service did not answer: the failed task's log names it and what to do (`docs/operate/<code>.md`). All
other records were compared. **Findings do not turn a run red**: `dbb audit` lists them, with exit code 1
when one is confirmed, and the last lines of each task's log count those that are open.

### Backfill
Trigger it with `first_day` and `last_day`. Comparing a night again is always safe.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dbb.operators.reconcile import ChooseNights, ReconcileNights
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag

settings = Settings.load()


def night(description: str) -> Param:
    """Describe a parameter that is a night or empty."""
    return Param("", type="string", pattern=r"^(\d{8})?$", description=description)


def number(description: str) -> Param:
    """Describe a parameter that is a number of nights."""
    return Param(1, type="integer", minimum=0, maximum=1000, description=description)


for name in (settings.raw.source, settings.raw.archive, *settings.receivers):
    endpoint = settings.endpoint(name)
    with DAG(
        dag_id=f"reconcile_{name}",
        description=f"Compare the records of past nights at {endpoint.title}; report, never act.",
        doc_md=__doc__,
        schedule=CronTriggerTimetable("5,20,35,50 * * * *", timezone="UTC"),
        start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
        catchup=False,  # the next run looks at the same nights
        max_active_runs=1,
        default_args=task_defaults(priority=1, retries=3) | {"pool": "audit"},
        params={
            "first_day": night("First night to compare; empty: a choice."),
            "last_day": night("Last night to compare; empty: the first."),
            "recent": number("How many of the latest nights."),
            "rota": number("How many of those not looked at for longest."),
        },
        tags=[Tag.AUDIT],
    ):
        chosen = ChooseNights(
            task_id="choose_nights",
            endpoint=name,
            first_day="{{ params.first_day }}",
            last_day="{{ params.last_day }}",
            recent="{{ params.recent }}",
            rota="{{ params.rota }}",
        )
        ReconcileNights.partial(
            task_id=f"reconcile_at_{name}", endpoint=name, queue=endpoint.queue
        ).expand(nights=chosen.output)
