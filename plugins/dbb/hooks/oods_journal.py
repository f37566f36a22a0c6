"""The cache's journal, a small SQLite database beside it; and what of it lies in the ledger."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from dbb.hooks.engine import open_engine
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement
from dbb.model.oods import Served


class SqliteJournal:
    """Remember what became of each image.

    Parameters
    ----------
    path
        The database's file; it is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = open_engine(f"sqlite:///{path}")
        with self._engine.begin() as connection:
            connection.execute(statement("oods/schema"))

    def note(self, images: Sequence[Served]) -> None:
        """Record images in one transaction; what was known of them is replaced."""
        if images:
            with self._engine.begin() as connection:
                connection.execute(statement("oods/note"), [_row(image) for image in images])

    def of_day(self, day_obs: int) -> dict[str, Served]:
        """Read a day's images, by name at the source."""
        return {image.name: image for image in self._read("oods/of_day", day_obs=day_obs)}

    def unmerged(self) -> list[Served]:
        """Read the served images that the archive has not answered for."""
        return self._read("oods/unmerged")

    def all(self) -> list[Served]:
        """Read everything."""
        return self._read("oods/all")

    def forget(self, names: Sequence[str]) -> None:
        """Forget images in one transaction; unknown ones are no error."""
        if names:
            with self._engine.begin() as connection:
                connection.execute(statement("oods/forget"), [{"name": name} for name in names])

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _read(self, name: str, **parameters: Any) -> list[Served]:
        with self._engine.begin() as connection:
            return [_served(row) for row in connection.execute(statement(name), parameters)]


class SqlMergedDatasets(LedgerHook):
    """Keep what a cache served in the ledger's database."""

    def keep(self, endpoint: str, images: Mapping[Served, str]) -> None:
        """Keep images with the archive's dataset id, or nothing while it has none."""
        rows = [
            _row(image)
            | {
                "endpoint": endpoint,
                "archive_dataset_id": archive_id,
                "answer": "same" if archive_id else "",
            }
            for image, archive_id in sorted(images.items(), key=lambda item: item[0].name)
        ]
        self._ledger.write_all("oods/merge", rows)

    def of_day(self, endpoint: str, day_obs: int) -> list[Row[Any]]:
        """Read what was merged of a day."""
        return self._ledger.rows("oods/merged", endpoint=endpoint, day_obs=day_obs)


def _row(image: Served) -> dict[str, Any]:
    row = dataclasses.asdict(image)
    row["changed_time"], row["served_time"] = row.pop("changed_at"), row.pop("served_at")
    return row


def _served(row: Row[Any]) -> Served:
    return Served(**{each.name: getattr(row, each.name) for each in dataclasses.fields(Served)})
