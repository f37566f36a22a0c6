"""Measure how many raw datasets a Butler repository takes in per CPU-second of its client.

Claim: at 20 exposures of 205 detectors, ``ButlerRepository.ingest`` takes 1,500 or more datasets
per CPU-second, on PostgreSQL too; ``Butler.ingest`` in batches of 50, as public ingest services
call it, less than 1,000 before their own work. One bad exposure among 20 costs at most two more
ingest calls.

Every figure is of a process and a repository of its own. Ours counts everything: opening the
repository, checking the manifests, the dimension records. The two others have their repository
open already, their references made and, for the batches, their dimension records inserted.

::

    python benchmarks/raw_ingest.py [--postgres URL] [--detectors 205] [--exposures 1 20]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "tests")]

from lsst.daf.butler import Butler, DatasetRef, FileDataset
from lsst.daf.butler.direct_butler import DirectButler
from sqlalchemy import create_engine, text

from dbb.hooks import butler_batch
from dbb.hooks.butler_dataset_types import dataset_types
from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository, name_driver
from dbb.model.instrument import Instrument
from dbb.ports.repository import LandedBundle
from support.raw_bundles import (
    BundleMaker,
    make_fits,
    make_instrument,
)

PEER_BATCH = 50
"""The default of Rubin's public ingest service."""


@dataclass(frozen=True)
class Measured:
    """Hold one figure."""

    database: str
    what: str
    exposures: int
    datasets: int
    cpu_s: float
    wall_s: float
    datasets_per_cpu_s: float
    ingest_calls: int
    refused: int
    peak_mib: float


Work = Callable[[str, Sequence[LandedBundle]], tuple[Callable[[], object], Callable[[], None]]]


def ours(root: str, bundles: Sequence[LandedBundle]) -> tuple[Callable[[], Any], Any]:
    """Ingest a chunk as the flow does."""
    return lambda: ButlerRepository(root).ingest(bundles), lambda: None


def ours_again(root: str, bundles: Sequence[LandedBundle]) -> tuple[Callable[[], Any], Any]:
    """Ingest a chunk that is there already."""
    ButlerRepository(root).ingest(bundles)
    return ours(root, bundles)


def batches_of_50(root: str, bundles: Sequence[LandedBundle]) -> tuple[Callable[[], Any], Any]:
    """Ingest file by file in batches of 50, as public ingest services do."""
    butler = Butler.from_config(root, writeable=True)
    butler_batch._insert_records(butler, butler_batch.Batch(bundles, frozenset()))  # noqa: SLF001
    types = dataset_types(butler.dimensions)
    datasets = [
        FileDataset(path=f.path, refs=f.refs, formatter=f.formatter)
        for bundle in bundles
        for f in butler_batch._file_datasets(bundle, types)  # noqa: SLF001
    ]

    def work() -> None:
        for first in range(0, len(datasets), PEER_BATCH):
            batch = datasets[first : first + PEER_BATCH]
            butler.ingest(*batch, transfer="direct", skip_existing=True)

    return work, butler.close


def ingest_zip(root: str, bundles: Sequence[LandedBundle]) -> tuple[Callable[[], Any], Any]:
    """Ingest each bundle with Butler's own call."""
    butler = Butler.from_config(root, writeable=True)

    def work() -> None:
        for bundle in bundles:
            butler.ingest_zip(bundle.url, transfer="direct", transfer_dimensions=True)

    return work, butler.close


def one_zip_missing(root: str, bundles: Sequence[LandedBundle]) -> tuple[Callable[[], Any], Any]:
    """Ingest a chunk of which one bundle is not there."""
    return ours(root, [replace(bundles[0], url=bundles[0].url + ".gone"), *bundles[1:]])


