"""The steps of the Large File Annex: look, copy, seal into parcels; and those that look elsewhere."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from dbb.flows.lfa_copying import copy_objects, find_objects
from dbb.flows.lfa_efd import ask_efd, ask_window
from dbb.flows.lfa_listing import list_bucket, list_day
from dbb.flows.lfa_sealing import open_units, seal_parcels
from dbb.model.day_obs import DayObs
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.chunks import as_airflow_maps, cut
from dbb.settings import Settings
from dbb.triggers.annex import AnnexTrigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone
    from dbb.flows.lfa import Annex

log = logging.getLogger(__name__)

OBJECTS_IN_A_TASK = 50


def open_annex() -> Annex:
    """Open the annex; clients are imported inside tasks only."""
    from dbb.wiring.annex import open_annex as wired  # noqa: PLC0415

    return wired(Settings.load())


def announced_objects() -> Asset:
    """Give the asset that changes when objects are announced."""
    return Asset(
        name="objects announced",
        uri="x-dbb://lfa/announced",
        watchers=[AssetWatcher(name="announced objects", trigger=AnnexTrigger())],
    )


def current_days(backbone: Backbone) -> list[DayObs]:
    """Name yesterday and today."""
    now = backbone.clock.now()
    return [DayObs.at(now - dt.timedelta(days=1)), DayObs.at(now)]


class LookForObjects(BaseOperator):
    """Find the objects to copy; list the days' folders, which finds those that no event told of.

    A run that was woken by an event lists nothing: the clock's runs do.

    Parameters
    ----------
    day_obs
        The day to list; nothing for today and yesterday.
    """

    template_fields: Sequence[str] = ("day_obs",)

    def __init__(self, *, day_obs: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.day_obs = day_obs

    def execute(self, context: Context) -> list[list[str]]:
        """Give the chunks: lists of keys."""
        annex = open_annex()
        backbone = open_for_run(context)
        days = [DayObs.parse(self.day_obs)] if self.day_obs else current_days(backbone)
        if self.day_obs or not is_woken(context):
            for day in days:
                list_day(annex, day)
        keys = find_objects(annex)
        log.info("action=look-for-objects objects=%d", len(keys))
        return as_airflow_maps(cut(keys, OBJECTS_IN_A_TASK))


def is_woken(context: Context) -> bool:
    """Say whether an event has started the run, and not the clock or a person."""
    run_type = context["dag_run"].run_type
    return str(getattr(run_type, "value", run_type)) == "asset_triggered"


class ListTheBucket(BaseOperator):
    """Note every object of the bucket, of whatever day and folder."""

    def execute(self, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow."""
        return list_bucket(open_annex())


class AskTheEfd(BaseOperator):
    """Note the objects of which the EFD tells.

    Parameters
    ----------
    day_obs
        The day to ask for; nothing for what is new since a day before the last asking.
    """

    template_fields: Sequence[str] = ("day_obs",)

    def __init__(self, *, day_obs: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.day_obs = day_obs

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; skipped where there is no EFD."""
        from dbb.wiring.annex import open_efd, open_objects  # noqa: PLC0415 - inside tasks only

        settings = Settings.load()
        efd = open_efd(settings)
        if efd is None:
            raise AirflowSkipException("DBB_EFD_URL is not set: there is no EFD to ask.")
        if self.day_obs:
            day = DayObs.parse(self.day_obs)
            return ask_window(open_annex(), efd, day.begin, day.end)
        now = open_for_run(context).clock.now()
        return ask_efd(open_annex(), efd, open_objects(settings), now)


class CopyObjects(BaseOperator):
    """Copy objects to the archive under their own names, compute what they are, read them back.

    Parameters
    ----------
    keys
        The objects of a chunk.
    """

    template_fields: Sequence[str] = ("keys",)

    def __init__(self, *, keys: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs | {"map_index_template": "{{ task.keys[0] }} and on"})
        self.keys = keys

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow."""
        return copy_objects(open_for_run(context), open_annex(), self.keys)


class SealIntoParcels(BaseOperator):
    """Put the objects that were copied into parcels."""

    def execute(self, context: Context) -> list[str]:
        """Give the parcels that the archive has not published; with none, the rest is skipped."""
        backbone = open_for_run(context)
        seal_parcels(backbone, open_annex())
        units = open_units(backbone)
        if not units:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return units
