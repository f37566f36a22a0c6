"""The steps of watching buffers: release what is safe, measure, tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dbb.errors import BufferNearlyFull
from dbb.flows.buffers import Level, measure_buffers, release_what_is_safe
from dbb.flows.outage_history import note_published
from dbb.flows.sums import budget_sum, note_sum, replicas_sum
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.hooks.keeping import SqlKeeping


def _rows(context: Context) -> SqlKeeping:
    from dbb.wiring.keeping import open_keeping  # noqa: PLC0415 - clients are imported inside tasks only

    return open_keeping(Settings.load(), context["run_id"])


class ReleaseWhatIsSafe(BaseOperator):
    """Release the source's files of whatever night that enough published copies stand for."""

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return the count."""
        return {"released": release_what_is_safe(open_for_run(context), _rows(context))}


class NoteSums(BaseOperator):
    """Sum up losses, copies and publications, for the pages: it takes too long to be done for each reader."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Note the sums; return their heads."""
        from dbb.wiring.pages import open_outages, open_views  # noqa: PLC0415 - clients are imported inside tasks only

        backbone = open_for_run(context)
        views = open_views(backbone)
        budget = budget_sum(backbone, views.keeping, views.drills)
        replicas = replicas_sum(backbone, views.keeping, views.page, Settings.load().reread_days)
        note_sum(backbone, "budget", budget)
        note_sum(backbone, "replicas", replicas)
        note_published(backbone, open_outages(backbone))
        return {"kept": budget["loss"]["kept"], "units_below": replicas["units_below"]}


class MeasureBuffers(BaseOperator):
    """Measure the buffers; fail, without retries, if one is nearly full."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give what was measured.

        Raises
        ------
        BufferNearlyFull
            If one is nearly full.
        """
        endpoints = Settings.load().endpoints.values()
        buffers = measure_buffers(open_for_run(context), _rows(context), endpoints)
        for buffer in buffers:
            if buffer.level is Level.NEARLY_FULL:
                raise BufferNearlyFull.for_buffer(
                    buffer.endpoint, buffer.used, buffer.hours_left, buffer.needed_h
                )
        return [buffer.to_json() for buffer in buffers]
