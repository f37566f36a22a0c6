"""The first step of a run: what has come to the summit's store, and what is left to do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.news import unfinished_nights
from dbb.model.day_obs import DayObs
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.chunks import as_airflow_maps, cut
from dbb.operators.links import TheNight
from dbb.operators.nights import night_of_run

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class LookForNewExposures(BaseOperator):
    """Bring the ledger up to date with the source; cut the work into chunks.

    Parameters
    ----------
    tonight
        Look at tonight and at what the night before left, instead of the run's own night.
    steps_when_idle
        Names of the later steps that run even when there is nothing to do.
    """

    operator_extra_links = (TheNight(),)
    night: DayObs | None = None
    """The night that the task's link leads to: the latest that it worked on."""

    def __init__(
        self, *, tonight: bool, steps_when_idle: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.tonight = tonight
        self.steps_when_idle = steps_when_idle

    def execute(self, context: Context) -> list[list[str]]:
        """Give the chunks: lists of names of units.

        With nothing to do, all later steps are skipped here and now: left to the scheduler, the
        skipping takes one of its rounds a step, and tonight's next run waits for it.
        """
        self.night = None if self.tonight else night_of_run(context)
        backbone = open_for_run(context)
        chunks: list[list[str]] = []
        nights = unfinished_nights(backbone) if self.night is None else [self.night]
        self.night = nights[-1]
        for day_obs in nights:
            arrivals = receive_arrivals(backbone, day_obs)
            log.info(
                "action=look-for-new-exposures day_obs=%s %s%d exposures to work on, %d finished, "
                "%d waiting",
                day_obs,
                "" if arrivals.work else "nothing to do: ",
                len(arrivals.work),
                arrivals.finished,
                len(arrivals.waiting),
            )
            chunks += cut(arrivals.work, backbone.policy.chunk_exposures)
        if not chunks:
            idle = self.get_flat_relative_ids(upstream=False) - set(self.steps_when_idle)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return as_airflow_maps(chunks)
