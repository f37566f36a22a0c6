"""The steps of repairing the archive: publish what came back, plan, ask where it is much, apply."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.repairing import apply_repairs, finish_repairs, is_large, plan_repairs
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.hooks.keeping import SqlKeeping

log = logging.getLogger(__name__)


def _rows(context: Context) -> SqlKeeping:
    from dbb.wiring import open_keeping  # noqa: PLC0415 - clients are imported inside tasks only

    return open_keeping(Settings.load(), context["run_id"])


class FinishRepairs(BaseOperator):
    """Publish what Rucio has brought back to the archive, once it was read and is right."""

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return its counts."""
        return finish_repairs(open_for_run(context), _rows(context))


class PlanRepairs(BaseOperator):
    """Read the copies of what is broken, and say what would be done.

    With nothing to do all later steps are skipped; where it is little, nobody is asked.

    Parameters
    ----------
    approval
        The step that asks a person.
    """

    def __init__(self, *, approval: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval

    def execute(self, context: Context) -> None:
        """Leave the plan's identity and its lines for the next steps."""
        backbone = open_for_run(context)
        plan = plan_repairs(backbone, _rows(context), Settings.load().sources_of_repair)
        if not plan:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        lines = [
            f"- {line.action} {line.units} of {line.subject} ({line.size_bytes:,} bytes): {line.detail}"
            for line in plan.lines
        ]
        for line in lines:
            log.info("action=plan-repairs %s", line)
        context["ti"].xcom_push(key="plan", value=plan.sha256)
        context["ti"].xcom_push(key="lines", value="\n".join(lines))
        if not is_large(backbone, plan):
            raise DownstreamTasksSkipped(tasks=[self.approval])  # type: ignore[no-untyped-call]


class ApplyRepairs(BaseOperator):
    """Do what the plan says, if it is still the plan.

    Parameters
    ----------
    plan
        The plan's identity: a template.
    """

    template_fields: Sequence[str] = ("plan",)

    def __init__(self, *, plan: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return how many units each action had. A large plan was approved before."""
        order = Settings.load().sources_of_repair
        plan = apply_repairs(
            open_for_run(context), _rows(context), order, self.plan, accept_large=True
        )
        return {line.action: line.units for line in plan.lines}
