"""The one step that sweeps a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dbb.flows.sweeping import LEAVE_ALONE_S, sweep_store
from dbb.operators.backbone_operator import open_for_run

if TYPE_CHECKING:
    from airflow.sdk import Context


class SweepStore(BaseOperator):
    """Delete what killed writers left in the store of an endpoint.

    Parameters
    ----------
    endpoint
        Its name.
    older_than_s
        Only what was begun before so long.
    """

    def __init__(self, *, endpoint: str, older_than_s: int = LEAVE_ALONE_S, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.older_than_s = older_than_s

    def execute(self, context: Context) -> int:
        """Call the flow; return how many parts went."""
        swept = sweep_store(open_for_run(context), self.endpoint, older_than_s=self.older_than_s)
        return len(swept)
