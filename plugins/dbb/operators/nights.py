"""Which observing night a run is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from dbb.errors import BadDayObs
from dbb.model.day_obs import DayObs

if TYPE_CHECKING:
    from airflow.sdk import Context


class Run(Protocol):
    """What is needed of Airflow's DAG run."""

    partition_key: str | None


def resolve_day_obs(dag_run: Run, params: Mapping[str, Any]) -> DayObs:
    """Find the night of a run in its partition key, or in the parameter ``day_obs``.

    Parameters
    ----------
    dag_run
        Scheduled runs and backfills carry the night as their partition key.
    params
        The run's parameters; one triggered by hand names the night here.

    Raises
    ------
    BadDayObs
        If there is neither, both disagree, or one is no observing day.
    """
    given = [value for value in (dag_run.partition_key, params.get("day_obs")) if value is not None]
    nights = {DayObs.parse(value) for value in given}
    if len(nights) != 1:
        told = " and ".join(str(value) for value in given)
        raise BadDayObs.for_value(told or "neither partition key nor day_obs")
    return nights.pop()


def night_of_run(context: Context) -> DayObs:
    """Find the night of the run that a task belongs to.

    Raises
    ------
    BadDayObs
        As ``resolve_day_obs``.
    """
    return resolve_day_obs(context["dag_run"], context["params"])
