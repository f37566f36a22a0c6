"""What is measured, under names that stay: for dashboards, by whatever carries metrics.

Airflow measures its own tasks; these say how the survey's data fare. All are gauges.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dbb.flows.alarming import AlarmRows
from dbb.flows.backbone import Backbone
from dbb.flows.buffers import BufferRows, measure_buffers
from dbb.flows.canary import CanaryRows
from dbb.flows.lag import Lag
from dbb.flows.night import night_report
from dbb.model.day_obs import DayObs
from dbb.model.endpoint import Endpoint
from dbb.model.loss import LossAccount

NAMES = {
    "dbb.deliveries": "deliveries by endpoint and state",
    "dbb.deliveries_bytes": "their bytes",
    "dbb.waiting_exposures": "exposures that an endpoint does not serve yet",
    "dbb.waiting_oldest_seconds": "since when the oldest of them waits, from its last file on",
    "dbb.lag_seconds": "from an exposure's last file to its publication, tonight; quantile 0.5, 0.95, 1",
    "dbb.quarantine_held": "what waits for a decision, by code",
    "dbb.alarms_open": "open alarms, by code",
    "dbb.buffer_used_ratio": "used part of a buffer in Chile, 0 to 1",
    "dbb.buffer_hours_left": "hours until it is full with nothing released",
    "dbb.loss_images": "raw images recorded",
    "dbb.loss_lost": "lost ones",
    "dbb.loss_suspected": "those that are published nowhere and no longer lie at the source",
    "dbb.loss_allowed": "how many may be lost",
    "dbb.canary_age_seconds": "since the last canary began",
    "dbb.canary_is_through": "1 if the last one that ended came through, else 0",
}
"""Every name, and what it measures."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Hold one measured value."""

    name: str
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Count:
    """Count the deliveries of an endpoint in one state, and their bytes."""

    endpoint: str
    state: str
    units: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Count what an endpoint does not serve yet, and say since when the oldest waits."""

    endpoint: str
    units: int
    since_at: dt.datetime


class MetricRows(Protocol):
    """Count in the ledger's database."""

    def deliveries(self) -> list[Count]:
        """Count by endpoint and state."""

    def held(self) -> dict[str, int]:
        """Count what waits for a decision, by code."""

    def waiting(self, source: str) -> list[Waiting]:
        """By endpoint, what it does not serve yet."""


@dataclass(frozen=True)
class Meters:
    """Hold what measures."""

    backbone: Backbone
    rows: MetricRows
    alarms: AlarmRows
    buffers: BufferRows
    canaries: CanaryRows
    account: LossAccount
    endpoints: Iterable[Endpoint]


def measure(meters: Meters) -> list[Metric]:
    """Measure everything once."""
    now = meters.backbone.clock.now()
    return [
        *_deliveries(meters, now),
        *_quantiles(night_report(meters.backbone, DayObs.at(now)).lags),
        *_decisions(meters),
        *_buffers(meters),
        *_losses(meters.account),
        *_canary(meters.canaries, now),
    ]


def _deliveries(meters: Meters, now: dt.datetime) -> Iterable[Metric]:
    for count in meters.rows.deliveries():
        tags = {"endpoint": count.endpoint, "state": count.state}
        yield Metric("dbb.deliveries", count.units, tags)
        yield Metric("dbb.deliveries_bytes", count.size_bytes, tags)
    waiting = {each.endpoint: each for each in meters.rows.waiting(meters.backbone.policy.source)}
    for endpoint in (meters.backbone.policy.source, *meters.backbone.policy.publishers):
        found = waiting.get(endpoint)
        tags = {"endpoint": endpoint}
        age_s = (now - found.since_at).total_seconds() if found else 0
        yield Metric("dbb.waiting_exposures", found.units if found else 0, tags)
        yield Metric("dbb.waiting_oldest_seconds", age_s, tags)


def _quantiles(lags: Iterable[Lag]) -> Iterable[Metric]:
    for lag in lags:
        for quantile, seconds in (("0.5", lag.p50_s), ("0.95", lag.p95_s), ("1", lag.max_s)):
            tags = {"endpoint": lag.endpoint, "quantile": quantile}
            yield Metric("dbb.lag_seconds", seconds, tags)


def _decisions(meters: Meters) -> Iterable[Metric]:
    for code, number in meters.rows.held().items():
        yield Metric("dbb.quarantine_held", number, {"code": code})
    codes = [alarm.code for alarm in meters.alarms.open_alarms()]
    for code in sorted(set(codes)):
        yield Metric("dbb.alarms_open", codes.count(code), {"code": code})


def _buffers(meters: Meters) -> Iterable[Metric]:
    for buffer in measure_buffers(meters.backbone, meters.buffers, meters.endpoints):
        tags = {"endpoint": buffer.endpoint}
        yield Metric("dbb.buffer_used_ratio", buffer.used, tags)
        if buffer.hours_left is not None:
            yield Metric("dbb.buffer_hours_left", buffer.hours_left, tags)


def _losses(account: LossAccount) -> Iterable[Metric]:
    yield Metric("dbb.loss_images", account.images)
    yield Metric("dbb.loss_lost", account.lost)
    yield Metric("dbb.loss_suspected", account.suspected)
    yield Metric("dbb.loss_allowed", account.allowed)


def _canary(rows: CanaryRows, now: dt.datetime) -> Iterable[Metric]:
    newest = rows.newest(2)
    if newest:
        yield Metric("dbb.canary_age_seconds", (now - newest[0].begun_at).total_seconds())
    for canary in [each for each in newest if each.ended_at is not None][:1]:
        yield Metric("dbb.canary_is_through", float(canary.outcome == "through"))


def exposition(metrics: Iterable[Metric]) -> str:
    """Write metrics in the text form of Prometheus (version 0.0.4)."""
    lines: list[str] = []
    by_name: dict[str, list[Metric]] = {}
    for metric in metrics:
        by_name.setdefault(metric.name, []).append(metric)
    for name, values in by_name.items():
        plain = name.replace(".", "_")
        lines += [f"# HELP {plain} {NAMES[name]}", f"# TYPE {plain} gauge"]
        for each in values:
            tags = ",".join(f'{key}="{_escape(value)}"' for key, value in each.tags.items())
            lines.append(
                f"{plain}{{{tags}}} {float(each.value)!r}"
                if tags
                else f"{plain} {float(each.value)!r}"
            )
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
