"""Judge the images of a calibration group, and the products made of them.

Only what the instrument's limits speak of can be judged, and all of it is: a number without a limit
stops the flow instead of passing unseen. What an image is in itself is judged by the Great
Expectations suites; here is what only the group as a whole, or the calibration in force, can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dbb.errors import CalibrationInputsRefused, CalibrationProductRefused, PolicyUnreadable
from dbb.model.payload import CalibrationKind

RULES_SHOWN = 12
"""Findings that an error spells out; the rest is counted."""


@dataclass(frozen=True, slots=True)
class InputFacts:
    """State what an image of a group is, by its own header and pixels."""

    dataset_id: str
    exposure_id: int
    detector: int
    obs_id: str
    instrument: str
    detector_name: str
    image_type: str
    physical_filter: str
    exposure_time_s: float | None
    median_adu: float
    saturated_fraction: float
    zero_fraction: float


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """State what a product is: the numbers that its planes were measured to have."""

    detector: int
    file: str
    numbers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Range:
    """Bound a number."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Say whether the value lies within; what is no number never does."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class KindLimits:
    """Say what is expected of one kind of calibration.

    Parameters
    ----------
    image_types
        Values of ``IMGTYPE`` that make such a group, in small letters.
    exposure_time_tolerance_s
        How far exposure times of one group may lie apart.
    inputs
        Ranges for numbers of each image.
    products
        Ranges for numbers of each product.
    drift
        How far a number may lie from that of the calibration in force, either way.
    """

    image_types: tuple[str, ...]
    exposure_time_tolerance_s: float
    inputs: Mapping[str, Range]
    products: Mapping[str, Range]
    drift: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Say what is expected of an instrument's calibrations.

    Parameters
    ----------
    instrument
        Butler's name.
    saturation_adu
        From which value on a pixel is saturated.
    kinds
        What is expected of each kind.
    """

    instrument: str
    saturation_adu: float
    kinds: Mapping[CalibrationKind, KindLimits]

    def of(self, kind: CalibrationKind) -> KindLimits:
        """Give the limits of a kind.

        Raises
        ------
        PolicyUnreadable
            If there are none: nothing is accepted unjudged.
        """
        if kind not in self.kinds:
            raise PolicyUnreadable.for_file(
                f"include/calibration/{self.instrument}.yaml", f"it has no limits for a {kind}"
            )
        return self.kinds[kind]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Say which rule something breaks.

    Parameters
    ----------
    subject
        ``exposure 2026112100001 detector 94``, or the group.
    rule
        The rule, with the value and what was expected.
    """

    subject: str
    rule: str


@dataclass(frozen=True, slots=True)
class Group:
    """Say what a group of images is meant to be.

    Parameters
    ----------
    kind, instrument, physical_filter
        Which calibration; the filter is empty for all but flats.
    detectors
        The detectors that the product must have.
    """

    kind: CalibrationKind
    instrument: str
    physical_filter: str
    detectors: Sequence[int] = field(default=())


