"""The steps of reconciliation at an endpoint: choose the nights; compare them and tell what is open."""

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
from dbb.operators.chunks import as_airflow_maps, cut
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.reconcile_views import Scan, Sources

log = logging.getLogger(__name__)

NIGHTS_IN_A_TASK = 10
"""A night of 3,250 exposures is compared at an endpoint in seconds; starting a task takes one."""


def sources_for_run(context: Context) -> Sources:
    """Open what a reconciler compares."""
    from dbb.wiring.keeping import open_sources  # noqa: PLC0415 - clients are imported inside tasks only

    return open_sources(Settings.load(), open_for_run(context))


class ChooseNights(BaseOperator):
    """Choose the nights that are to be compared: those named, or the recent and the longest unseen.

    Parameters
    ----------
    endpoint
        Where.
    first_day, last_day
        Templates of the first and the last night; both empty for a choice.
    recent, rota
        Templates of numbers, as ``choose_nights`` takes them.
    """

    template_fields: Sequence[str] = ("first_day", "last_day", "recent", "rota")

    def __init__(
        self,
        *,
        endpoint: str,
        first_day: str,
        last_day: str,
        recent: str,
        rota: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.first_day = first_day
        self.last_day = last_day
        self.recent = recent
        self.rota = rota

    def execute(self, context: Context) -> list[list[int]]:
        """Give the nights in chunks; with none, all later steps are skipped."""
        first, last = self.first_day or self.last_day, self.last_day or self.first_day
        if first:
            nights = list(DayObs.range(DayObs.parse(first), DayObs.parse(last)))
        else:
            sources = sources_for_run(context)
            nights = choose_nights(sources, self.endpoint, int(self.recent), int(self.rota))
        log.info("action=choose-nights nights=%s", " ".join(map(str, nights)) or "none")
        if not nights:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return as_airflow_maps(cut([night.value for night in nights], NIGHTS_IN_A_TASK))


class ReconcileNights(BaseOperator):
    """Compare nights at one endpoint, record what was found, and tell what is open there.

    Parameters
    ----------
    nights
        The nights.
    endpoint
        Where.
    """

    template_fields: Sequence[str] = ("nights",)

    def __init__(self, *, nights: list[int] | XComArg, endpoint: str, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"map_index_template": "{{ task.nights | join(' ') }}"})
        self.nights: list[int] = cast(list[int], nights)  # a template until it runs
        self.endpoint = endpoint

    def execute(self, context: Context) -> dict[str, int]:
        """Give counts; a service that was silent fails the task when all else is recorded."""
        sources = sources_for_run(context)
        scans: list[Scan] = []
        for day_obs in self.nights:
            scans += reconcile_night(sources, DayObs.parse(day_obs), [self.endpoint])
            _tell_of_sightings(scans[-1])
        still_open = _tell_of_findings(sources, self.endpoint)
        if silent := [error for scan in scans for error in scan.silent]:
            raise silent[0]
        return {
            "units": sum(scan.units for scan in scans),
            "sightings": sum(len(scan.sightings) for scan in scans),
            "unsettled": sum(len(scan.unsettled) for scan in scans),
            **still_open,
        }


def _tell_of_sightings(scan: Scan) -> None:
    for seen in scan.sightings[:20]:
        log.info(
            "action=reconcile subject=%s discrepancy=%s policy=%s reason=%s",
            seen.subject, seen.discrepancy, seen.discrepancy.truth, seen.discrepancy.reason,
        )  # fmt: skip


def _tell_of_findings(sources: Sources, endpoint: str) -> dict[str, int]:
    """Log how many findings of all nights are open at an endpoint, by kind; nothing fails because of them."""
    found = sources.findings.find(endpoints=[endpoint])
    kinds = Counter((each.sighting.discrepancy, each.state) for each in found)
    for (discrepancy, state), number in kinds.most_common():
        log.warning(
            "action=tell-of-findings endpoint=%s discrepancy=%s state=%s number=%d",
            endpoint, discrepancy, state, number,
        )  # fmt: skip
    states = Counter(each.state for each in found)
    return {str(state): states[state] for state in FindingState if state is not FindingState.CLOSED}
