"""The steps of a maintenance: hold, or let go on."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dbb.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from dbb.flows.maintenance import MaintenanceRows, Scheduling, Working

log = logging.getLogger(__name__)


def _open(context: Context) -> tuple[Scheduling, MaintenanceRows]:
    from dbb.hooks.airflow_rest import AirflowRest  # noqa: PLC0415 - inside tasks only
    from dbb.wiring.watching import open_maintenance  # noqa: PLC0415

    settings = Settings.load()
    return AirflowRest.of(settings), open_maintenance(settings, context["run_id"])


def _tell(working: Sequence[Working]) -> None:
    log.info("%d tasks still run, the first is %s", len(working), working[0])


class DrainOrResume(BaseOperator):
    """Hold every DAG and wait until nothing runs, or start again what ran before.

    It works as it is asked by the run's parameters ``action``, ``reason`` and ``within_s``.
    """

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Call the flow; give what is held, or None where nothing is.

        Raises
        ------
        DrainUnfinished
            If something still runs after the time.
        """
        from dbb.flows.maintenance import drain, resume  # noqa: PLC0415 - inside tasks only

        scheduling, rows = _open(context)
        asked = context["params"]
        if asked["action"] == "drain":
            maintenance = drain(
                scheduling, rows, asked["reason"], asked["within_s"], time.sleep, _tell
            )
        else:
            resume(scheduling, rows)
            return None
        log.info("%d DAGs are held", len(maintenance.dags))
        return maintenance.to_json()
