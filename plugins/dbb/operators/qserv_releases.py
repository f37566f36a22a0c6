"""Finding the releases that are wholly delivered, and naming the run that hands each over."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.qserv_releases import look_for_releases
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class LookForReleases(BaseOperator):
    """Say which releases are to be handed over now: where an endpoint has a Qserv and all of it."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give the runs to begin: parameters and name. With none, all later steps are skipped."""
        from dbb.hooks.qserv.planning import load_overlay  # noqa: PLC0415 - a slow import
        from dbb.wiring import open_qserv_records  # noqa: PLC0415 - clients are imported in tasks

        settings = Settings.load()
        found = look_for_releases(
            open_for_run(context),
            open_qserv_records(settings),
            settings.qservs,
            lambda release: load_overlay(settings.include / "qserv", release),
        )
        due = [each for each in found if each.is_due]
        log.info("action=look-for-releases lists=%d due=%d", len(found), len(due))
        if not due:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return [
            {
                "conf": {"endpoint": each.endpoint, "release": each.release},
                "trigger_run_id": each.run_id,
            }
            for each in due
        ]
