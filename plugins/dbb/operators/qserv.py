"""The steps of a handoff to Qserv; what waits is deferred, never a worker held."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.errors import QservUnavailable
from dbb.flows import qserv_handoff as steps
from dbb.flows.qserv_ingesting import Progress, advance_batch
from dbb.flows.qserv_views import InputRow
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.qserv_views import Handoff

log = logging.getLogger(__name__)

POLL_S = 5
LONG_PATIENCE_S = 24 * 3600
PATIENCE_S = 60
"""A worker waits so long for an answer, then the task is deferred and reads what came of it."""


class HandoffOperator(BaseOperator):
    """Do one step of the handoff of a release to an endpoint's Qserv.

    Parameters
    ----------
    endpoint, release
        Templates of their names.
    """

    template_fields: Sequence[str] = ("endpoint", "release")
    patience_s: float = PATIENCE_S

    def __init__(
        self,
        *,
        endpoint: str = "{{ params.endpoint }}",
        release: str = "{{ params.release }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.release = release

    def open(self, context: Context) -> Handoff:
        """Open the handoff; the run's id signs what it records."""
        from dbb.wiring.qserv import open_handoff  # noqa: PLC0415 - clients are imported inside tasks only

        settings = Settings.load()
        return open_handoff(
            settings, self.endpoint, self.release, context["run_id"], self.patience_s
        )


