"""What the components of an observatory would have sent in one night: computed, and therefore known."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dbb.hooks.efd.topics import load_topics
from dbb.hooks.instruments import load_instruments
from dbb.model.day_obs import TAI_MINUS_UTC, DayObs
from dbb.model.efd import Cadence, Topic, to_ns
from dbb.settings import INCLUDE
from sandbox.synthetic_efd.fields import FIELDS, INDEXED

BEGIN_AFTER_NOON = dt.timedelta(hours=12)
EXPOSURE_S, CYCLE_S = 30.0, 35.0
EVENT_BEFORE_S = 2.0
"""An event of an exposure is sent before it begins: who looks only inside finds none."""

USUAL = {"Pa": (75_000.0, 100.0), "%": (40.0, 5.0), "arcsec": (2.0, 0.3), "deg_C": (8.0, 2.0)}
"""Level and size of the wave of what has a unit by which possible values are known."""

INDICES = (101, 102, 103)
SENT_BEFORE_S = 0.002


@dataclass(frozen=True, slots=True)
class Exposure:
    """Hold one exposure: its ID, and its begin and end in UTC."""

    exposure_id: int
    begin: dt.datetime
    end: dt.datetime


@dataclass(frozen=True)
class Series:
    """Hold the points of one topic, in the order of their times.

    Parameters
    ----------
    topic
        Its name.
    time_ns
        Nanoseconds since 1970 (UTC); each a whole microsecond, as the source stores them.
    columns
        By field, its values: doubles, whole numbers, truths or texts.
    """

    topic: str
    time_ns: NDArray[np.int64]
    columns: dict[str, NDArray[np.generic]] = field(hash=False)


@dataclass(frozen=True)
class EfdNight:
    """Compute a night.

    Parameters
    ----------
    day_obs
        Which.
    scale
        Factor of all rates and of the number of exposures; 1 is 4 million points.
    hours
        How long, from midnight UTC on.
    seed
        Another one gives other values.
    topics
        Only these; empty for all.
    """

    day_obs: DayObs
    scale: float = 0.01
    hours: float = 10.0
    seed: int = 1
    topics: tuple[str, ...] = ()

    @property
    def begin(self) -> dt.datetime:
        """Give its begin (UTC), on a full hour."""
        noon = dt.datetime.combine(self.day_obs.date, dt.time(12), tzinfo=dt.UTC)
        return noon + BEGIN_AFTER_NOON

    @property
    def end(self) -> dt.datetime:
        """Give its end (UTC)."""
        return self.begin + dt.timedelta(hours=self.hours)

    @cached_property
    def known(self) -> dict[str, Topic]:
        """Give the topics that it has, by name."""
        path = INCLUDE / "efd" / "topics.yaml"
        topics = load_topics(path, frozenset(load_instruments()))
        return {name: topics[name] for name in (self.topics or sorted(topics))}

    def exposures(self) -> list[Exposure]:
        """List its exposures: 30 s each, one every 35 s at scale 1, else evenly over the night."""
        number = max(1, round(self.hours * 3600 / CYCLE_S * self.scale))
        cycle = dt.timedelta(seconds=self.hours * 3600 / number)
        found = []
        for seq in range(1, number + 1):
            # Not on a full second, so that edges between samples are met.
            begin = self.begin + (seq - 1) * cycle + dt.timedelta(seconds=3.217)
            end = begin + dt.timedelta(seconds=EXPOSURE_S)
            found.append(Exposure(self.day_obs.value * 100_000 + seq, begin, end))
        return found

    def series(self) -> Iterator[Series]:
        """Compute every topic's points, one topic after the other."""
        for name in self.known:
            yield self.of_topic(name)

    def of_topic(self, name: str) -> Series:
        """Compute one topic's points."""
        topic = self.known[name]
        random = np.random.default_rng([self.seed, zlib.crc32(name.encode()), self.day_obs.value])
        indices = INDICES if name in INDEXED else (0,)
        times, index, sequence = [], [], []
        for place, each in enumerate(indices):
            mine = self._times(topic, random, place)
            times.append(mine)
            index.append(np.full(len(mine), each, np.int64))
            sequence.append(np.arange(1, len(mine) + 1, dtype=np.int64))
        time_us = np.concatenate(times)
        order = np.argsort(time_us, kind="stable")
        time_us = time_us[order]
        columns = _private(time_us, np.concatenate(sequence)[order], name)
        if name in INDEXED:
            columns["salIndex"] = np.concatenate(index)[order]
        columns |= _values(self.known[name], time_us - to_ns(self.begin) // 1000, random)
        return Series(name, time_us * 1000, columns)

    def _times(self, topic: Topic, random: np.random.Generator, place: int) -> NDArray[np.int64]:
        """Give times in microseconds; those of two sensors are never the same."""
        begin_us = to_ns(self.begin) // 1000
        if topic.cadence is Cadence.EVENT:
            before = dt.timedelta(seconds=EVENT_BEFORE_S)
            sent = [to_ns(each.begin - before) // 1000 for each in self.exposures()]
            return np.array(sent, np.int64) + place
        period_us = 1e9 / (topic.rate_mhz * self.scale)
        number = max(1, int(self.hours * 3600e6 / period_us))
        steps = np.arange(number) * period_us + 0.4 * period_us
        steps += random.uniform(-0.1, 0.1, number) * period_us
        even = np.floor(steps / 4).astype(np.int64) * 4
        return np.unique(begin_us + even) + place


def _private(
    time_us: NDArray[np.int64], sequence: NDArray[np.int64], name: str
) -> dict[str, NDArray[np.generic]]:
    utc = time_us / 1e6
    tai = utc + TAI_MINUS_UTC.total_seconds()
    many = len(time_us)
    return {
        "private_efdStamp": utc,
        "private_sndStamp": tai,
        "private_rcvStamp": tai + SENT_BEFORE_S,
        "private_kafkaStamp": tai + 2 * SENT_BEFORE_S,
        "private_seqNum": sequence,
        "private_origin": np.full(many, 4711, np.int64),
        "private_identity": np.full(many, name.split(".")[2]),
        "private_revCode": np.full(many, "a1b2c3d4"),
    }


def _values(
    topic: Topic, since_us: NDArray[np.int64], random: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """Compute the fields: a slow wave, a slope and noise, of another size for each field."""
    seconds = since_us / 1e6
    found: dict[str, NDArray[np.generic]] = {}
    for stem, length in FIELDS[topic.name].items():
        for number in range(length or 1):
            label = f"{stem}{number}" if length else stem
            if stem == "nollZernikeIndices":
                found[label] = np.full(len(seconds), number + 4, np.int64)
                continue
            level, size, slope = (
                random.normal(0, 10),
                random.uniform(0.1, 5),
                random.normal(0, 1e-3),
            )
            if topic.unit_of(label) in USUAL:
                level, size = USUAL[topic.unit_of(label)]
                slope /= 20  # a whole night of it stays possible
            wave = size * np.sin(2 * np.pi * seconds / random.uniform(60, 3600))
            noise = random.normal(0, 0.05, len(seconds))
            found[label] = np.round(level + slope * seconds + wave + noise, 9)
    return found
