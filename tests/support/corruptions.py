"""Plant damage of eight kinds in copies and read them again: how much of it is found?

The copies lie in a real POSIX store, each with its manifest; the reading is the one of the scrub and of ``dbb verify``:
the store's cold reading, the digests, the manifest's verdict. Size where it can be, and modification time always, are
as before, as rot leaves them.
"""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from dbb.digests import digest_bytes
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import stored_name
from dbb.flows.verifying import verify_units
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.posix_store import PosixStore
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.exposure import Unit
from dbb.model.manifest import Entry, Manifest
from dbb.model.names import Did, SafeName
from dbb.settings import Settings
from dbb.wiring.base import SystemClock
from support.ledger_units import facts, row
from support.tiny_camera import unit_name

ROAD = (State.EXPECTED, State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED)
ENDPOINT = "frdf"
SECTOR = 512
STALE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Damage:
    """Say what is written over a file, from where on, and how long the file is then."""

    offset: int
    data: bytes
    length: int


Kind = Callable[[bytes, bytes, random.Random], Damage]
"""Makes damage of a file's bytes and those of an older file of its length."""


def _over(good: bytes, offset: int, data: bytes) -> Damage:
    return Damage(offset, data, len(good))


def one_bit(good: bytes, _old: bytes, dice: random.Random) -> Damage:
    at = dice.randrange(len(good))
    return _over(good, at, bytes([good[at] ^ 1 << dice.randrange(8)]))