def find_input_faults(group: Group, images: Sequence[InputFacts], limits: Limits) -> list[Finding]:
    """Find what is wrong with the images as a group: filters, detectors, exposure times, doubles."""
    tolerance_s = limits.of(group.kind).exposure_time_tolerance_s
    findings = [*_missing_detectors(group, images), *_doubles(images)]
    if group.kind is CalibrationKind.FLAT:
        filters = Counter(image.physical_filter for image in images)
        if len(filters) > 1:
            common = group.physical_filter or filters.most_common(1)[0][0]
            findings += [
                Finding(_subject(image), f"its filter is {image.physical_filter!r}, not {common!r}")
                for image in images
                if image.physical_filter != common
            ]
    times = sorted(image.exposure_time_s for image in images if image.exposure_time_s is not None)
    if times:
        usual_s = times[len(times) // 2]
        findings += [
            Finding(
                _subject(image),
                f"its exposure time is {image.exposure_time_s} s, the group's {usual_s} s",
            )
            for image in images
            if image.exposure_time_s is None or abs(image.exposure_time_s - usual_s) > tolerance_s
        ]
    return sorted(findings)


def find_product_faults(
    group: Group,
    products: Sequence[ProductFacts],
    limits: Limits,
    in_force: Mapping[int, Mapping[str, float]],
) -> list[Finding]:
    """Find what is wrong with the products as a set, and against the calibrations in force.

    Parameters
    ----------
    in_force
        By detector, the same numbers of the calibration in force; empty where there is none yet.

    Raises
    ------
    PolicyUnreadable
        If the kind has no limits.
    """
    drift = limits.of(group.kind).drift
    numbers = Counter(product.detector for product in products)
    findings = [
        Finding(f"detector {detector}", "it has no product")
        for detector in sorted(set(group.detectors) - set(numbers))
    ]
    findings += [
        Finding(f"detector {detector}", f"it has {count} products, expected is {expected}")
        for detector, count in sorted(numbers.items())
        if count != (expected := int(detector in group.detectors))
    ]
    for product in products:
        before = in_force.get(product.detector)
        if before is not None:
            findings += _drifts(product, before, drift)
    return sorted(findings)


def _drifts(
    product: ProductFacts, before: Mapping[str, float], drift: Mapping[str, float]
) -> Iterator[Finding]:
    """Compare a product with the calibration in force."""
    subject = f"detector {product.detector}"
    for name, allowed in sorted(drift.items()):
        if name not in product.numbers:  # a level has another name with overscan than without
            continue
        now = product.numbers[name]
        if name not in before:
            yield Finding(subject, f"{name} cannot be compared: that in force has none")
        elif not abs(now - before[name]) <= allowed:
            yield Finding(
                subject,
                f"{name} is {now:.6g}, that in force {before[name]:.6g}: "
                f"more than {allowed:.6g} apart",
            )


def refuse_inputs(group: Group, findings: Iterable[Finding]) -> None:
    """Stop if there are findings.

    Raises
    ------
    CalibrationInputsRefused
        Naming exposures, detectors and rules.
    """
    if listed := sorted(set(findings)):
        raise CalibrationInputsRefused.for_group(_title(group), _tell(listed))


def refuse_products(group: Group, findings: Iterable[Finding]) -> None:
    """Stop if there are findings.

    Raises
    ------
    CalibrationProductRefused
        Naming detectors and rules.
    """
    if listed := sorted(set(findings)):
        raise CalibrationProductRefused.for_group(_title(group), _tell(listed))


def _missing_detectors(group: Group, images: Sequence[InputFacts]) -> list[Finding]:
    found: dict[int, set[int]] = {}
    for image in images:
        found.setdefault(image.exposure_id, set()).add(image.detector)
    wanted = set(group.detectors)
    findings = [
        Finding(f"exposure {exposure} detector {detector}", "the image is missing")
        for exposure, detectors in found.items()
        for detector in wanted - detectors
    ]
    findings += [
        Finding(f"exposure {exposure} detector {detector}", "the group has no such detector")
        for exposure, detectors in found.items()
        for detector in detectors - wanted
    ]
    return findings or ([] if images else [Finding("the group", "it has no image")])


def _doubles(images: Sequence[InputFacts]) -> list[Finding]:
    numbers = Counter(_subject(image) for image in images)
    return [
        Finding(subject, f"it is there {count} times")
        for subject, count in numbers.items()
        if count > 1
    ]


def _subject(image: InputFacts) -> str:
    return f"exposure {image.exposure_id} detector {image.detector}"


def _title(group: Group) -> str:
    return " ".join(
        word for word in (group.instrument, str(group.kind), group.physical_filter) if word
    )


def _tell(findings: Sequence[Finding]) -> str:
    told = "; ".join(f"{finding.subject}: {finding.rule}" for finding in findings[:RULES_SHOWN])
    more = len(findings) - RULES_SHOWN
    return told + (f"; and {more} more" if more > 0 else "")
