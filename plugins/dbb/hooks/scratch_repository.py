"""A Butler repository that drills take away and make anew."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from lsst.daf.butler import Butler, DatasetNotFoundError
from sqlalchemy import create_engine, text

from dbb.errors import NotScratch
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository, name_driver
from dbb.model.instrument import Instrument

MARK = "dbb-scratch.json"
"""Lies in the folder of a repository that may be taken away."""

NAMESPACE = "dbb_scratch"
"""Database schema of a scratch registry: whatever database it lies in, no other repository's tables go."""


class ButlerScratch(ButlerRepository):
    """Serve datasets in a repository that may be lost.

    Parameters
    ----------
    root
        Its folder.
    instruments, run
        What an empty one knows.
    registry_url
        Database of its registry; SQLite in the folder where it is empty.
    """

    def __init__(
        self, root: str, instruments: Sequence[Instrument], run: str, registry_url: str = ""
    ) -> None:
        super().__init__(root)
        self._folder = Path(root.removeprefix("file://"))
        self._instruments = instruments
        self._run = run
        self._registry_url = registry_url

    def wipe(self) -> None:
        """Take the repository away, registry and all, and make an empty one."""
        folder = self._folder
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
            raise NotScratch.for_endpoint(str(folder), f"it holds files and no {MARK}")
        if self._registry_url:
            engine = create_engine(name_driver(self._registry_url))
            with engine.begin() as connection:
                connection.execute(text(f"drop schema if exists {NAMESPACE} cascade"))
            engine.dispose()
        if folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / MARK).write_text('{"schema":"dbb-scratch/1"}\n', encoding="utf-8")
        create_repository(
            folder,
            self._instruments,
            registry_url=self._registry_url or None,
            namespace=NAMESPACE if self._registry_url else None,
            run=self._run,
        )

    def read(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Read datasets as a user does; give the error of each that cannot be read."""
        errors = {}
        with Butler.from_config(str(self._folder)) as butler:
            for key in dataset_ids:
                ref = butler.get_dataset(key)
                if ref is None:
                    errors[key] = "the registry does not know it"
                    continue
                try:
                    butler.get(ref)
                except (OSError, ValueError, LookupError, DatasetNotFoundError) as error:
                    errors[key] = str(error).splitlines()[0] if str(error) else repr(error)
        return errors
