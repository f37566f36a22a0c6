"""Classes of objects of the Large File Annex: what becomes of them, and which Butler dataset they are."""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass

from dbb.errors import BadDayObs, LfaNotIngested
from dbb.model.day_obs import ROLLOVER, DayObs
from dbb.model.lfa import Announcement, LfaObject

REPLICATE = "replicate"
"""Kept, and copied under its own name."""
INGEST = "ingest"
"""The same, and served by Butler."""
ACTIONS = (REPLICATE, INGEST)

_MS = dt.timedelta(milliseconds=1)
_DETECTORS = 10
"""Detectors that an exposure's number leaves room for."""


@dataclass(frozen=True, slots=True)
class LfaClass:
    """Say what becomes of the objects of a class; ``*`` stands for anything.

    Parameters
    ----------
    csc, generator, mime_type
        Which objects.
    action
        ``replicate`` or ``ingest``.
    dataset
        With ``ingest``: the name of the description of the Butler dataset.
    """

    csc: str
    generator: str
    mime_type: str
    action: str
    dataset: str = ""

    def fits(self, found: Announcement | LfaObject) -> bool:
        """Say whether an object is of this class."""
        pairs = ((found.csc, self.csc), (found.generator, self.generator))
        return all(fnmatch.fnmatchcase(*pair) for pair in pairs) and fnmatch.fnmatchcase(
            found.mime_type, self.mime_type
        )


def class_of(classes: Sequence[LfaClass], found: Announcement | LfaObject) -> LfaClass | None:
    """Find the first class that an object is of."""
    return next((each for each in classes if each.fits(found)), None)


def classify(classes: Sequence[LfaClass], found: Announcement) -> tuple[str, bool]:
    """Give the action for an object, and whether a class names it."""
    known = class_of(classes, found)
    return (REPLICATE, False) if known is None else (known.action, True)


@dataclass(frozen=True, slots=True)
class LfaPlace:
    """Hold what a key says of a Butler dataset.

    Parameters
    ----------
    instrument, detector, detector_name
        What took it.
    exposure, day_obs, seq_num, obs_id
        The exposure.
    began_tai
        When, if the key tells.
    """

    instrument: str
    detector: int
    detector_name: str
    exposure: int
    day_obs: int
    seq_num: int
    obs_id: str
    began_tai: dt.datetime | None


@dataclass(frozen=True, slots=True)
class LfaDataset:
    """Describe the Butler dataset that objects of a class are, and how a key names its data ID.

    Parameters
    ----------
    name
        What classes call it.
    dataset_type, dimensions, storage_class, formatter, run
        As Butler has them; the run may contain ``{instrument}``.
    instrument, class_name
        Name of the instrument, which may contain ``{index}``, and its class for Butler's record.
    detectors
        Their names, in the order of their numbers.
    leaf
        The pattern of the last part of a key, with the groups ``detector`` (optional), ``index``
        (optional) and either ``time`` (TAI, ISO 8601: it gives day and number) or ``day`` and
        ``seq``.
    """

    name: str
    dataset_type: str
    dimensions: tuple[str, ...]
    storage_class: str
    formatter: str
    run: str
    instrument: str
    class_name: str
    detectors: tuple[str, ...]
    leaf: str

    def place_of(self, key: str) -> LfaPlace:
        """Derive what a key says.

        An exposure that is known by its time is numbered by day, millisecond of the day and
        detector, so that spectrographs that read out together stay apart; one with a sequence
        number as Rubin's cameras do it.

        Raises
        ------
        LfaNotIngested
            If the key does not have the form, or names a detector that there is not.
        """
        leaf = key.rpartition("/")[2]
        match = re.fullmatch(self.leaf, leaf)
        if match is None:
            raise LfaNotIngested.for_object(key, f"its name has not the form of {self.name}")
        groups = match.groupdict()
        name = groups.get("detector") or self.detectors[0]
        if name not in self.detectors:
            raise LfaNotIngested.for_object(key, f"{self.name} has no detector {name[:40]!a}")
        detector = self.detectors.index(name)
        try:
            began, day, seq = _when(groups)
        except (ValueError, BadDayObs) as error:
            raise LfaNotIngested.for_object(key, f"its name tells no time: {error}") from None
        exposure = day * 100_000 + seq
        if began is not None:
            exposure = (day * 10**8 + seq) * _DETECTORS + detector
        stem = leaf.partition(".fits")[0]
        return LfaPlace(
            instrument=self.instrument.format(index=groups.get("index") or ""),
            detector=detector,
            detector_name=name,
            exposure=exposure,
            day_obs=day,
            seq_num=seq,
            obs_id=re.sub(r"[^A-Za-z0-9._-]", "_", stem),
            began_tai=began,
        )


def _when(groups: dict[str, str | None]) -> tuple[dt.datetime | None, int, int]:
    if groups.get("time"):
        began = dt.datetime.fromisoformat(str(groups["time"]))
        noon = began - ROLLOVER
        day = DayObs.parse(noon.strftime("%Y%m%d"))
        return began, day.value, (noon - dt.datetime.combine(day.date, dt.time())) // _MS
    return None, DayObs.parse(str(groups["day"])).value, int(str(groups["seq"]))
