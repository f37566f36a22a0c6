"""The canary's one step: let it fly, look after it, wait without holding a worker, remove it."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator

from dbb.flows.canary import LIMIT_S, look_after, settle, tidy
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.canary import Cage

log = logging.getLogger(__name__)

LOOK_EVERY = dt.timedelta(seconds=10)


def _open(context: Context) -> Cage:
    from dbb.wiring.watching import open_cage  # noqa: PLC0415 - clients are imported inside tasks only

    return open_cage(Settings.load(), context["run_id"])


def now() -> dt.datetime:
    """Give the time, in UTC."""
    return dt.datetime.now(dt.UTC)


class FlyCanary(BaseOperator):
    """Send a synthetic exposure all the way, and remove it.

    Parameters
    ----------
    limit_s
        How long it may take.
    """

    def __init__(self, *, limit_s: float = LIMIT_S, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit_s = limit_s

    def execute(self, context: Context) -> dict[str, float]:
        """Remove what earlier ones left, and let a new one fly."""
        cage = _open(context)
        tidy(cage, now())
        return self._look(cage, cage.rows.begin().number)

    def go_on(self, context: Context, event: Any, number: int) -> dict[str, float]:  # noqa: ARG002
        """Look after the canary again."""
        return self._look(_open(context), number)

    def _look(self, cage: Cage, number: int) -> dict[str, float]:
        (canary,) = (each for each in cage.rows.newest(9) if each.number == number)
        stop = look_after(cage, canary)
        if not settle(cage, canary, stop, now(), self.limit_s):
            log.info(
                "action=fly-canary number=%d step=%s reason=%s", number, stop.step, stop.reason
            )
            self.defer(
                trigger=TimeDeltaTrigger(LOOK_EVERY),
                method_name="go_on",
                kwargs={"number": number},
            )
        stages = cage.rows.stages(canary)
        log.info("action=fly-canary number=%d stages=%s", number, stages)
        return stages
