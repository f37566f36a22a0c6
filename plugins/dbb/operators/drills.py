"""The drills of recovery as tasks: do one, put it on record, be red where not everything came back."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from dbb.flows.drilling import check_passed, drill_endpoint
from dbb.flows.drilling_ledger import drill_ledger
from dbb.model.drill import Drill
from dbb.model.kind import Kind
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)


class DrillOperator(BaseOperator):
    """Do a drill over some nights.

    Parameters
    ----------
    first_day, last_day
        Templates of nights; both empty for the latest ones.
    nights
        Template of how many these are.
    """

    template_fields: Sequence[str] = ("first_day", "last_day", "nights")

    def __init__(self, *, first_day: str, last_day: str, nights: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first_day = first_day
        self.last_day = last_day
        self.nights = nights

    def execute(self, context: Context) -> dict[str, Any]:
        """Do it and remember it; give the outcome."""
        from dbb.wiring.drills import open_drills  # noqa: PLC0415 - clients are imported in tasks only

        backbone = open_for_run(context)
        run_id = context["run_id"]
        done = self.drill(backbone, *self._days(backbone))
        if not (done.units or done.wrong or backbone.ledger.days_of_kind(Kind.RAW)):
            raise AirflowSkipException("Nothing is kept yet, so there was nothing to practise on.")
        done = dataclasses.replace(done, actor=run_id)
        open_drills(Settings.load(), run_id).note(done)
        check_passed(done)
        return done.to_json()

    def _days(self, backbone: Backbone) -> tuple[int, int]:
        first, last = self.first_day or self.last_day, self.last_day or self.first_day
        if first:
            return int(first), int(last)
        days = backbone.ledger.days_of_kind(Kind.RAW)[-int(self.nights) :]
        return (days[0], days[-1]) if days else (0, 99991231)

    @abstractmethod
    def drill(self, backbone: Backbone, first_day: int, last_day: int) -> Drill:
        """Do the drill."""


class DrillEndpoint(DrillOperator):
    """Wipe a scratch endpoint and rebuild it from its peers.

    Parameters
    ----------
    endpoint
        Its name.
    """

    def __init__(self, *, endpoint: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint

    def drill(self, backbone: Backbone, first_day: int, last_day: int) -> Drill:
        """Call the flow."""
        from dbb.wiring.drills import open_scratch  # noqa: PLC0415 - clients are imported in tasks only

        scratch = open_scratch(Settings.load(), self.endpoint)
        return drill_endpoint(backbone, scratch, _places(backbone), first_day, last_day)


class DrillLedger(DrillOperator):
    """Rebuild the ledger beside the real one, and compare them row by row."""

    def drill(self, backbone: Backbone, first_day: int, last_day: int) -> Drill:
        """Call the flow."""
        from dbb.wiring.drills import open_spare_ledger  # noqa: PLC0415 - clients in tasks only

        with tempfile.TemporaryDirectory(prefix="dbb-drill-") as folder:
            spare = open_spare_ledger(Path(folder))
            return drill_ledger(backbone, spare, _places(backbone), first_day, last_day)


def _places(backbone: Backbone) -> tuple[str, ...]:
    receivers = sorted({policy.receiver for policy in backbone.policies})
    return (backbone.policy.archive, *receivers)
