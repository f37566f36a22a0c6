"""The nine consistency rules that Rubin publishes for its Consolidated Database, by their published names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dbb.model.finding import Discrepancy
from dbb.model.instrument import Instrument


class RuleSeverity(StrEnum):
    """Say what a broken rule means."""

    ERROR = "error"
    """Rows contradict each other: queries that join them answer wrongly."""
    WARNING = "warning"
    """A pipeline's rows are not there, or some are that should not be."""


class RuleState(StrEnum):
    """How a rule stands for an instrument and a night; each member states what is then true."""

    HOLDS = "holds"
    """Every exposure keeps it."""
    BROKEN = "broken"
    """Some exposure does not."""
    NOT_DELIVERED = "not-delivered"
    """Nobody ever delivered a row of the table that it asks for: it cannot be judged."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Name a rule.

    Parameters
    ----------
    kind
        Its published name, which is that of its SQL and of its findings.
    severity
        What a broken one means.
    needs
        The table whose rows must have been delivered once; empty where it can always be judged.
    """

    kind: Discrepancy
    severity: RuleSeverity
    needs: str = ""


_D, _E, _W = Discrepancy, RuleSeverity.ERROR, RuleSeverity.WARNING
RULES = (
    Rule(_D.CCDEXPOSURE_COMPLETENESS, _E),
    Rule(_D.EXPOSURE_ID_ENCODING, _E),
    Rule(_D.CCDEXPOSURE_KEY_AGREEMENT, _E),
    Rule(_D.NO_GUIDER_PRODUCTS, _E),
    Rule(_D.EXPOSURE_QUICKLOOK_COVERAGE, _W, "exposure_quicklook"),
    Rule(_D.VISIT1_QUICKLOOK_COVERAGE, _W, "visit1_quicklook"),
    Rule(_D.CCDEXPOSURE_QUICKLOOK_COVERAGE, _W, "ccdexposure_quicklook"),
    Rule(_D.CCDVISIT1_QUICKLOOK_COVERAGE, _W, "ccdvisit1_quicklook"),
    Rule(_D.NO_CALIBRATION_SCIENCE_PRODUCTS, _W),
)

_OF_ONE_DETECTOR = {
    _D.CCDEXPOSURE_COMPLETENESS,
    _D.EXPOSURE_ID_ENCODING,
    _D.CCDEXPOSURE_KEY_AGREEMENT,
    _D.EXPOSURE_QUICKLOOK_COVERAGE,
}
"""The rules that are published for a camera of one detector."""


def rules_of(instrument: Instrument) -> tuple[Rule, ...]:
    """List the rules that are published for a camera like this."""
    if len(instrument.detectors) == 1:
        return tuple(rule for rule in RULES if rule.kind in _OF_ONE_DETECTOR)
    return RULES


def rule_parameters(instrument: Instrument) -> dict[str, Any]:
    """Say what a rule's SQL must know of a camera.

    Measured are the science detectors, and of each pair of wavefront sensors the one that is
    named first: 193 of LSSTCam.
    """
    by_purpose: Mapping[str, Sequence[int]] = {
        purpose: [each.id for each in instrument.detectors if each.purpose == purpose]
        for purpose in ("SCIENCE", "WAVEFRONT", "GUIDER")
    }
    ids = [each.id for each in instrument.detectors]
    science = [*by_purpose["SCIENCE"]]
    imaging = [*science, *by_purpose["WAVEFRONT"]]
    halves = [each.id for each in instrument.detectors if each.name_in_raft == "SW0"]
    many = ["science", "acq", "cwfs", "focus", "engtest"]
    return {
        "instrument": instrument.name,
        "detectors": len(ids),
        "first_detector": min(ids),
        "last_detector": max(ids),
        "guiders": by_purpose["GUIDER"],
        "on_sky": ["science"] if len(ids) == 1 else many,
        "imaging": imaging,
        "imaging_detectors": len(imaging),
        "science": science,
        "science_detectors": len(science),
        "measured": [*science, *halves],
        "measured_detectors": len(science) + len(halves),
    }


@dataclass(frozen=True, slots=True)
class RuleResult:
    """Say how a rule stands for an instrument and a night.

    Parameters
    ----------
    rule, instrument, day_obs, state
        Which, and how.
    broken
        By exposure (its unit), what is wrong.
    """

    rule: Rule
    instrument: str
    day_obs: int
    state: RuleState
    broken: Mapping[str, str]

    def __str__(self) -> str:
        """Say how many exposures break the rule, and what is wrong with the first."""
        unit, detail = min(self.broken.items(), default=("", ""))
        return f"{self.rule.kind} by {len(self.broken)} of {self.instrument}, {unit}: {detail}"

    def to_json(self) -> dict[str, Any]:
        """Give the result as it stands in a document."""
        return {
            "rule": str(self.rule.kind),
            "severity": str(self.rule.severity),
            "instrument": self.instrument,
            "day_obs": self.day_obs,
            "state": str(self.state),
            "exposures": [
                {"unit": unit, "detail": detail} for unit, detail in sorted(self.broken.items())
            ],
        }
