"""The steps of a chunk at an endpoint: wait for the copies, publish them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from dbb.flows.publishing import publish_units
from dbb.flows.registration import ask_rules, count_rules
from dbb.operators.backbone_operator import ChunkOperator, open_for_run
from dbb.triggers.copies import CopiesTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone


def raw_published_at(endpoint: str) -> Asset:
    """Give the asset that changes, by ``day_obs``, when exposures are published at an endpoint.

    The scheme's ``x-`` keeps Airflow from importing the handlers of every provider, which would
    cost each task 0.3 CPU-seconds.
    """
    return Asset(name=f"raw published at {endpoint}", uri=f"x-dbb://{endpoint}/raw/published")


class WaitForCopies(ChunkOperator):
    """Wait until Rucio has brought the copies, without holding a worker.

    It never fails for copies that do not come: what is there goes on, the rest is the next run's.

    Parameters
    ----------
    endpoint
        Where the copies shall come.
    patience_s
        Longest time to wait; a number or a template of one.
    """

    template_fields: Sequence[str] = ("units", "patience_s")
    action = "wait-for-copies"

    def __init__(self, *, endpoint: str, patience_s: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint
        self.patience_s = patience_s

    def execute(self, context: Context) -> dict[str, int]:
        """Look once; hand the waiting to the triggerer if something is missing."""
        counts = self.work(open_for_run(context), context)
        patience = dt.timedelta(seconds=int(self.patience_s))
        if counts["ok"] < sum(counts.values()) and patience:
            until = dt.datetime.now(dt.UTC) + patience
            self.defer(
                trigger=CopiesTrigger(
                    units=list(self.units), endpoint=self.endpoint, until=until.isoformat()
                ),
                method_name="go_on",
            )
        self.tell(counts)
        return counts

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Count the rules of the chunk's missing copies by state."""
        return count_rules(ask_rules(backbone, self.units, self.endpoint))

    def go_on(self, context: Context, event: dict[str, int]) -> dict[str, int]:  # noqa: ARG002
        """Tell how far the copies are; those that are there are published next."""
        self.tell(event)
        return event


class PublishAtEndpoint(ChunkOperator):
    """Re-read what came to an endpoint, have its Butler serve it, and say so last.

    Parameters
    ----------
    endpoint
        Where to publish.
    """

    action = "publish"

    def __init__(self, *, endpoint: str, **kwargs: Any) -> None:
        super().__init__(outlets=[raw_published_at(endpoint)], **kwargs)
        self.endpoint = endpoint

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:
        """Call the flow; tell the followers of the endpoint which nights have something new."""
        counts = publish_units(backbone, self.units, self.endpoint)
        if counts["published"]:
            nights = sorted({unit.split("/")[1] for unit in self.units})
            event = context["outlet_events"][raw_published_at(self.endpoint)]
            event.extra = {"published": counts["published"]}
            event.add_partitions(nights)
        else:
            self.outlets = []  # Airflow reports a change of each outlet of a task that succeeds
        return counts
