"""Joining settings, hooks and flows: the one place that knows which hook stands behind a port.

Clients are imported when their port is first used: what only reads the ledger never pays for Butler
or Rucio, whose imports take seconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dbb.flows.backbone import Backbone
from dbb.flows.lfa import Annex
from dbb.flows.oods import Oods
from dbb.flows.reconcile_views import ButlerNights, RucioNights, Sources
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.model.kind import Kind
from dbb.model.lfa_classes import LfaDataset
from dbb.model.sidecar import Sidecars
from dbb.ports import Catalog, Indexer, Inspector, Repository, Sky, Store
from dbb.settings import Settings

if TYPE_CHECKING:
    from dbb.hooks.keeping import SqlKeeping
    from dbb.hooks.lfa import SqlLfaObjects
    from dbb.hooks.lfa_efd import EfdEvents
    from dbb.hooks.oods_journal import SqliteJournal, SqlMergedDatasets
    from dbb.hooks.rucio_catalog import RucioCatalog
    from dbb.hooks.rucio_policies import RucioPolicies


class _WhenUsed:
    """Open a port when one of its methods is first asked for."""

    def __init__(self, open_port: Callable[[], object]) -> None:
        self._open_port = open_port

    @cached_property
    def _port(self) -> object:
        return self._open_port()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class SystemClock:
    """Tell the machine's time."""

    def now(self) -> dt.datetime:
        """Give the time, aware, in UTC."""
        return dt.datetime.now(dt.UTC)


def open_ledger(settings: Settings, actor: str) -> SqlLedger:
    """Open the ledger of an installation; ``actor`` signs the history."""
    return SqlLedger(open_engine(settings.value("DBB_LEDGER_URL")), SystemClock(), actor)


def open_inbox(settings: Settings) -> SqlInbox:
    """Open the inbox of events, which lies in the ledger's database."""
    return SqlInbox(open_ledger(settings, "events"), SystemClock())


def open_catalog(settings: Settings) -> RucioCatalog:
    """Open the Rucio client of an installation."""
    from dbb.hooks.rucio_catalog import RucioCatalog  # noqa: PLC0415 - a slow import

    return RucioCatalog(**_rucio_login(settings))


def open_policies(settings: Settings) -> RucioPolicies:
    """Open what of Rucio policies decide."""
    from dbb.hooks.rucio_policies import RucioPolicies  # noqa: PLC0415 - a slow import

    return RucioPolicies(**_rucio_login(settings))


def _rucio_login(settings: Settings) -> dict[str, str]:
    return {
        "host": settings.value("DBB_RUCIO_HOST"),
        "account": settings.value("DBB_RUCIO_ACCOUNT"),
        "username": settings.value("DBB_RUCIO_USER"),
        "password": settings.value("DBB_RUCIO_PASSWORD"),
    }


def open_journal(settings: Settings) -> SqliteJournal:
    """Open the journal of the cache near the telescope: a file in its store's folder."""
    from dbb.hooks.oods_journal import SqliteJournal  # noqa: PLC0415 - the cache alone

    return SqliteJournal(Path(settings.value("DBB_OODS_JOURNAL")))


def open_merged(settings: Settings) -> SqlMergedDatasets:
    """Open what of the cache lies in the ledger's database."""
    from dbb.hooks.oods_journal import SqlMergedDatasets  # noqa: PLC0415 - the cache alone

    return SqlMergedDatasets(open_ledger(settings, "oods"))


def open_keeping(settings: Settings, actor: str) -> SqlKeeping:
    """Open what the ledger's database knows of keeping; ``actor`` signs what is recorded."""
    from dbb.hooks.keeping import SqlKeeping  # noqa: PLC0415 - keeping alone

    return SqlKeeping(open_ledger(settings, actor), SystemClock())


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


def open_objects(settings: Settings) -> SqlLfaObjects:
    """Open what is known of the objects of the Large File Annex."""
    from dbb.hooks.lfa import SqlLfaObjects  # noqa: PLC0415 - the annex alone

    return SqlLfaObjects(open_ledger(settings, "lfa"), SystemClock())


def open_annex(settings: Settings) -> Annex:
    """Open the Large File Annex: the summit's bucket and what is known of its objects."""
    from dbb.hooks.lfa_classes import load_classes  # noqa: PLC0415 - the annex alone
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    def describe(store: Store, name: str, key: str, dataset: LfaDataset, /) -> Sidecars:
        from dbb.hooks.lfa_datasets import describe_object  # noqa: PLC0415 - a slow import

        return describe_object(store, name, key, dataset)

    classes, datasets = load_classes(settings.include / "lfa" / "classes.yaml")
    return Annex(
        source=open_store(settings.value("DBB_STORE_LFA")),
        bucket=settings.environment.get("DBB_LFA_BUCKET", "rubinobs-lfa-cp"),
        objects=open_objects(settings),
        inbox=open_inbox(settings),
        classes=classes,
        datasets=datasets,
        describe=describe,
    )


