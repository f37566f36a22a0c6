"""Which detectors lack images, counted by detector: of an exposure, or of all exposures of a night."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from dbb.flows.standing import Line
from dbb.model.instrument import Instrument
from dbb.model.quarantine import Refusal


def count_lacking(lines: Iterable[Line]) -> dict[str, dict[str, int]]:
    """Count, by instrument and detector, the bundles that were made without its image."""
    found: dict[str, Counter[str]] = {}
    for line in lines:
        if line.missing:
            found.setdefault(line.instrument, Counter()).update(line.missing)
    return {name: dict(sorted(counts.items())) for name, counts in sorted(found.items())}


def count_refused(
    refusals: Iterable[Refusal], instruments: Mapping[str, Instrument]
) -> dict[str, dict[str, int]]:
    """Count, by instrument and detector, the refused files that are an image of it."""
    found: dict[str, Counter[str]] = {}
    for item in refusals:
        instrument = instruments.get(item.unit.partition("/")[0])
        if instrument is None:
            continue
        for suffix, detector in instrument.by_suffix.items():
            if item.name.endswith(f"_{suffix}"):
                found.setdefault(instrument.name, Counter())[detector.full_name] += 1
    return {name: dict(sorted(counts.items())) for name, counts in sorted(found.items())}