def one_conflict(root: str, bundles: Sequence[LandedBundle]) -> tuple[Callable[[], Any], Any]:
    """Ingest a chunk of which one bundle has an identifier that stands elsewhere in the registry.

    Only the database can find that: it is the costliest kind of refusal.
    """
    with Butler.from_config(root, writeable=True) as butler:
        butler_batch._insert_records(butler, butler_batch.Batch(bundles[:1], frozenset()))  # noqa: SLF001
        types = dataset_types(butler.dimensions)
        first, second, *_ = butler_batch._file_datasets(bundles[0], types)  # noqa: SLF001
        (ours, other) = (first.refs[0], second.refs[0])
        taken = DatasetRef(other.datasetType, other.dataId, "elsewhere", id=ours.id)
        butler.ingest(FileDataset(path=second.path, refs=[taken]), transfer="direct")
    return lambda: ButlerRepository(root).ingest(bundles), lambda: None


WORKS: dict[str, Work] = {
    "ours": ours,
    "ours, repeated": ours_again,
    "batches of 50": batches_of_50,
    "ingest_zip": ingest_zip,
    "ours, one zip missing": one_zip_missing,
    "ours, one conflict": one_conflict,
}


def _count_calls() -> Callable[[], int]:
    numbers = count()
    original = DirectButler.ingest

    def counted(*args: Any, **kwargs: Any) -> None:
        next(numbers)
        original(*args, **kwargs)

    DirectButler.ingest = counted
    return lambda: next(numbers)


def _measure_here(database: str, what: str, root: str, bundles: list[LandedBundle]) -> Measured:
    work, close = WORKS[what](root, bundles)
    calls = _count_calls()
    wall, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    refused = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.monotonic() - wall
    close()
    datasets = sum(len(bundle.manifest.images) for bundle in bundles)
    return Measured(
        database, what, len(bundles), datasets, round(cpu, 3), round(wall, 3),
        round(datasets / cpu), calls(), len(refused) if isinstance(refused, dict) else 0,
        _peak_mib(),
    )  # fmt: skip


def _peak_mib() -> float:
    # Not ru_maxrss: a process inherits it from the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(kibibytes) / 1024, 1)


def measure(
    database: str, registry_url: str | None, what: str, camera: Instrument,
    bundles: list[LandedBundle],
) -> Measured:  # fmt: skip
    """Measure one way of ingesting in a process and a repository of its own."""
    namespace = f"bench_{uuid4().hex}" if registry_url else None
    with tempfile.TemporaryDirectory() as root:
        create_repository(root, [camera], registry_url=registry_url, namespace=namespace)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            measured = pool.apply(_measure_here, (database, what, root, bundles))
    if registry_url:
        engine = create_engine(registry_url)
        with engine.begin() as connection:
            connection.execute(text(f'DROP SCHEMA "{namespace}" CASCADE'))
        engine.dispose()
    return measured


def run(arguments: argparse.Namespace) -> Iterator[Measured]:
    """Measure everything that was asked for."""
    databases: dict[str, str | None] = {"sqlite": None}
    if arguments.postgres:
        databases["postgresql"] = name_driver(arguments.postgres)
    camera = make_instrument(arguments.detectors)
    with tempfile.TemporaryDirectory() as folder:
        maker = BundleMaker(Path(folder), camera, ButlerIndexer([camera]))
        same = make_fits(maker.unit(1), camera.detectors[0])  # Butler never looks at the pixels
        maker = replace(maker, draw=lambda _unit, _detector: same)
        bundles = [maker.make(number) for number in range(1, max(arguments.exposures) + 1)]
        for database, registry_url in databases.items():
            for exposures in arguments.exposures:
                for what in WORKS:
                    if exposures == 1 and "one" in what:
                        continue
                    chunk = bundles[:exposures]
                    yield measure(database, registry_url, what, camera, chunk)


def main() -> None:
    """Print a table as it grows, then the same as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--postgres", help="SQLAlchemy URL of a database with btree_gist")
    parser.add_argument("--detectors", type=int, default=205)
    parser.add_argument("--exposures", type=int, nargs="+", default=[1, 20])
    arguments = parser.parse_args()
    print("| database | what | exposures | datasets/CPU-s | CPU s | wall s | calls | peak MiB |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for row in run(arguments):
        rows.append(row)
        print(
            f"| {row.database} | {row.what} | {row.exposures} | {row.datasets_per_cpu_s} "
            f"| {row.cpu_s} | {row.wall_s} | {row.ingest_calls} | {row.peak_mib} |",
            flush=True,
        )
    print(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
