"""The cache near the telescope."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbb.flows.oods import Oods
from dbb.hooks.instruments import load_instruments
from dbb.settings import Settings
from dbb.wiring.base import SystemClock, open_ledger

if TYPE_CHECKING:
    from dbb.hooks.oods_journal import SqliteJournal, SqlMergedDatasets


def open_journal(settings: Settings) -> SqliteJournal:
    """Open the journal of the cache near the telescope: a file in its store's folder."""
    from dbb.hooks.oods_journal import SqliteJournal  # noqa: PLC0415 - the cache alone

    return SqliteJournal(Path(settings.value("DBB_OODS_JOURNAL")))


def open_merged(settings: Settings) -> SqlMergedDatasets:
    """Open what of the cache lies in the ledger's database."""
    from dbb.hooks.oods_journal import SqlMergedDatasets  # noqa: PLC0415 - the cache alone

    return SqlMergedDatasets(open_ledger(settings, "oods"))


def open_oods(settings: Settings) -> Oods:
    """Open the cache near the telescope: no ledger, no Rucio, no archive."""
    from dbb.hooks.butler_indexer import ButlerIndexer  # noqa: PLC0415 - a slow import
    from dbb.hooks.butler_repository import ButlerRepository  # noqa: PLC0415 - a slow import
    from dbb.hooks.fits_inspector import FitsInspector  # noqa: PLC0415 - a slow import
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    known, cache = load_instruments(), settings.cache
    instruments = {name: known[name] for name in settings.raw.instruments}
    source = settings.endpoint(settings.raw.source)
    return Oods(
        source=open_store(settings.resolve(source.store_url)),
        store=open_store(settings.resolve(cache.store_url)),
        repository=ButlerRepository(settings.resolve(cache.butler)),
        inspector=FitsInspector(instruments),
        indexer=ButlerIndexer(instruments.values()),
        instruments=instruments,
        journal=open_journal(settings),
        clock=SystemClock(),
        settle_s=settings.raw.settle_s,
    )
