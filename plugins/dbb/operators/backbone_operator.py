"""The common form of the project's operators: open the backbone, call one flow, tell the counts."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk import BaseOperator, BaseOperatorLink, XComArg

from dbb.operators.links import ExposuresOfThisChunk
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)


def open_for_run(context: Context) -> Backbone:
    """Open the backbone; the run's id signs what it does in the ledger's history."""
    from dbb.wiring.backbone import open_backbone  # noqa: PLC0415 - clients are imported inside tasks only

    return open_backbone(Settings.load(), actor=context["run_id"])


class ChunkOperator(BaseOperator):
    """Work on a chunk of units with one call of a flow.

    Parameters
    ----------
    units
        Names of the chunk's units.
    """

    template_fields: Sequence[str] = ("units",)
    operator_extra_links: Sequence[BaseOperatorLink] = (ExposuresOfThisChunk(),)
    action: ClassVar[str]

    def __init__(self, *, units: Sequence[str] | XComArg, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ task.exposures }}", **kwargs)
        self.units: Sequence[str] = cast(Sequence[str], units)  # a template until it runs

    @property
    def exposures(self) -> str:
        """Name the first and the last exposure of the chunk, for the UI."""
        names = [unit.rpartition("/")[2] for unit in self.units]
        return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return its counts."""
        counts = self.work(open_for_run(context), context)
        self.tell(counts)
        return counts

    def tell(self, counts: dict[str, int]) -> None:
        """Log the outcome in one line."""
        told = " ".join(f"{name}={number}" for name, number in counts.items())
        log.info("action=%s units=%d %s", self.action, len(self.units), told)

    @abstractmethod
    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:
        """Call the flow."""