def sector_of_others(good: bytes, _old: bytes, dice: random.Random) -> Damage:
    at = dice.randrange(len(good) // SECTOR) * SECTOR
    return _over(good, at, dice.randbytes(SECTOR))


def stale_block(good: bytes, old: bytes, dice: random.Random) -> Damage:
    at = dice.randrange(len(good) // STALE) * STALE
    return _over(good, at, old[at : at + STALE])


def swapped_sectors(good: bytes, _old: bytes, dice: random.Random) -> Damage:
    one, two = sorted(dice.sample(range(len(good) // SECTOR), 2))
    a, b = one * SECTOR, two * SECTOR
    return _over(good, a, good[b : b + SECTOR] + good[a + SECTOR : b] + good[a : a + SECTOR])


def swapped_bytes(good: bytes, _old: bytes, dice: random.Random) -> Damage:
    at = dice.randrange(len(good) - 1)
    while good[at] == good[at + 1]:
        at = dice.randrange(len(good) - 1)
    return _over(good, at, bytes([good[at + 1], good[at]]))


def truncation(good: bytes, _old: bytes, dice: random.Random) -> Damage:
    return Damage(0, b"", dice.randrange(len(good)))


def extension(good: bytes, _old: bytes, dice: random.Random) -> Damage:
    more = dice.randbytes(dice.randint(1, SECTOR))
    return Damage(len(good), more, len(good) + len(more))


def adler_preserving(good: bytes, _old: bytes, dice: random.Random) -> Damage:
    """Add 1, -2, 1 to three neighbours: both sums of Adler-32 stay what they were."""
    while True:
        at = dice.randrange(len(good) - 2)
        a, b, c = good[at : at + 3]
        if a < 255 and b > 1 and c < 255:
            return _over(good, at, bytes([a + 1, b - 2, c + 1]))


KINDS: Mapping[str, Kind] = {
    "one bit": one_bit,
    "512 B of others": sector_of_others,
    "64 KiB stale": stale_block,
    "swapped sectors": swapped_sectors,
    "swapped bytes": swapped_bytes,
    "truncation": truncation,
    "extension": extension,
    "Adler-preserving": adler_preserving,
}


@dataclass
class Campaign:
    """Hold how much damage was planted and found, by kind.

    Parameters
    ----------
    planted, found
        Damaged copies, and those of them that the reading called damaged.
    false_alarms
        Copies that were right and were called damaged.
    read_bytes
        What was read.
    """

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false_alarms: int = 0
    read_bytes: int = 0

    @property
    def undetected(self) -> dict[str, int]:
        """Count what was not found, by kind."""
        return {k: n - self.found[k] for k, n in self.planted.items() if n > self.found[k]}


def run_campaign(
    folder: Path, each: int, *, files: int = 64, size_bytes: int = 256 * 1024, seed: int = 1
) -> Campaign:
    """Plant so many of each kind, some copies at a time, and read all of them after each time."""
    dice = random.Random(seed)  # noqa: S311 - damage that can be planted again
    bench = _Bench(folder, files, size_bytes, dice)
    done = Campaign()
    done.false_alarms += sum(bench.verdicts().values())
    todo = [name for name in KINDS for _ in range(each)]
    dice.shuffle(todo)
    for first in range(0, len(todo), files):
        chosen = dict(zip(bench.goods, todo[first : first + files], strict=False))
        for unit, kind in chosen.items():
            bench.plant(unit, KINDS[kind])
        verdicts = bench.verdicts()
        done.planted.update(chosen.values())
        done.found.update(kind for unit, kind in chosen.items() if verdicts[unit])
        done.false_alarms += sum(verdicts[unit] for unit in verdicts.keys() - chosen.keys())
        done.read_bytes += files * size_bytes
        bench.restore(chosen)
    done.false_alarms += sum(bench.verdicts().values())
    return done


class _Bench:
    """Copies that are published at an endpoint."""

    def __init__(self, folder: Path, files: int, size_bytes: int, dice: random.Random) -> None:
        clock = SystemClock()
        self.ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), clock, "campaign")
        self.ledger.migrate()
        self.root = folder / "store"
        self.root.mkdir()
        self.store = PosixStore(self.root)
        self.dice = dice
        self.old = dice.randbytes(size_bytes)
        self.goods: dict[str, bytes] = {}
        for number in range(files):
            self._publish(unit_name(number + 1), dice.randbytes(size_bytes))
        self.rows = list(self.ledger.units(list(self.goods)).values())
        self.backbone = cast(
            Backbone,
            SimpleNamespace(
                ledger=self.ledger,
                clock=clock,
                store=lambda _: self.store,
                policy=Settings.load().raw,
            ),
        )

    def _publish(self, name: str, data: bytes) -> None:
        unit = Unit.parse(name)
        entry = Entry(SafeName("x.fits"), Digest(5, "a" * 64, "00000001", "00000002"))
        manifest = Manifest(unit, "raw", digest_bytes(data), (entry,), (), {}, {})
        for leaf, content in ((unit.bundle_name, data), (unit.manifest_name, manifest.data)):
            with self.store.create(f"raw/{leaf}") as writer:
                writer.write(content)
        self.ledger.note_units([row(name)])
        self.ledger.seal_unit(name, manifest, facts(name))
        self.ledger.expect([name], ENDPOINT, "campaign")
        for old, new in itertools.pairwise(ROAD):
            self.ledger.advance([name], ENDPOINT, old, new, "campaign")
        self.goods[name] = data

    def verdicts(self) -> dict[str, bool]:
        """Read every copy; say which are called damaged."""
        readings = verify_units(self.backbone, self.rows, [ENDPOINT])
        return {reading.unit: reading.error is not None for reading in readings}

    def plant(self, unit: str, kind: Kind) -> None:
        """Damage a copy behind everybody's back."""
        damage = kind(self.goods[unit], self.old, self.dice)
        with self._open(unit) as descriptor:
            os.pwrite(descriptor, damage.data, damage.offset)
            os.ftruncate(descriptor, damage.length)

    def restore(self, units: Mapping[str, str]) -> None:
        """Write the good bytes back."""
        for unit in units:
            with self._open(unit) as descriptor:
                os.pwrite(descriptor, self.goods[unit], 0)
                os.ftruncate(descriptor, len(self.goods[unit]))

    def _open(self, unit: str) -> Quietly:
        name = stored_name(Did("raw", Unit.parse(unit).bundle_name))
        return Quietly(self.root / name)


class Quietly:
    """Open a file for writing; its times are afterwards what they were."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> int:
        self.status = self.path.stat()
        self.descriptor = os.open(self.path, os.O_RDWR)
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
        os.utime(self.path, ns=(self.status.st_atime_ns, self.status.st_mtime_ns))


TRUSTING: Mapping[str, Callable[[Digest, Digest], bool]] = {
    "size": lambda self, other: self.size_bytes == other.size_bytes,
    "adler32": lambda self, other: (
        self.size_bytes == other.size_bytes and self.adler32 == other.adler32
    ),
}
"""Planted bugs: comparisons that trust less than the bytes' identity."""
