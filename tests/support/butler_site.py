"""One endpoint's Butler repository, as tests make and look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lsst.daf.butler import Butler
from lsst.daf.butler.direct_butler import DirectButler

from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.butler_visits import VISIT_ELEMENTS
from dbb.model.instrument import Instrument
from support.raw_bundles import BundleMaker, make_instrument


@dataclass(frozen=True)
class Site:
    """Hold one endpoint's repository and a folder of bundles."""

    root: Path
    instrument: Instrument
    maker: BundleMaker

    @classmethod
    def create(cls, folder: Path, registry_url: str | None, namespace: str | None = None) -> Site:
        """Make a repository that knows its instrument and nothing else."""
        instrument = make_instrument()
        root = folder / "butler"
        create_repository(root, [instrument], registry_url=registry_url, namespace=namespace)
        maker = BundleMaker(folder / "store", instrument, ButlerIndexer([instrument]))
        return cls(root, instrument, maker)

    @property
    def repository(self) -> ButlerRepository:
        """Give the hook under test."""
        return ButlerRepository(str(self.root))

    @contextmanager
    def butler(self, *, writeable: bool = False) -> Iterator[Butler]:
        """Open the repository as a user does."""
        collections = f"{self.instrument.name}/defaults"
        with Butler.from_config(
            str(self.root), writeable=writeable, collections=collections
        ) as butler:
            yield butler

    def count(self, *seq_nums: int) -> int:
        """Count the datasets of some exposures, or of all."""
        numbers = [self.maker.unit(seq_num).obs_id.exposure_id for seq_num in seq_nums]
        total = 0
        with self.butler() as butler, butler.query() as query:
            for dataset_type in ("raw", "guider_raw"):
                found = query.datasets(dataset_type)
                if numbers:
                    found = found.where(
                        "instrument = 'LSSTCam' AND exposure IN (numbers)",
                        bind={"numbers": numbers},
                    )
                total += found.count()
        return total

    def count_records(self) -> dict[str, int]:
        """Count the dimension records of visits, by element."""
        with self.butler() as butler, butler.query() as query:
            return {
                element: query.dimension_records(element).where(instrument="LSSTCam").count()
                for element in VISIT_ELEMENTS
            }


NewSite = Callable[[], Site]


class IngestCalls:
    """Count the calls of ``Butler.ingest``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        original = DirectButler.ingest

        def counted(butler: DirectButler, *args: Any, **kwargs: Any) -> None:
            self.number += 1
            original(butler, *args, **kwargs)

        monkeypatch.setattr(DirectButler, "ingest", counted)