def open_efd(settings: Settings) -> EfdEvents | None:
    """Open the EFD's events of the annex; None where no EFD is set."""
    from dbb.hooks.influx import Influx  # noqa: PLC0415 - the EFD alone
    from dbb.hooks.lfa_efd import EfdEvents  # noqa: PLC0415 - the EFD alone

    if not settings.environment.get("DBB_EFD_URL"):
        return None
    return EfdEvents(
        Influx(
            settings.value("DBB_EFD_URL"),
            settings.environment.get("DBB_EFD_DATABASE", "efd"),
            settings.environment.get("DBB_EFD_USER", ""),
            settings.environment.get("DBB_EFD_PASSWORD", ""),
        )
    )


def open_sources(settings: Settings, backbone: Backbone) -> Sources:
    """Open what a reconciler compares, beside the ports of the backbone."""
    from dbb.hooks.findings import SqlFindings  # noqa: PLC0415 - reconciling alone

    def rucio() -> RucioNights:
        from dbb.hooks.rucio_listing import RucioListing  # noqa: PLC0415 - a slow import

        return RucioListing(**_rucio_login(settings))

    @cache
    def butler(endpoint: str) -> ButlerNights:
        from dbb.hooks.butler_listing import ButlerListing  # noqa: PLC0415 - a slow import

        root = settings.resolve(settings.endpoint(endpoint).butler)
        return ButlerListing(root, lambda each: settings.raw.run.format(instrument=each))

    return Sources(
        backbone=backbone,
        rucio=cast(RucioNights, _WhenUsed(rucio)),
        butler=butler,
        findings=SqlFindings(open_ledger(settings, "reconcile")),
    )


def open_backbone(settings: Settings, actor: str) -> Backbone:
    """Open the ledger of an installation, and every other port when it is used.

    Call it inside a task, never when a DAG file is read. Nothing opened here may cross a fork.
    """
    instruments = load_instruments()
    ledger = open_ledger(settings, actor)

    def inspector() -> Inspector:
        from dbb.hooks.fits_inspector import FitsInspector  # noqa: PLC0415 - a slow import

        return FitsInspector(instruments)

    def indexer() -> Indexer:
        from dbb.hooks.butler_indexer import ButlerIndexer  # noqa: PLC0415 - a slow import

        return ButlerIndexer(instruments.values())

    def sky() -> Sky:
        from dbb.hooks.sky_regions import SkyRegions  # noqa: PLC0415 - a slow import

        return SkyRegions(settings.include / "policies" / "regions", instruments)

    def sidecars(store: Store, folder: str, names: Iterable[str], kind: Kind, /) -> Sidecars:
        from dbb.hooks.sidecars import read_sidecars  # noqa: PLC0415 - a slow import

        return read_sidecars(store, folder, names, kind)

    @cache
    def store(endpoint: str) -> Store:
        from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

        return open_store(settings.resolve(settings.endpoint(endpoint).store_url))

    @cache
    def repository(endpoint: str) -> Repository:
        from dbb.hooks.butler_repository import ButlerRepository  # noqa: PLC0415 - a slow import

        return ButlerRepository(settings.resolve(settings.endpoint(endpoint).butler))

    def group_patience_s(instrument: str) -> float:
        from dbb.hooks.calibration.patience import read_patience_s  # noqa: PLC0415 - few ask

        return read_patience_s(instrument, settings.include / "calibration")

    return Backbone(
        policy=settings.raw,
        policies=settings.policies,
        instruments=instruments,
        rses={name: endpoint.rse for name, endpoint in settings.endpoints.items()},
        ledger=ledger,
        calibrations=SqlCalibrations(ledger, SystemClock(), actor),
        inbox=SqlInbox(ledger, SystemClock()),
        clock=SystemClock(),
        catalog=cast(Catalog, _WhenUsed(lambda: open_catalog(settings))),
        inspector=cast(Inspector, _WhenUsed(inspector)),
        indexer=cast(Indexer, _WhenUsed(indexer)),
        sky=cast(Sky, _WhenUsed(sky)),
        sidecars=sidecars,
        store=store,
        repository=repository,
        group_patience_s=group_patience_s,
    )
