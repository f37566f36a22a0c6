"""The last steps of a run: say how the night stands, and turn the run red if a step failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from dbb.flows.news import unfinished_nights
from dbb.flows.night import night_report
from dbb.model.day_obs import DayObs
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.links import TheNight
from dbb.operators.nights import night_of_run

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class ReportTheNight(BaseOperator):
    """Log the verdict on the night in one sentence.

    Parameters
    ----------
    tonight
        Report tonight and what the night before left, instead of the run's own night.
    """

    operator_extra_links = (TheNight(),)
    night: DayObs | None = None
    """The night that the task's link leads to: the latest that it reported."""

    def __init__(self, *, tonight: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tonight = tonight

    def execute(self, context: Context) -> dict[str, dict[str, Any]]:
        """Give verdict, sentence and counts by night."""
        self.night = None if self.tonight else night_of_run(context)
        backbone = open_for_run(context)
        nights = unfinished_nights(backbone) if self.night is None else [self.night]
        self.night = nights[-1]
        result = {}
        for day_obs in nights:
            report = night_report(backbone, day_obs)
            log.info("action=report-the-night day_obs=%s %s", day_obs, report.sentence)
            result[str(day_obs)] = {
                "verdict": str(report.verdict),
                "sentence": report.sentence,
                "next_command": report.next_command,
                "counts": report.counts,
            }
        return result


class TellOfFailedSteps(BaseOperator):
    """Fail the run when one of its steps failed, since later steps go on without it."""

    def execute(self, context: Context) -> None:
        """Fail; the task starts only after a failure."""
        raise AirflowFailException(
            f"A step of {context['run_id']} failed: its log says what and what to do. The other "
            "chunks went on, and the next run takes up what is left."
        )
