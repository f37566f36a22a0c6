"""The steps of the calibration flow: look for groups, make, bring in, settle, compare."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.errors import CalibrationsDiffer
from dbb.flows.calibration_budget import settle
from dbb.flows.calibration_force import compare
from dbb.flows.calibration_groups import find_work
from dbb.model.day_obs import DayObs
from dbb.operators.backbone_operator import ChunkOperator, open_for_run
from dbb.operators.nights import night_of_run

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone
    from dbb.flows.calibration import Workshop

log = logging.getLogger(__name__)

RECENT = dt.timedelta(days=1)
ALL = "all"
"""In place of an instrument: all that are declared."""


def instruments_of(backbone: Backbone, wanted: str) -> list[str]:
    """Name the instruments that a run is about."""
    return list(backbone.policy.instruments) if wanted == ALL else [wanted]


def open_workshop(backbone: Backbone, instrument: str, payload: str) -> Workshop:
    """Open a payload and its judge; their libraries are imported inside tasks only."""
    from dbb.flows.calibration import Workshop  # noqa: PLC0415
    from dbb.hooks.calibration.judging import CalibrationJudge  # noqa: PLC0415
    from dbb.hooks.calibration.payloads import load_payload  # noqa: PLC0415

    found = load_payload(payload)
    judge = CalibrationJudge(backbone.instruments[instrument])
    scratch = Path(gettempdir()) / "dbb-calibration"
    return Workshop(found.payload, judge, scratch, found.parameters)


class LookForGroups(BaseOperator):
    """Find the complete groups of one kind that are still to be worked on.

    Parameters
    ----------
    kind
        ``bias``, ``dark`` or ``flat``.
    tonight
        Whether to look at tonight and the night before, instead of the run's night.
    """

    def __init__(self, *, kind: str, tonight: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.tonight = tonight

    def execute(self, context: Context) -> list[str]:
        """Give the names of the groups. With none, the steps of this kind are skipped."""
        backbone = open_for_run(context)
        params = context["params"]
        day = params.get("day_obs")
        if self.tonight and day is None:
            now = backbone.clock.now()
            nights = [DayObs.at(now - RECENT).value, DayObs.at(now).value]
        else:
            nights = [night_of_run(context).value]
        groups = [
            name
            for instrument in instruments_of(backbone, params["instrument"])
            for night in nights
            for name in find_work(
                backbone, instrument, night, params["campaign"],
                kind=self.kind, again=bool(params["again"]),
            )
        ]  # fmt: skip
        log.info("action=look-for-groups kind=%s groups=%d", self.kind, len(groups))
        if not groups:
            idle = self.downstream_task_ids
            raise DownstreamTasksSkipped(  # type: ignore[no-untyped-call]
                tasks=sorted(name for name in idle if name.endswith(f"make_{self.kind}"))
            )
        return groups


class MakeCalibrations(BaseOperator):
    """Gather a group's inputs, run the payload, judge, and lay the products down.

    Parameters
    ----------
    group
        Name of the group.
    """

    template_fields = ("group",)

    def __init__(self, *, group: Any, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ task.group }}", **kwargs)
        self.group = group

    def execute(self, context: Context) -> list[str]:
        """Call the flow; give the attempt's unit, as a chunk of one."""
        from dbb.flows.calibration import make_calibrations  # noqa: PLC0415

        backbone = open_for_run(context)
        params = context["params"]
        workshop = open_workshop(backbone, self.group.split("/")[0], params["payload"])
        unit = make_calibrations(backbone, workshop, self.group, params["campaign"])
        log.info("action=make-calibrations group=%s unit=%s", self.group, unit)
        return [unit]


class BringInCalibrations(ChunkOperator):
    """Take, register and publish the products: from then on they are in force at the archive."""

    operator_extra_links = ()
    action = "bring-in-calibrations"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow."""
        from dbb.flows.calibration import bring_in  # noqa: PLC0415

        return bring_in(backbone, self.units)


class SettleCalibrations(ChunkOperator):
    """Record where the time went."""

    operator_extra_links = ()
    action = "settle-calibrations"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow; tell seconds by step."""
        return {
            str(share.step): round(share.seconds)
            for unit in self.units
            for share in settle(backbone, unit).shares
        }


class CompareCalibrations(BaseOperator):
    """Compare the validity ranges at all endpoints."""

    def execute(self, context: Context) -> int:
        """Give the number of endpoints and collections compared.

        Raises
        ------
        CalibrationsDiffer
            If an endpoint has other calibrations in force than it ought to.
        """
        backbone = open_for_run(context)
        rows = [
            row
            for instrument in instruments_of(backbone, context["params"]["instrument"])
            for row in compare(backbone, instrument)
        ]
        wrong = [row for row in rows if row.is_finding]
        for row in wrong:
            log.error("action=compare endpoint=%s verdict=%s", row.endpoint, row.verdict)
        if wrong:
            raise CalibrationsDiffer.for_endpoint(wrong[0].endpoint, wrong[0].verdict)
        return len(rows)
