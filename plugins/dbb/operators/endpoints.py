"""The steps at an endpoint: look for the copies, publish them, wait until all are published."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.copies import count_copies, look_for_copies
from dbb.flows.inbox import take_hints
from dbb.flows.publishing import publish_units
from dbb.model.kind import Kind
from dbb.operators.backbone_operator import ChunkOperator, open_for_run
from dbb.operators.chunks import as_airflow_maps, cut
from dbb.triggers.copies import CopiesTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)


def raw_published_at(endpoint: str) -> Asset:
    """Give the asset that changes, by ``day_obs``, when exposures are published at an endpoint.

    The scheme's ``x-`` keeps Airflow from importing the handlers of every provider, which would
    cost each task 0.3 CPU-seconds.
    """
    return Asset(name=f"raw published at {endpoint}", uri=f"x-dbb://{endpoint}/raw/published")


def parcels_published_at(endpoint: str) -> Asset:
    """Give the asset that changes when products or permanent files are published at an endpoint."""
    return Asset(
        name=f"parcels published at {endpoint}", uri=f"x-dbb://{endpoint}/parcels/published"
    )


class WaitForCopies(ChunkOperator):
    """Wait until the copies are published where they are wanted, without holding a worker.

    The DAGs of the endpoints publish them. It never fails for copies that do not come: what is
    there is enough or not for what follows, the rest is the next run's.

    Parameters
    ----------
    patience_s
        Longest time to wait; a number or a template of one.
    """

    template_fields: Sequence[str] = ("units", "patience_s")
    action = "wait-for-copies"

    def __init__(self, *, patience_s: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience_s = patience_s

    def execute(self, context: Context) -> dict[str, int]:
        """Look once; hand the waiting to the triggerer if something is missing."""
        counts = self.work(open_for_run(context), context)
        patience = dt.timedelta(seconds=int(self.patience_s))
        if counts["waiting"] and patience:
            until = dt.datetime.now(dt.UTC) + patience
            self.defer(
                trigger=CopiesTrigger(units=list(self.units), until=until.isoformat()),
                method_name="go_on",
            )
        self.tell(counts)
        return counts

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Count the chunk's copies by whether they are published."""
        return count_copies(backbone, self.units)

    def go_on(self, context: Context, event: dict[str, int]) -> dict[str, int]:  # noqa: ARG002
        """Tell how far the copies are."""
        self.tell(event)
        return event


class LookForCopies(BaseOperator):
    """Find what an endpoint can publish now, and see to the copies that do not come.

    A run that events woke looks at the units that they tell of; one of the clock looks at all.

    Parameters
    ----------
    endpoint
        The endpoint.
    """

    def __init__(self, *, endpoint: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint

    def execute(self, context: Context) -> list[list[str]]:
        """Give the chunks: lists of names of units. With nothing to do, all later steps are skipped."""
        backbone = open_for_run(context)
        hinted, events = take_hints(backbone, self.endpoint)
        was_woken = str(context["dag_run"].run_type) == "asset_triggered"
        look = look_for_copies(backbone, self.endpoint, hinted if was_woken and hinted else None)
        backbone.inbox.settle(events)
        for reason, number in Counter(look.waiting.values()).most_common(10):
            log.info("action=look-for-copies waiting=%d reason=%s", number, reason)
        chunks = cut(look.work, backbone.policy.chunk_exposures)
        if not chunks:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return as_airflow_maps(chunks)


class PublishAtEndpoint(ChunkOperator):
    """Re-read what came to an endpoint, have its Butler serve it, and say so last.

    Parameters
    ----------
    endpoint
        Where to publish.
    """

    action = "publish"

    def __init__(self, *, endpoint: str, **kwargs: Any) -> None:
        outlets = [raw_published_at(endpoint), parcels_published_at(endpoint)]
        super().__init__(outlets=outlets, **kwargs)
        self.endpoint = endpoint

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:
        """Call the flow; tell the followers of the endpoint which nights or parcels are new."""
        counts = publish_units(backbone, self.units, self.endpoint)
        scopes = {kind.scope for kind in Kind} - {Kind.RAW.scope}
        parcels = [unit for unit in self.units if unit.split("/")[0] in scopes]
        nights = sorted({unit.split("/")[1] for unit in set(self.units) - set(parcels)})
        # Airflow reports a change of each outlet that a task which succeeds has in the end.
        self.outlets = []
        if counts["published"] and nights:
            event = context["outlet_events"][raw_published_at(self.endpoint)]
            event.extra = {"published": counts["published"]}
            event.add_partitions(nights)
            self.outlets.append(raw_published_at(self.endpoint))
        if counts["published"] and parcels:
            self.outlets.append(parcels_published_at(self.endpoint))
        return counts
