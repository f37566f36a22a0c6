"""The plan of a synthetic night: every exposure, what was planted, and what must become of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Fault:
    """Say what is wrong with one exposure.

    Parameters
    ----------
    kind
        A name of the catalogue, ``flipped-bit``.
    files
        The names of the files concerned, below the night's root.
    detectors
        Full names of the detectors concerned.
    code
        The stable code under which the backbone must show it; empty where it must stay silent.
    outcome
        What must become of it, in words.
    remedy
        ``deliver_late`` or ``resend_good``: what brings the rest; empty where nothing does.
    """

    kind: str
    files: tuple[str, ...]
    detectors: tuple[str, ...]
    code: str
    outcome: str
    remedy: str


@dataclass(frozen=True, slots=True)
class PlannedExposure:
    """Describe one exposure of the night.

    Parameters
    ----------
    unit
        ``INSTRUMENT/DAY_OBS/OBS_ID``.
    image_type, physical_filter
        As the header has them.
    detectors
        How many the camera announces.
    fault
        What is wrong with it, or None.
    """

    unit: str
    image_type: str
    physical_filter: str
    detectors: int
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class NightPlan:
    """Describe a night; the same plan makes the same bytes again.

    Parameters
    ----------
    root
        The folder that stands for the camera's store.
    day_obs, seed, pixels, amplifiers
        As they were asked for.
    counts
        Exposures by instrument.
    only_detectors
        The detectors that take part; empty for all.
    exposures
        The exposures in the order in which they are taken.
    """

    root: str
    day_obs: int
    seed: int
    pixels: int
    amplifiers: int
    counts: dict[str, int]
    only_detectors: tuple[str, ...] = ()
    exposures: tuple[PlannedExposure, ...] = field(default=())

    @property
    def faults(self) -> dict[str, Fault]:
        """Give the faults by unit."""
        return {planned.unit: planned.fault for planned in self.exposures if planned.fault}

    @property
    def clean(self) -> list[str]:
        """List the units with no fault."""
        return [planned.unit for planned in self.exposures if planned.fault is None]

    def to_json(self) -> dict[str, Any]:
        """Give the plan as a JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read a plan."""
        exposures = tuple(_exposure(planned) for planned in document["exposures"])
        only = tuple(document["only_detectors"])
        return cls(**{**document, "only_detectors": only, "exposures": exposures})

    def save(self, path: Path) -> None:
        """Write the plan to a file."""
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n", "ascii")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a plan from a file."""
        return cls.from_json(json.loads(path.read_text("ascii")))


def _exposure(document: dict[str, Any]) -> PlannedExposure:
    fault = document["fault"]
    if fault is not None:
        files, detectors = tuple(fault["files"]), tuple(fault["detectors"])
        fault = Fault(**{**fault, "files": files, "detectors": detectors})
    return PlannedExposure(**{**document, "fault": fault})
