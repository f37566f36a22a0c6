"""Hand delivered Parquet over to an endpoint's Qserv as a queryable catalogue.

### What it does
1. **Plan**: makes Qserv's tables of the release's schema and `include/qserv/<release>.yaml`, asks Qserv whether it can
   take them, re-reads every delivered file, and holds columns, keys, positions and ranges against the plan.
   With `dry_run` it ends here and has touched nothing.
2. **Cut**: gives each row its chunk (directors first), then writes one file a chunk with all rows of all inputs.
3. **Load**: one transaction a batch. It is committed only if every file is loaded exactly once, with all rows
   and without a warning; whatever answer is lost, Qserv's own state is read and nothing is sent twice.
4. **Reconcile** rows with Qserv's counters, **publish**, index, and compare once more by SQL.

### Parameters
- `endpoint`: where; its Qserv is described by `DBB_QSERV_…` (`docs/reference/settings.md`).
- `release`: which, as a file of `include/qserv/`.
- `tables`: names with blanks between; empty for all that is delivered.
- `dry_run`: plan only.

### When it is red
Open the failed task's log: its last line has a code and what to do (`docs/operate/<code>.md`). Clear the task to
go on; nothing is loaded twice. `dbb qserv status` shows how far it is.

### Backfill
Trigger it for the release: what is done is not done again. What is published takes no more rows: `qserv_rollback`
first.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.sdk import DAG, Param

from dbb.operators import qserv
from dbb.operators.task_defaults import task_defaults
from dbb.tags import Tag

with DAG(
    dag_id="parquet_to_qserv",
    description="Hand delivered Parquet over to an endpoint's Qserv as a queryable catalogue.",
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
        "tables": Param("", type="string", pattern=r"^[A-Za-z0-9_ ]*$", description="Empty: all."),
        "dry_run": Param(False, type="boolean", description="Plan only."),
    },
    tags=[Tag.PRODUCTS],
):
    plan = qserv.PlanHandoff(
        task_id="plan_handoff", tables="{{ params.tables }}", plan_only="{{ params.dry_run }}"
    )
    directors = qserv.ListFiles(task_id="list_directors", turn="first")
    children = qserv.ListFiles(task_id="list_children", turn="then", trigger_rule="none_failed")
    cut = qserv.StageInput.partial(task_id="cut_directors").expand(source=directors.output)
    cut_more = qserv.StageInput.partial(task_id="cut_children").expand(source=children.output)
    buckets = qserv.ListBuckets(task_id="list_buckets", trigger_rule="none_failed")
    write = qserv.WriteChunkFiles.partial(task_id="write_chunk_files").expand(part=buckets.output)
    register = qserv.RegisterCatalog(task_id="register_catalog")
    # Qserv may be at it for hours.
    long: dict[str, Any] = {"execution_timeout": dt.timedelta(days=1)}
    load = qserv.LoadBatch.partial(task_id="load_batch", **long).expand(part=register.output)
    reconcile = qserv.ReconcileRows(task_id="reconcile_rows", **long)
    publish = qserv.PublishCatalog(task_id="publish_catalog", **long)
    index = qserv.IndexCatalog(task_id="index_catalog", **long)
    verify = qserv.VerifyPublished(task_id="verify_published")
    plan >> directors
    cut >> children
    [cut, cut_more] >> buckets
    write >> register
    load >> reconcile >> publish >> index >> verify
