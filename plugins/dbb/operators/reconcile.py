"""The steps of reconciliation: choose the nights, compare each at an endpoint, tell what is open."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.reconciling import choose_nights, reconcile_night
from dbb.model.day_obs import DayObs
from dbb.model.finding import FindingState
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.chunks import MOST_CHUNKS
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.reconcile_views import Sources

log = logging.getLogger(__name__)


def sources_for_run(context: Context) -> Sources:
    """Open what a reconciler compares."""
    from dbb.wiring.keeping import open_sources  # noqa: PLC0415 - clients are imported inside tasks only

    return open_sources(Settings.load(), open_for_run(context))


class ChooseNights(BaseOperator):
    """Choose the nights that are to be compared: those named, or the recent and the longest unseen.

    Parameters
    ----------
    first_day, last_day
        Templates of the first and the last night; both empty for a choice.
    recent, rota
        Templates of numbers, as ``choose_nights`` takes them.
    """

    template_fields: Sequence[str] = ("first_day", "last_day", "recent", "rota")

    def __init__(
        self, *, first_day: str, last_day: str, recent: str, rota: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.first_day = first_day
        self.last_day = last_day
        self.recent = recent
        self.rota = rota

    def execute(self, context: Context) -> list[int]:
        """Give the nights; with none, all later steps are skipped."""
        first, last = self.first_day or self.last_day, self.last_day or self.first_day
        if first:
            nights = list(DayObs.range(DayObs.parse(first), DayObs.parse(last)))
        else:
            sources = sources_for_run(context)
            nights = choose_nights(sources, int(self.recent), int(self.rota))
        log.info("action=choose-nights nights=%s", " ".join(map(str, nights)) or "none")
        if not nights:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return [night.value for night in nights[:MOST_CHUNKS]]


class ReconcileNight(BaseOperator):
    """Compare one night at one endpoint, and record what was found.

    Parameters
    ----------
    day_obs
        The night.
    endpoint
        Where.
    """

    template_fields: Sequence[str] = ("day_obs",)

    def __init__(self, *, day_obs: int | XComArg, endpoint: str, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"map_index_template": "{{ task.day_obs }}"})
        self.day_obs: int = cast(int, day_obs)  # a template until it runs
        self.endpoint = endpoint

    def execute(self, context: Context) -> dict[str, int]:
        """Give counts; a service that was silent fails the task when all else is recorded."""
        night = DayObs.parse(self.day_obs)
        (scan,) = reconcile_night(sources_for_run(context), night, [self.endpoint])
        for seen in scan.sightings[:20]:
            log.info(
                "action=reconcile subject=%s discrepancy=%s policy=%s reason=%s",
                seen.subject, seen.discrepancy, seen.discrepancy.truth, seen.discrepancy.reason,
            )  # fmt: skip
        if scan.silent:
            raise scan.silent[0]
        return {
            "units": scan.units,
            "sightings": len(scan.sightings),
            "unsettled": len(scan.unsettled),
        }


class TellOfFindings(BaseOperator):
    """Log how many findings are open, by kind; nothing fails because of them."""

    def execute(self, context: Context) -> dict[str, int]:
        """Give the numbers of suspected and confirmed findings."""
        found = sources_for_run(context).findings.find()
        kinds = Counter(
            (each.sighting.endpoint, each.sighting.discrepancy, each.state) for each in found
        )
        for (endpoint, discrepancy, state), number in kinds.most_common():
            log.warning(
                "action=tell-of-findings endpoint=%s discrepancy=%s state=%s number=%d",
                endpoint, discrepancy, state, number,
            )  # fmt: skip
        states = Counter(each.state for each in found)
        return {
            str(state): states[state] for state in FindingState if state is not FindingState.CLOSED
        }
