"""The step that reads copies of an endpoint again."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dbb.flows.scrubbing import reread_copies
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context


class RereadCopies(BaseOperator):
    """Read the copies of an endpoint whose turn it is, past the page cache.

    Parameters
    ----------
    endpoint
        Where to read.
    share_s
        The time that the run stands for; a number or a template of one.
    """

    template_fields: Sequence[str] = ("share_s",)

    def __init__(self, *, endpoint: str, share_s: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.share_s = share_s

    def execute(self, context: Context) -> dict[str, int | str]:
        """Call the flow; return its counts. Damage is the ledger's to show and no failure of the task."""
        from dbb.wiring.keeping import open_keeping  # noqa: PLC0415 - clients are imported inside tasks only

        settings = Settings.load()
        readings = open_keeping(settings, context["run_id"])
        period = dt.timedelta(days=settings.endpoint(self.endpoint).reread_days)
        share = dt.timedelta(seconds=int(self.share_s))
        cores = len(os.sched_getaffinity(0))
        run = reread_copies(
            open_for_run(context), readings, self.endpoint, period, share, at_once=cores
        )
        return {
            "copies": run.copies,
            "bytes": run.size_bytes,
            "damaged": run.damaged,
            "stopped": run.stopped,
        }
