"""The steps of expiry at one endpoint: finish what was begun, plan, ask where it is much, apply."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.errors import CacheNearlyFull
from dbb.expiry_rules import load_expiry
from dbb.flows.cache_ages import note_cache_ages
from dbb.flows.expiring import (
    EXPIRE,
    apply_expiry,
    find_too_full,
    finish_expiries,
    is_large,
    plan_expiry,
)
from dbb.flows.expiring_oods import OodsPlace
from dbb.flows.oods import apply_merge, plan_merge
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.expiry_views import ExpiryRows, Place

log = logging.getLogger(__name__)


def _open(context: Context, endpoint: str) -> tuple[Place, ExpiryRows]:
    from dbb.wiring.keeping import open_expiry, open_place  # noqa: PLC0415 - clients inside tasks only

    settings = Settings.load()
    rows = open_expiry(settings, context["run_id"])
    return open_place(settings, open_for_run(context), rows, endpoint), rows


class FinishExpiries(BaseOperator):
    """Carry out what earlier runs intended; at a cache also ask the archive, and mend what does not fit.

    Parameters
    ----------
    endpoint
        Where.
    """

    def __init__(self, *, endpoint: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flows; return their counts."""
        place, rows = _open(context, self.endpoint)
        counts = finish_expiries(place, rows)
        if isinstance(place, OodsPlace):
            counts |= self._mend(place)
        return counts

    def _mend(self, place: OodsPlace) -> dict[str, int]:
        from dbb.wiring.keeping import open_findings  # noqa: PLC0415 - clients inside tasks only
        from dbb.wiring.oods import open_merged  # noqa: PLC0415 - clients inside tasks only

        settings = Settings.load()
        merge = plan_merge(place.backbone, place.oods.journal)
        apply_merge(place.backbone, open_merged(settings), place.oods.journal, self.endpoint, merge)
        return place.mend(open_findings(settings))


class PlanExpiry(BaseOperator):
    """Say what is due. With nothing due all later steps are skipped; where it is little, nobody is asked.

    Parameters
    ----------
    endpoint
        Where.
    approval
        The step that asks a person.
    """

    def __init__(self, *, endpoint: str, approval: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.approval = approval

    def execute(self, context: Context) -> None:
        """Leave the plan's identity, its time and its lines for the next steps; note how old what is there is."""
        place, rows = _open(context, self.endpoint)
        book = load_expiry(Settings.load())
        as_of = dt.datetime.now(dt.UTC).replace(microsecond=0)
        note_cache_ages(open_for_run(context), place, book.at(self.endpoint))
        plan = plan_expiry(place, rows, book, as_of)
        lines = [
            f"- {line.action} {line.units:,} ({line.size_bytes:,} bytes): {line.detail}"
            for line in plan.lines
        ]
        for line in lines:
            log.info("action=plan-expiry endpoint=%s %s", self.endpoint, line)
        context["ti"].xcom_push(key="plan", value=plan.sha256)
        context["ti"].xcom_push(key="as_of", value=as_of.isoformat())
        context["ti"].xcom_push(key="lines", value="\n".join(lines))
        if not plan.of(EXPIRE):
            _tell_if_too_full(find_too_full(plan))
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        if not is_large(place, book, plan):
            raise DownstreamTasksSkipped(tasks=[self.approval])  # type: ignore[no-untyped-call]


class ApplyExpiry(BaseOperator):
    """Do what the plan says, if it is still the plan.

    Parameters
    ----------
    endpoint
        Where.
    plan, as_of
        The plan's identity and time: templates.
    """

    template_fields: Sequence[str] = ("plan", "as_of")

    def __init__(self, *, endpoint: str, plan: str, as_of: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.plan = plan
        self.as_of = as_of

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return its counts. A large plan was approved before.

        Raises
        ------
        CacheNearlyFull
            If the cache is too full although all that may go is going.
        """
        place, rows = _open(context, self.endpoint)
        book = load_expiry(Settings.load())
        as_of = dt.datetime.fromisoformat(self.as_of)
        too_full = find_too_full(plan_expiry(place, rows, book, as_of))
        counts = apply_expiry(place, rows, book, as_of, self.plan, accept_large=True)
        _tell_if_too_full(too_full)
        return counts


def _tell_if_too_full(too_full: Sequence[tuple[str, str]]) -> None:
    for endpoint, detail in too_full:
        raise CacheNearlyFull.for_cache(endpoint, detail)
