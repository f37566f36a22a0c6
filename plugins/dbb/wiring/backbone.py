"""The ports of the backbone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, cast

from dbb.flows.backbone import Backbone
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.instruments import load_instruments
from dbb.model.kind import Kind
from dbb.model.sidecar import Sidecars
from dbb.ports.catalog import Catalog
from dbb.ports.images import Indexer, Inspector, Sky
from dbb.ports.repository import Repository
from dbb.ports.store import Store
from dbb.settings import Settings
from dbb.wiring.base import SystemClock, WhenUsed, open_ledger, rucio_login

if TYPE_CHECKING:
    from dbb.hooks.rucio_catalog import RucioCatalog
    from dbb.hooks.rucio_policies import RucioPolicies


def open_inbox(settings: Settings) -> SqlInbox:
    """Open the inbox of events, which lies in the ledger's database."""
    return SqlInbox(open_ledger(settings, "events"))


def open_catalog(settings: Settings) -> RucioCatalog:
    """Open the Rucio client of an installation."""
    from dbb.hooks.rucio_catalog import RucioCatalog  # noqa: PLC0415 - a slow import

    return RucioCatalog(**rucio_login(settings))


def open_policies(settings: Settings) -> RucioPolicies:
    """Open what of Rucio policies decide."""
    from dbb.hooks.rucio_policies import RucioPolicies  # noqa: PLC0415 - a slow import

    return RucioPolicies(**rucio_login(settings))


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
        calibrations=SqlCalibrations(ledger),
        inbox=SqlInbox(ledger),
        clock=SystemClock(),
        catalog=cast(Catalog, WhenUsed(lambda: open_catalog(settings))),
        inspector=cast(Inspector, WhenUsed(inspector)),
        indexer=cast(Indexer, WhenUsed(indexer)),
        sky=cast(Sky, WhenUsed(sky)),
        sidecars=sidecars,
        store=store,
        repository=repository,
        group_patience_s=group_patience_s,
    )
