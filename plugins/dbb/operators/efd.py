"""The steps of the archive of the Engineering and Facilities Database: expect, compare, extract, archive."""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from dbb.errors import SettingMissing
from dbb.flows.efd_archiving import expect_hours, extract_open_cells, find_late_points
from dbb.flows.efd_sealing import seal_hours
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone
    from dbb.flows.efd import Efd


def archived(instrument: str) -> Asset:
    """Give the asset that changes when hours of an instrument's topics are archived."""
    return Asset(name=f"efd/{instrument}", uri=f"x-dbb://efd/{instrument}")


class EfdOperator(BaseOperator):
    """Open the extraction and do one step for a span of hours; skipped where there is no EFD.

    Parameters
    ----------
    begin, end
        The span, in ISO 8601 (UTC): templates of the run's interval.
    """

    template_fields: Sequence[str] = ("begin", "end")

    def __init__(self, *, begin: str, end: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.begin = begin
        self.end = end

    @property
    def span(self) -> tuple[dt.datetime, dt.datetime]:
        """Give the span."""
        return dt.datetime.fromisoformat(self.begin), dt.datetime.fromisoformat(self.end)

    def execute(self, context: Context) -> dict[str, Any]:
        """Call the flow; return its counts."""
        from dbb.wiring.efd import open_efd_extraction  # noqa: PLC0415 - inside tasks only

        settings, backbone = Settings.load(), open_for_run(context)
        try:
            settings.value("DBB_EFD_URL")
        except SettingMissing as error:
            raise AirflowSkipException("DBB_EFD_URL is not set: there is no EFD.") from error
        efd = open_efd_extraction(settings, backbone, context["run_id"])
        return self.work(backbone, efd, context)

    @abstractmethod
    def work(self, backbone: Backbone, efd: Efd, context: Context) -> dict[str, Any]:
        """Call the flow."""


class ExpectHours(EfdOperator):
    """Open the hours of the span, and every hole that the ledger has in the last days."""

    def work(self, backbone: Backbone, efd: Efd, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Call the flow."""
        return {"opened": expect_hours(efd, *self.span)}


class FindLatePoints(EfdOperator):
    """Open the hours before the span's end that have other points than when they were extracted.

    Parameters
    ----------
    look_back_h
        How many hours back; a number or a template of one.
    """

    template_fields: Sequence[str] = (*EfdOperator.template_fields, "look_back_h")

    def __init__(self, *, look_back_h: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.look_back_h = look_back_h

    def work(self, backbone: Backbone, efd: Efd, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Call the flow."""
        begin, end = self.span
        return find_late_points(efd, begin - dt.timedelta(hours=int(self.look_back_h)), end)


class ExtractOpenHours(EfdOperator):
    """Extract the hours that are open, of the span and before it, the newest first.

    Parameters
    ----------
    limit_s
        How long to go on; a number or a template of one.
    """

    template_fields: Sequence[str] = (*EfdOperator.template_fields, "limit_s")

    def __init__(self, *, limit_s: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit_s = limit_s

    def work(self, backbone: Backbone, efd: Efd, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Call the flow."""
        first = efd.cells.first() or self.span[0]
        limit = dt.timedelta(seconds=int(self.limit_s))
        return extract_open_cells(efd, first, self.span[1], limit=limit)


class ArchiveHours(EfdOperator):
    """Put the new files into parcels, and tell who waits for an instrument's hours."""

    def work(self, backbone: Backbone, efd: Efd, context: Context) -> dict[str, Any]:
        """Call the flow."""
        units = seal_hours(backbone, efd)
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"begin": self.begin, "end": self.end}
        return {"parcels": len(units)}
