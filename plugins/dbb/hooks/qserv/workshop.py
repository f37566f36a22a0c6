"""A staging folder in which Parquet becomes chunk files; Qserv's workers read them from there."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from dbb.errors import CatalogUnfit
from dbb.flows.qserv_views import InputRow
from dbb.hooks.qserv import judging, planning, reducing, staging
from dbb.hooks.qserv.serving import SIGNED_S, open_serving
from dbb.hooks.qserv.values import merge
from dbb.model.qserv import ChunkFile, ColumnStatistics, ReleasePlan, TablePlan
from dbb.ports.store import READ_BYTES, Store

BUCKETS = 16


class StagingFolder:
    """Do the work of one handoff.

    Parameters
    ----------
    folder
        Where all its files lie.
    url
        How Qserv's workers get at its files (``serving.py``).
    buckets
        Into how many parts each table is cut for the second phase.
    signed_s
        How long an address holds, where they are signed.
    """

    def __init__(
        self, folder: Path, url: str, buckets: int = BUCKETS, signed_s: int = SIGNED_S
    ) -> None:
        self.folder = folder
        self.serving = open_serving(folder, url, signed_s)
        self._buckets = buckets

    def table_request(self, plan: ReleasePlan, table: TablePlan) -> dict[str, Any]:
        """Write what Qserv is told of a table."""
        return planning.table_request(plan, table)

    def fetch(self, store: Store, name: str, sha256: str) -> str:
        """Give a path from which a file of a store can be read; one elsewhere is copied here."""
        address = urlsplit(store.url_of(name))
        if address.scheme in ("", "file"):
            return unquote(address.path)
        copy = self.folder / "inputs" / f"{sha256}.parquet"
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            part = copy.with_suffix(".part")
            with store.open(name) as stream, part.open("wb") as target:
                shutil.copyfileobj(stream, target, READ_BYTES)
            part.rename(copy)
        return str(copy)

    def judge(self, plan: ReleasePlan, source: InputRow, path: str) -> list[str]:
        """Hold a file's footer against the plan, then its numbers against Great Expectations."""
        table = plan.table(source.table)
        footer, _ = planning.read_footer(path)
        problems = planning.check_footer(table, source.name, footer)
        if not problems:
            try:
                judging.judge_input(table, Path(path), self.folder)
            except CatalogUnfit as error:
                problems = [error.message]
        return problems

    def stage(self, plan: ReleasePlan, source: InputRow, path: str) -> InputRow:
        """Stage one input; give what became of its rows."""
        done = staging.stage_input(
            plan, plan.table(source.table), Path(path), source.sha256, self.folder, self._buckets
        )
        return dataclasses.replace(
            source,
            rows=done.rows,
            kept=done.kept,
            overlap=done.overlap,
            quarantined=done.quarantined,
            wrapped=done.wrapped,
            elsewhere=done.elsewhere,
            twice=done.twice,
            is_staged=True,
        )

    def check_unique(self, table: TablePlan) -> None:
        """Refuse a key that comes twice."""
        reducing.check_unique(table, self.folder)

    def buckets(self, table: TablePlan) -> Sequence[int]:
        """List the buckets that have rows."""
        files = (self.folder / "stage" / table.name).glob("*/bucket_*.parquet")
        return sorted({int(path.stem.removeprefix("bucket_")) for path in files})

    def reduce(self, table: TablePlan, bucket: int) -> list[ChunkFile]:
        """Write the chunk files of a bucket."""
        return reducing.reduce_bucket(table, bucket, self.folder)

    def statistics(self, table: TablePlan) -> Mapping[str, ColumnStatistics]:
        """Add up the statistics of a table's inputs."""
        folders = sorted((self.folder / "stage" / table.name).glob("*"))
        found = [done[1].statistics for each in folders if (done := staging.read_staged(each))]
        return merge(found)

    def url_of(self, file: ChunkFile) -> str:
        """Give the address from which a worker reads a file, from now on."""
        return self.serving.url_of(file)

    def open(self, file: ChunkFile) -> BinaryIO:
        """Open a chunk file, to be sent."""
        return (self.folder / file.path).open("rb")

    def clear(self) -> None:
        """Delete everything, also what was put elsewhere for the workers."""
        self.serving.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
