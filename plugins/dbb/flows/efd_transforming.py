"""Make an interval's telemetry into rows of exposures, judge them, and publish what has changed."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dbb.errors import EfdValuesRefused
from dbb.model.efd_values import EfdRow, ExposureWindow, Publication, Severity, Violation

log = logging.getLogger(__name__)


class Made(Protocol):
    """What an engine gives: rows, and what it noticed."""

    rows: list[EfdRow]
    exposures: list[ExposureWindow]


class Published(Protocol):
    """What the flow needs of the database."""

    def exposures(
        self, instrument: str, begin: dt.datetime, end: dt.datetime
    ) -> list[ExposureWindow]:
        """List the exposures that ended within an interval."""

    def changed(self, instrument: str, rows: Sequence[EfdRow]) -> list[EfdRow]:
        """Keep the rows that are not published as they are."""

    def publish(
        self,
        config: Any,
        begin: dt.datetime,
        end: dt.datetime,
        rows: Sequence[EfdRow],
        reason: str = "",
    ) -> Publication:
        """Publish what has changed, in one transaction."""

    def note_verdict(
        self, instrument: str, begin: dt.datetime, end: dt.datetime, *, blocked: bool, detail: Any
    ) -> bool:
        """Record what the expectations said."""


@dataclass(frozen=True)
class TransformPorts:
    """Hold what the flow works with.

    Parameters
    ----------
    instrument, config
        Whose telemetry, and what is made of it.
    published
        Where rows go.
    transform
        The engine.
    judge
        Holds what was made against the expectations; given the rows that would change.
    """

    instrument: str
    config: Any
    published: Published
    transform: Callable[[Sequence[ExposureWindow]], Any]
    judge: Callable[[Any, Sequence[EfdRow]], list[Violation]]


def transform_interval(
    ports: TransformPorts, begin: dt.datetime, end: dt.datetime, accept: str = ""
) -> Publication:
    """Publish the exposures that ended within ``[begin, end)``.

    Doing it again changes nothing when telemetry has not changed; late samples bring new versions of the
    exposures that they touch, and of no other.

    Parameters
    ----------
    ports, begin, end
        What to work with; the interval, in UTC.
    accept
        Why a person publishes in spite of what the expectations say; empty to obey them.

    Raises
    ------
    EfdValuesRefused
        If an expectation forbids it: the verdict is recorded, and nothing of the interval published.
    """
    exposures = ports.published.exposures(ports.instrument, begin, end)
    if not exposures:
        return Publication(0, 0, 0)
    made = ports.transform(exposures)
    changed = ports.published.changed(ports.instrument, made.rows)
    if not changed:
        return Publication(0, 0, 0)
    violations = ports.judge(made, changed)
    blocking = [each for each in violations if each.severity is Severity.BLOCK]
    blocked = bool(blocking) and not accept
    detail = {
        "accepted": accept,
        "violations": [
            {
                "severity": str(each.severity),
                "expectation": each.expectation,
                "subjects": list(each.subjects),
            }
            for each in violations
        ],
    }
    ports.published.note_verdict(ports.instrument, begin, end, blocked=blocked, detail=detail)
    if blocked:
        told = "; ".join(map(str, blocking))
        raise EfdValuesRefused.for_interval(ports.instrument, begin.isoformat(), told)
    done = ports.published.publish(ports.config, begin, end, made.rows, accept)
    log.info(
        "action=publish_efd instrument=%s begin=%s publication=%d versions=%d exposures=%d",
        ports.instrument,
        begin.isoformat(),
        done.publication_id,
        done.rows,
        done.exposures,
    )
    return done
