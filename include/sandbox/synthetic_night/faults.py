"""The catalogue of faults: what a camera, a network or a person does to an exposure's files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dbb.hooks.fits_structure import read_units
from dbb.model.instrument import Detector
from sandbox.synthetic_night.camera import Exposure
from sandbox.synthetic_night.plan import Fault


class Kind(StrEnum):
    """What can be wrong with an exposure."""

    MISSING_DETECTOR = "missing-detector"
    """One detector's image and document never come."""
    TRUNCATED = "truncated"
    """An image ends too early."""
    FLIPPED_BIT = "flipped-bit"
    """One bit of an image's pixels is wrong."""
    WRONG_HEADER = "wrong-header"
    """Another detector's image lies under this one's name."""
    DUPLICATE = "duplicate"
    """The whole exposure comes a second time, the same."""
    CONFLICTING_DUPLICATE = "conflicting-duplicate"
    """One image comes a second time with other bytes, good in themselves."""
    LATE = "late"
    """Some detectors come only after everything else."""
    UNEXPECTED_FILE = "unexpected-file"
    """There is one file more, of a detector that does not exist."""
    UNSAFE_NAME = "unsafe-name"
    """There is one file more, whose name no shell should see."""
    BROKEN_DOCUMENT = "broken-document"
    """A header document is no JSON."""
    BROKEN_SENSORS = "broken-sensors"
    """The list of expected sensors is no JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe one kind of fault: see `Fault` for the words."""

    code: str
    outcome: str
    remedy: str
    detectors: int = 1


_HELD = (
    "The file is refused and held, the exposure waits without that detector; the good copy that "
    "is sent again goes through."
)
_STRANGER = "The extra file is refused and held; the exposure goes through whole."

CATALOGUE: dict[Kind, Entry] = {
    Kind.MISSING_DETECTOR: Entry(
        "incomplete-exposure", "It is published without the detector, which is named missing.", ""
    ),
    Kind.TRUNCATED: Entry("truncated-file", _HELD, "resend_good"),
    Kind.FLIPPED_BIT: Entry("fits-checksum-mismatch", _HELD, "resend_good"),
    Kind.WRONG_HEADER: Entry("identity-mismatch", _HELD, "resend_good"),
    Kind.DUPLICATE: Entry("", "Nothing happens: the exposure is there once.", "deliver_late", 0),
    Kind.CONFLICTING_DUPLICATE: Entry(
        "conflicting-duplicate", "The first copy stays; the second is held.", "deliver_late"
    ),
    Kind.LATE: Entry(
        "", "The exposure waits; the late detectors make it whole or travel as its second part.",
        "deliver_late", 3,
    ),
    Kind.UNEXPECTED_FILE: Entry("unexpected-file", _STRANGER, "", 0),
    Kind.UNSAFE_NAME: Entry("unsafe-name", _STRANGER, "", 0),
    Kind.BROKEN_DOCUMENT: Entry("bad-document", _HELD, "resend_good"),
    Kind.BROKEN_SENSORS: Entry(
        "bad-document", "The list is refused and held; the good one that is sent again counts.",
        "resend_good", 0,
    ),
}  # fmt: skip

RESENT = frozenset(kind for kind, entry in CATALOGUE.items() if entry.remedy == "resend_good")


def choose(kind: Kind, exposure: Exposure, rng: random.Random) -> Fault:
    """Choose the detectors of an exposure that a fault befalls, and say what must follow."""
    entry = CATALOGUE[kind]
    science = [d for d in exposure.detectors if d.purpose != "GUIDER"] or exposure.detectors
    hit = rng.sample(list(science), min(entry.detectors, len(science)))
    stem = f"{exposure.unit}/{exposure.shot.obs_id}"
    images = tuple(exposure.image_name(detector) for detector in hit)
    documents = tuple(exposure.document_name(detector) for detector in hit)
    files = {
        Kind.DUPLICATE: (),
        Kind.UNEXPECTED_FILE: (f"{stem}_R99_S99.fits",),
        Kind.UNSAFE_NAME: (f"{stem}_R22 S11;echo $HOME.fits",),
        Kind.BROKEN_SENSORS: (exposure.sensors_name,),
        Kind.BROKEN_DOCUMENT: documents,
        Kind.LATE: images + documents,
        Kind.MISSING_DETECTOR: images + documents,
    }.get(kind, images)
    names = tuple(detector.full_name for detector in hit)
    return Fault(str(kind), files, names, entry.code, entry.outcome, entry.remedy)


def arriving(exposure: Exposure, fault: Fault | None, seed: int) -> Iterator[tuple[str, bytes]]:
    """Make the files of an exposure as they arrive first, fault and all."""
    if fault is None or fault.kind in (Kind.DUPLICATE, Kind.CONFLICTING_DUPLICATE):
        yield from exposure.files()
        return
    for name, data in exposure.files():
        if name not in fault.files:
            yield name, data
        elif fault.kind not in (Kind.LATE, Kind.MISSING_DETECTOR):
            yield name, _damage(exposure, fault, name, data, seed)
    if fault.kind in (Kind.UNEXPECTED_FILE, Kind.UNSAFE_NAME):
        yield fault.files[0], exposure.image(exposure.detectors[0])


def arriving_late(exposure: Exposure, fault: Fault) -> Iterator[tuple[str, bytes]]:
    """Make the files that arrive after everything else."""
    if fault.kind == Kind.DUPLICATE:
        yield from exposure.files()
    elif fault.kind == Kind.CONFLICTING_DUPLICATE:
        for detector in _hit(exposure, fault):
            yield exposure.image_name(detector), exposure.image(detector, take="second-take")
    elif fault.kind == Kind.LATE:
        for name in fault.files:
            yield name, exposure.file(name)


def sent_again(exposure: Exposure, fault: Fault) -> Iterator[tuple[str, bytes]]:
    """Make good copies of the files that arrived damaged."""
    if fault.kind in RESENT:
        for name in fault.files:
            yield name, exposure.file(name)


def _damage(exposure: Exposure, fault: Fault, name: str, data: bytes, seed: int) -> bytes:
    rng = random.Random(f"{seed}:{name}")  # noqa: S311  reproducible on purpose
    if fault.kind in (Kind.BROKEN_DOCUMENT, Kind.BROKEN_SENSORS):
        return data[: rng.randrange(1, len(data) - 1)]
    if fault.kind == Kind.WRONG_HEADER:
        others = [d for d in exposure.detectors if d.full_name not in fault.detectors]
        return exposure.image(rng.choice(others))
    # Behind the pixels there is fill up to a whole block, of which a flip is another error.
    place = rng.randrange(read_units(name, data)[-1].data_begin + 1, len(data.rstrip(b"\0")))
    if fault.kind == Kind.TRUNCATED:
        return data[:place]
    damaged = bytearray(data)
    damaged[place] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _hit(exposure: Exposure, fault: Fault) -> list[Detector]:
    return [d for d in exposure.detectors if d.full_name in fault.detectors]
