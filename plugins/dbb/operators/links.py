"""Links from a task in Airflow's UI to the pages of its exposures or of its night.

The worker makes them when the task ends, from what the task then knows; Airflow keeps them as XComs.
They name no host, since a browser may know Airflow by another name than the worker does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

from dbb.errors import UnsafeName
from dbb.model.exposure import Unit
from dbb.web.addresses import exposure_address, night_address

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class ExposuresOfThisChunk(BaseOperatorLink):
    """Lead from a task of a chunk to the chunk's part of the night, or to its one exposure."""

    name = "Exposures of this chunk"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Give the page; nothing where the task failed before it knew its units."""
        units = getattr(operator, "units", None)
        if not isinstance(units, Sequence) or isinstance(units, str) or not units:
            return ""
        try:
            first, last = Unit.parse(units[0]).obs_id, Unit.parse(units[-1]).obs_id
        except UnsafeName:  # parcels have no page
            return ""
        if first == last:
            return _below_root(exposure_address(str(first)))
        return _below_root(night_address(str(first.day_obs), str(first), str(last)))


class TheNight(BaseOperatorLink):
    """Lead from a task about a night to its page."""

    name = "The night"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Give the page; nothing where the task failed before it knew its night."""
        night = getattr(operator, "night", None)
        return "" if night is None else _below_root(night_address(str(night)))


def _below_root(address: str) -> str:
    """Put the path below which Airflow is served before an address."""
    base_url = str(conf.get("api", "base_url", fallback=""))
    return urlsplit(base_url).path.rstrip("/") + address
