"""The steps of parcels at the archive: look which are ready, take them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.parcels import find_parcels, refuse_misnamed, take_parcels
from dbb.operators.backbone_operator import ChunkOperator, open_for_run
from dbb.operators.chunks import as_airflow_maps, cut

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)

PARCELS_AT_ONCE = 4
"""Parcels in one task: each may be large."""


class LookForParcels(BaseOperator):
    """Find the parcels that producers have made ready, and those that are not published yet."""

    def execute(self, context: Context) -> list[list[str]]:
        """Give the chunks: lists of names of parcels. With nothing to do, the rest is skipped."""
        backbone = open_for_run(context)
        if misnamed := refuse_misnamed(backbone):
            log.warning("action=look-for-parcels misnamed=%d", misnamed)
        units = find_parcels(backbone)
        log.info("action=look-for-parcels parcels=%d", len(units))
        if not units:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return as_airflow_maps(cut(units, PARCELS_AT_ONCE))


class TakeParcels(ChunkOperator):
    """Read, describe and copy what producers have laid down; read it back."""

    operator_extra_links = ()
    action = "take-parcels"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow."""
        return take_parcels(backbone, self.units)