class PlanHandoff(HandoffOperator):
    """Ask whether Qserv can take the release, and judge every delivered file; leave the inputs.

    Parameters
    ----------
    tables
        A template: names of tables with blanks between, empty for all.
    plan_only
        A template: ``True`` to end here.
    """

    template_fields: Sequence[str] = ("endpoint", "release", "tables", "plan_only")

    def __init__(self, *, tables: str, plan_only: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tables = tables
        self.plan_only = plan_only

    def execute(self, context: Context) -> None:
        """Leave the inputs: those that are cut first, and those that need them."""
        from dbb.hooks.qserv.opening import make_plan  # noqa: PLC0415 - a slow import

        handoff = self.open(context)
        log.info("action=preflight %s", steps.preflight(handoff))
        overlay, plan = make_plan(Settings.load().include / "qserv", self.release)
        for drift in plan.drift:
            log.info(
                "action=drift table=%s added=%d removed=%d retyped=%d",
                drift.table, len(drift.added), len(drift.removed), len(drift.retyped),
            )  # fmt: skip
        is_dry = self.plan_only == "True"
        ready = steps.prepare_inputs(
            handoff, open_for_run(context), overlay, set(self.tables.split()), dry_run=is_dry
        )
        for row, _ in ready:
            log.info("action=plan-handoff table=%s file=%s", row.table, row.name)
        if is_dry:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        paths = {row.sha256: path for row, path in ready}
        first, then = steps.order_inputs(handoff, [row for row, _ in ready])
        for turn, some in (("first", first), ("then", then)):
            files = [
                {"table": row.table, "sha256": row.sha256, "path": paths[row.sha256]}
                for row in some
            ]
            context["ti"].xcom_push(key=turn, value=files)


class ListFiles(HandoffOperator):
    """List the files of the plan that are cut in one turn.

    Parameters
    ----------
    turn
        ``first`` for directors and regular tables, ``then`` for those that lie where a director does.
    """

    def __init__(self, *, turn: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.turn = turn

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give the files as the plan left them."""
        return list(context["ti"].xcom_pull(task_ids="plan_handoff", key=self.turn) or [])


class StageInput(HandoffOperator):
    """Give each row of a file its chunk.

    Parameters
    ----------
    source
        The file, as the plan left it.
    """

    template_fields: Sequence[str] = ("endpoint", "release", "source")

    def __init__(self, *, source: Mapping[str, Any] | XComArg, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"map_index_template": "{{ task.title }}"})
        self.source: Mapping[str, Any] = cast(Mapping[str, Any], source)  # a template until it runs

    @property
    def title(self) -> str:
        """Name table and file, for the UI."""
        return f"{self.source['table']} {str(self.source['path']).rpartition('/')[2]}"

    def execute(self, context: Context) -> None:
        """Call the flow."""
        handoff = self.open(context)
        key = (self.source["table"], self.source["sha256"])
        row: InputRow = next(
            each
            for each in handoff.records.inputs(handoff.name)
            if (each.table, each.sha256) == key
        )
        steps.stage_inputs(handoff, [row], {row.sha256: self.source["path"]})


class ListBuckets(HandoffOperator):
    """List what the second phase works on, one table and bucket a task."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give tables and buckets."""
        handoff = self.open(context)
        tables = sorted({each.table for each in handoff.records.inputs(handoff.name)})
        return [
            {"table": name, "bucket": bucket}
            for name in tables
            for bucket in handoff.workshop.buckets(handoff.plan.table(name))
        ]


class WriteChunkFiles(HandoffOperator):
    """Write one file for each chunk of a bucket.

    Parameters
    ----------
    part
        Table and bucket.
    """

    template_fields: Sequence[str] = ("endpoint", "release", "part")

    def __init__(self, *, part: Mapping[str, Any] | XComArg, **kwargs: Any) -> None:
        super().__init__(
            **kwargs | {"map_index_template": "{{ task.part['table'] }} {{ task.part['bucket'] }}"}
        )
        self.part: Mapping[str, Any] = cast(Mapping[str, Any], part)  # a template until it runs

    def execute(self, context: Context) -> int:
        """Give the number of files."""
        handoff = self.open(context)
        table = handoff.plan.table(self.part["table"])
        return len(handoff.workshop.reduce(table, int(self.part["bucket"])))


class RegisterCatalog(HandoffOperator):
    """Compare the rows of the files with the inputs', cut the batches, register the tables."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give the batches."""
        handoff = self.open(context)
        log.info("action=file-chunks files=%d", steps.file_chunks(handoff))
        steps.register_catalog(handoff)
        return [
            {"table": table, "batch": batch}
            for table, batch in handoff.records.batches(handoff.name)
        ]


class LoadBatch(HandoffOperator):
    """Load a batch in a transaction of its own, through the commit gate.

    Parameters
    ----------
    part
        Table and batch.
    """

    template_fields: Sequence[str] = ("endpoint", "release", "part")

    def __init__(self, *, part: Mapping[str, Any] | XComArg, **kwargs: Any) -> None:
        super().__init__(
            **kwargs | {"map_index_template": "{{ task.part['table'] }} {{ task.part['batch'] }}"}
        )
        self.part: Mapping[str, Any] = cast(Mapping[str, Any], part)  # a template until it runs

    def execute(self, context: Context, event: Any = None) -> str:  # noqa: ARG002 - the trigger's
        """Do what can be done now; wait for the rest without a worker."""
        handoff = self.open(context)
        table, batch = self.part["table"], int(self.part["batch"])
        progress = advance_batch(handoff, table, batch)
        log.info("action=load-batch table=%s batch=%d progress=%s", table, batch, progress)
        if progress is not Progress.COMMITTED:
            self.defer(
                trigger=TimeDeltaTrigger(dt.timedelta(seconds=POLL_S)), method_name="execute"
            )
        return str(progress)


class ReconcileRows(HandoffOperator):
    """Compare the rows of the files with those that Qserv counts.

    Counting and indexing are answered when they are done, and nothing but the answer tells: a worker waits.
    """

    patience_s = LONG_PATIENCE_S

    def execute(self, context: Context) -> int:
        """Give the number of comparisons."""
        return len(steps.reconcile_rows(self.open(context)))


class PublishCatalog(HandoffOperator):
    """Publish the database; Qserv may take hours, in which no worker waits."""

    def execute(self, context: Context, event: Any = None) -> None:
        """Ask once, then look until it is published; ask again for what was not answered in a day."""
        handoff = self.open(context)
        is_waiting = event is not None and handoff.records.is_publication_open(handoff.name)
        if is_waiting and not steps.is_published(handoff):
            self._look_later()
        try:
            steps.publish_catalog(handoff)
        except QservUnavailable as error:
            log.info("action=publish-catalog reason=%s", error)
            self._look_later()

    def _look_later(self) -> None:
        self.defer(trigger=TimeDeltaTrigger(dt.timedelta(seconds=60)), method_name="execute")


class IndexCatalog(HandoffOperator):
    """Build indexes, and let Qserv use the counted rows; a worker waits, as for the counting."""

    patience_s = LONG_PATIENCE_S

    def execute(self, context: Context) -> None:
        """Call the flow."""
        steps.index_catalog(self.open(context))


class VerifyPublished(HandoffOperator):
    """Compare the published tables with the files by SQL."""

    def execute(self, context: Context) -> int:
        """Give the number of comparisons."""
        return len(steps.verify_published(self.open(context)))


class PlanRollback(HandoffOperator):
    """Say what a rollback would delete."""

    def execute(self, context: Context) -> str:
        """Give the plan in words; with nothing to delete all later steps are skipped."""
        told = steps.describe_rollback(self.open(context))
        log.info("action=plan-rollback %s", told or "nothing is there")
        if not told:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return told


class RollBack(HandoffOperator):
    """Delete the database with all its rows; the history of the handoff stays."""

    def execute(self, context: Context) -> None:
        """Call the flow."""
        steps.roll_back(self.open(context))
