"""The steps from archived telemetry to values by exposure: plan, make, send, load, compare."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.exceptions import AirflowSkipException

from dbb.errors import DbbError, DecisionImpossible, SettingMissing, Transient
from dbb.flows.efd_intervals import make_intervals, plan_intervals
from dbb.flows.efd_replicating import (
    check_compared,
    compare_values,
    load_publications,
    send_publications,
)
from dbb.model.efd_interval import parse_interval
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.chunks import as_airflow_maps, cut
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

HOURS_AT_ONCE = 6
"""Intervals of one task: what judges them takes seconds to import."""
COMPARED_AT = 13
"""The hour (UTC) whose run compares the endpoints: the night is over."""
LOADING_S = 1800
"""For how long a run loads: the files of years go on in the next one, and no task runs out of its time."""


class PlanIntervals(BaseOperator):
    """Find the intervals that are to be made; give them in chunks of hours of one instrument.

    Parameters
    ----------
    begin, end
        The run's span, in ISO 8601 (UTC).
    accept_interval
        One that was refused and is to be made all the same, ``LSSTCam/2026-11-22T03``; empty for none.
    """

    template_fields: Sequence[str] = ("begin", "end", "accept_interval")

    def __init__(self, *, begin: str, end: str, accept_interval: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.begin = begin
        self.end = end
        self.accept_interval = accept_interval

    def execute(self, context: Context) -> list[list[str]]:
        """Give lists of names of intervals."""
        from dbb.wiring.efd import open_efd_transform  # noqa: PLC0415 - clients inside tasks only

        begin, end = dt.datetime.fromisoformat(self.begin), dt.datetime.fromisoformat(self.end)
        chunks: list[list[str]] = []
        accepted = [self.accept_interval] if self.accept_interval else []
        if accepted and not context["params"]["accept_reason"]:
            raise DecisionImpossible.for_refusal(self.accept_interval, "accept_reason is empty")
        for name in accepted:
            parse_interval(name)
        for instrument, ports in open_efd_transform(Settings.load(), context["run_id"]).items():
            names = [each.name for each in plan_intervals(ports, begin, end)]
            names += [name for name in accepted if name.startswith(f"{instrument}/")]
            chunks += cut(dict.fromkeys(names), HOURS_AT_ONCE)
        return as_airflow_maps(chunks)


class MakeIntervals(BaseOperator):
    """Make, judge and publish the intervals of a chunk; each costs only itself.

    Parameters
    ----------
    intervals
        Their names.
    accept_interval, accept_reason
        The one that is published although it was refused, and why; templates.
    """

    template_fields: Sequence[str] = ("intervals", "accept_interval", "accept_reason")

    def __init__(
        self,
        *,
        intervals: Sequence[str] | XComArg,
        accept_interval: str,
        accept_reason: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs | {"map_index_template": "{{ task.hours }}"})
        self.intervals: Sequence[str] = cast(Sequence[str], intervals)  # a template until it runs
        self.accept_interval = accept_interval
        self.accept_reason = accept_reason

    @property
    def hours(self) -> str:
        """Name the first and the last interval of the chunk, for the UI."""
        first, last = self.intervals[0], self.intervals[-1]
        return first if first == last else f"{first} … {last.partition('/')[2]}"

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return its counts."""
        from dbb.wiring.efd import open_efd_transform  # noqa: PLC0415 - clients inside tasks only

        parsed = [parse_interval(name) for name in self.intervals]
        (instrument,) = {name for name, _ in parsed}
        accept = {}
        if self.accept_interval in self.intervals and self.accept_reason:
            accept[parse_interval(self.accept_interval)[1]] = self.accept_reason
        ports = open_efd_transform(Settings.load(), context["run_id"])[instrument]
        return make_intervals(ports, [hour for _, hour in parsed], accept)


class SendPublications(BaseOperator):
    """Write the new publications into files, and put these into parcels for every endpoint."""

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return its counts."""
        from dbb.wiring.efd import open_efd_files  # noqa: PLC0415 - clients inside tasks only

        files = open_efd_files(Settings.load(), context["run_id"])
        return send_publications(open_for_run(context), files)


class LoadPublications(BaseOperator):
    """Load what has come to an endpoint into its database; skipped where it has none.

    Parameters
    ----------
    endpoint
        Which.
    """

    def __init__(self, *, endpoint: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.endpoint = endpoint

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; return its counts."""
        from dbb.wiring.efd import open_efd_files, open_efd_values  # noqa: PLC0415 - inside tasks only

        settings, run_id = Settings.load(), context["run_id"]
        try:
            target, _ = open_efd_values(settings, self.endpoint, run_id)
        except SettingMissing as error:
            raise AirflowSkipException(error.message) from error
        files, store = open_efd_files(settings, run_id), open_for_run(context).store(self.endpoint)
        end_s = time.monotonic() + LOADING_S
        return load_publications(
            files, self.endpoint, store, target, is_time_up=lambda: time.monotonic() > end_s
        )


class CompareValues(BaseOperator):
    """Compare what every endpoint has of telemetry and exposures with the archive's, once a day.

    Parameters
    ----------
    end
        The end of the run's span, in ISO 8601 (UTC).
    endpoints
        Which; one without a database is passed over.
    """

    template_fields: Sequence[str] = ("end",)

    def __init__(self, *, end: str, endpoints: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.end = end
        self.endpoints = endpoints

    def execute(self, context: Context) -> dict[str, int]:
        """Give by endpoint how many publications it is behind; raise what is wrong."""
        if dt.datetime.fromisoformat(self.end).hour != COMPARED_AT:
            raise AirflowSkipException(f"The run that ends after {COMPARED_AT}:00 UTC compares.")
        from dbb.wiring.base import SystemClock  # noqa: PLC0415 - inside tasks only
        from dbb.wiring.efd import open_efd_values, open_hashes  # noqa: PLC0415 - inside tasks only

        settings, run_id, clock = Settings.load(), context["run_id"], SystemClock()
        archive = open_hashes(settings, run_id)
        behind, wrong = {}, []
        for endpoint in self.endpoints:
            try:
                _, there = open_efd_values(settings, endpoint, run_id)
                found = compare_values(archive, endpoint, there, clock)
                check_compared(found)
                behind[endpoint] = found.behind
            except SettingMissing:
                continue
            except DbbError as error:  # the others are compared all the same
                log.error("action=efd-compare-values endpoint=%s reason=%s", endpoint, error)  # noqa: TRY400
                wrong.append(error)
        if wrong:  # one that is away hides no other that differs
            raise min(wrong, key=lambda error: isinstance(error, Transient))
        return behind
