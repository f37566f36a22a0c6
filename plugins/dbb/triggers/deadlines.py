"""The calibration flow's deadline: from when it counts, and what is told when it is missed.

Airflow counts from the moment a run is queued, or by a reference of one's own. This one counts from the
end of acquisition: what passed before the run is not given to it once more.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference

from dbb.errors import DbbError
from dbb.flows.calibration_budget import LateLook, late_steps
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.triggers.asking import ask

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)


class EndOfAcquisition(BaseDeadlineReference):
    """Count from the end of the first group of tonight or the night before that is not in force.

    A run that finds no such group may take up one that is complete a moment later: its deadline counts
    from now. Airflow asks where it makes a run, in the scheduler or the API server, so it is one question
    to the ledger and no more.
    """

    def _evaluate_with(self, *, session: Session, **_: Any) -> dt.datetime:  # noqa: ARG002
        """Give the moment from which the deadline counts."""
        from dbb.hooks.calibrations import SqlCalibrations  # noqa: PLC0415 - few processes ask
        from dbb.wiring.base import SystemClock, open_ledger  # noqa: PLC0415

        clock = SystemClock()
        since = DayObs.at(clock.now() - dt.timedelta(days=1)).value
        try:
            groups = SqlCalibrations(open_ledger(Settings.load(), "deadline")).open_groups(since)
        except DbbError as error:  # no run is to fail for want of its deadline
            log.warning("action=deadline reason=%s", error)
            return clock.now()
        return min([clock.now(), *(group.ended_at for group in groups)])


async def tell_of_late_step(context: dict[str, Any] | None = None, **_: Any) -> None:
    """Name the step that each group which is late is in: in the log, and in the attempts' history.

    A group that ended later than the one from which the deadline counts is looked at when its own time
    is over: the run has only one deadline.
    """
    run = (context or {}).get("dag_run", {})
    told: set[str] = set()

    def find(backbone: Backbone) -> LateLook:
        return late_steps(backbone, told)

    while True:
        look = await ask("deadlines", find)
        for line in look.lines:
            log.error("action=deadline dag_run=%s %s", run.get("dag_run_id", ""), line)
        told |= look.late
        if look.next_s is None:
            return
        await asyncio.sleep(look.next_s)
