"""The steps of repairing: publish what came back, plan, ask where it is much, apply."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.healing import apply_mending, find_for_person, is_large, plan_mending
from dbb.flows.repairing import finish_repairs
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.reconcile import sources_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.hooks.keeping import SqlKeeping

log = logging.getLogger(__name__)


def _rows(context: Context) -> SqlKeeping:
    from dbb.wiring.keeping import open_keeping  # noqa: PLC0415 - clients are imported inside tasks only

    return open_keeping(Settings.load(), context["run_id"])


class FinishRepairs(BaseOperator):
    """Publish what Rucio has brought back to the archive, once it was read and is right."""

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return its counts."""
        return finish_repairs(open_for_run(context), _rows(context))


class PlanRepairs(BaseOperator):
    """Read the copies of what is broken, look at confirmed findings again, and say what would be done.

    With nothing to do, or where it shall only be reported, all later steps are skipped; where it
    is little, nobody is asked.

    Parameters
    ----------
    approval
        The step that asks a person.
    report_only
        A template: ``True`` ends with the report.
    """

    template_fields: Sequence[str] = ("report_only",)

    def __init__(self, *, approval: str, report_only: str = "False", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval
        self.report_only = report_only

    def execute(self, context: Context) -> None:
        """Leave the plan's identity and its lines for the next steps."""
        sources = sources_for_run(context)
        plan = plan_mending(sources, _rows(context), Settings.load().sources_of_repair)
        lines = [
            f"- {line.action} {line.units} of {line.subject} ({line.size_bytes:,} bytes): {line.detail}"
            for line in plan.lines
        ]
        for line in lines:
            log.info("action=plan-repairs %s", line)
        for each in find_for_person(sources):
            seen = each.sighting
            log.warning(
                "action=plan-repairs person=yes endpoint=%s discrepancy=%s subject=%s",
                seen.endpoint, seen.discrepancy, seen.subject,
            )  # fmt: skip
        if not plan or self.report_only == "True":
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        context["ti"].xcom_push(key="plan", value=plan.sha256)
        context["ti"].xcom_push(key="lines", value="\n".join(lines))
        if not is_large(sources, plan):
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
        plan, _ = apply_mending(
            sources_for_run(context), _rows(context), order, self.plan, accept_large=True
        )
        units: Counter[str] = Counter()
        for line in plan.lines:
            units[line.action] += line.units
        return dict(units)
