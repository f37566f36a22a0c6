"""The Large File Annex."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbb.flows.lfa import Annex
from dbb.model.lfa_classes import LfaDataset
from dbb.model.sidecar import Sidecars
from dbb.ports.store import Store
from dbb.settings import Settings
from dbb.wiring.backbone import open_inbox
from dbb.wiring.base import open_ledger
from dbb.wiring.efd import open_influx

if TYPE_CHECKING:
    from dbb.hooks.lfa import SqlLfaObjects
    from dbb.hooks.lfa_efd import EfdEvents


def open_objects(settings: Settings) -> SqlLfaObjects:
    """Open what is known of the objects of the Large File Annex."""
    from dbb.hooks.lfa import SqlLfaObjects  # noqa: PLC0415 - the annex alone

    return SqlLfaObjects(open_ledger(settings, "lfa"))


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
    from dbb.hooks.lfa_efd import EfdEvents  # noqa: PLC0415 - the EFD alone

    return EfdEvents(open_influx(settings)) if settings.environment.get("DBB_EFD_URL") else None
