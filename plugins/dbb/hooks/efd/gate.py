"""Hold what was made of telemetry against expectations, before any of it is published.

Great Expectations judges one row for each number that matters, not every value: the lowest and highest of
each column, the samples of each exposure and topic. It takes seconds to import and is imported when
there is something to judge.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbb.documents import read_document
from dbb.errors import PolicyUnreadable
from dbb.hooks.efd.config import FOLDER, Column, TransformConfig
from dbb.hooks.efd.engine import Transformed
from dbb.hooks.expectations import Suite, validate_rows
from dbb.model.efd_values import WIDE, EfdRow, Severity, Violation
from dbb.settings import INCLUDE

NUMBERS_SUITE = INCLUDE / "expectations" / "efd_numbers.yaml"
UNITS_SUITE = INCLUDE / "expectations" / "efd_units.yaml"

NEVER_NEGATIVE = frozenset({"stddev", "rms", "rms_from_polynomial_fit", "count"})
KEYS = frozenset({"units", "topics", "misprints"})
SAMPLES_SHARE = 0.5
"""How much of what a topic's rate promises an exposure must have."""


@dataclass(frozen=True)
class Limits:
    """Say what is possible.

    Parameters
    ----------
    units
        By unit, the lowest and the highest value that can be.
    topics
        By topic, how many samples come in a second, and what it does when they do not.
    misprints
        By column whose unit the published schema misprints, the unit that it has.
    sha256
        Of the file's bytes: with other limits, what was refused is judged anew.
    """

    units: Mapping[str, tuple[float, float]]
    topics: Mapping[str, tuple[float, Severity]]
    misprints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sha256: str = ""


def load_gate(instrument: str, folder: Path = FOLDER) -> Limits:
    """Read ``gate_<instrument>.yaml``.

    Raises
    ------
    PolicyUnreadable
        If it is not there or breaks a rule.
    """
    path = folder / f"gate_{instrument.lower()}.yaml"
    document = read_document(path)
    misprints = document.setdefault("misprints", {})
    if set(document) != KEYS or not all(map(_is_mapping, document.values())):
        raise PolicyUnreadable.for_file(
            path.name, f"it has {', '.join(sorted(KEYS))}, all mappings"
        )
    if not all(isinstance(each, str) for pair in misprints.items() for each in pair):
        raise PolicyUnreadable.for_file(path.name, "misprints are units by column")
    units, topics = {}, {}
    for unit, pair in document["units"].items():
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))):
            raise PolicyUnreadable.for_file(path.name, f"{unit} is no pair of limits")
        if pair[0] > pair[1]:
            raise PolicyUnreadable.for_file(path.name, f"the limits of {unit} are the wrong way")
        units[str(unit)] = (float(pair[0]), float(pair[1]))
    for topic, given in document["topics"].items():
        good = _is_mapping(given) and set(given) == {"per_s", "otherwise"}
        if not good or not _is_number(given["per_s"]) or given["otherwise"] not in set(Severity):
            raise PolicyUnreadable.for_file(
                path.name, f"{topic} has per_s, and otherwise block|warn"
            )
        topics[str(topic)] = (float(given["per_s"]), Severity(given["otherwise"]))
    return Limits(units, topics, misprints, hashlib.sha256(path.read_bytes()).hexdigest())


class Gate:
    """Judge what was made of an interval.

    Parameters
    ----------
    config
        What was made.
    limits
        What is possible.
    """

    def __init__(self, config: TransformConfig, limits: Limits) -> None:
        self._config = config
        self._limits = limits

    def judge(
        self,
        made: Transformed,
        changed: Sequence[EfdRow],
        before: Mapping[int, Mapping[str, int]],
    ) -> list[Violation]:
        """Find what does not hold.

        Parameters
        ----------
        made
            What was made of the interval.
        changed
            The rows that would be published.
        before
            By exposure and topic, the samples of what is published now. Fewer than that means that
            the source has lost some: it never replaces what is published by itself.
        """
        rows = [
            *self._values(changed),
            *self._samples(made, changed, before),
            *(
                _row(f"steps back in time of {topic}", float(number), 0.0, 0.0)
                for topic, number in sorted(made.steps_back.items())
            ),
        ]
        severities = {row["unit"]: row.pop("severity") for row in rows}
        violations = _judge(NUMBERS_SUITE, rows, severities)
        units = list(self._units(made))
        return violations + _judge(UNITS_SUITE, units, {})

    def _values(self, changed: Sequence[EfdRow]) -> Iterator[dict[str, Any]]:
        seen: dict[str, list[float]] = {}
        for row in changed:
            for field, value in row.values.items():
                if value is not None:
                    seen.setdefault(row.property or field, []).append(value)
        for column in self._config.columns:
            values = seen.get(column.name)
            limits = self._of(column)
            if values and limits:
                yield _row(f"{column.name}: lowest", min(values), *limits)
                yield _row(f"{column.name}: highest", max(values), *limits)

    def _of(self, column: Column) -> tuple[float, float] | None:
        if column.function in NEVER_NEGATIVE:
            return 0.0, math.inf
        if column.function in {"sum", "logical_and", "logical_or"}:
            return None
        return self._limits.units.get(self._unit_of(column))

    def _unit_of(self, column: Column) -> str:
        return self._limits.misprints.get(column.name, column.ivoa.unit)

    def _samples(
        self,
        made: Transformed,
        changed: Sequence[EfdRow],
        before: Mapping[int, Mapping[str, int]],
    ) -> Iterator[dict[str, Any]]:
        lasting = {
            each.exposure_id: (each.end - each.begin).total_seconds() for each in made.exposures
        }
        for row in changed:
            if row.property != WIDE:
                continue
            for topic, number in sorted(row.samples.items()):
                per_s, severity = self._limits.topics.get(topic, (0.0, Severity.WARN))
                needed = math.floor(SAMPLES_SHARE * per_s * lasting[row.exposure_id])
                subject = f"samples of {topic} in exposure {row.exposure_id}"
                if needed:
                    yield _row(subject, float(number), float(needed), math.inf, severity)
                had = before.get(row.exposure_id, {}).get(topic, 0)
                if had:
                    yield _row(f"{subject} since published", float(number), float(had), math.inf)

    def _units(self, made: Transformed) -> Iterator[dict[str, Any]]:
        for column in self._config.columns:
            for field in column.fields:
                told = made.units.get((column.topic, field))
                is_value = column.function not in {"count", "logical_and", "logical_or"}
                if told is not None and self._unit_of(column) and is_value:
                    yield {
                        "unit": f"{column.name} of {field}",
                        "unit_of_samples": told,
                        "unit_of_column": self._unit_of(column),
                    }


def _row(
    subject: str, value: float, low: float, high: float, severity: Severity = Severity.BLOCK
) -> dict[str, Any]:
    return {"unit": subject, "value": value, "low": low, "high": high, "severity": severity}


def _judge(
    suite: Path, rows: list[dict[str, Any]], severities: Mapping[str, Severity]
) -> list[Violation]:
    if not rows:
        return []
    failed = validate_rows(Suite.load(suite), rows, {}, suite)
    found = []
    for title, subjects in failed.items():
        for severity in Severity:
            some = [s for s in subjects if severities.get(s, Severity.BLOCK) is severity]
            if some:
                found.append(Violation(severity, title, tuple(some)))
    return found


def _is_mapping(value: object) -> bool:
    return isinstance(value, dict)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
