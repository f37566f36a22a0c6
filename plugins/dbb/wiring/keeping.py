"""What keeps and lets go: expiry, reconciling, exports."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dbb.flows.backbone import Backbone
from dbb.flows.reconcile_views import ButlerNights, Findings, RucioNights, Sources
from dbb.model.endpoint import Role
from dbb.settings import Settings
from dbb.wiring.annex import open_objects
from dbb.wiring.base import WhenUsed, open_ledger, rucio_login
from dbb.wiring.oods import open_oods

if TYPE_CHECKING:
    from dbb.flows.expiry_views import ExpiryRows, Place
    from dbb.flows.export_ports import ExportPorts
    from dbb.flows.export_ports import Selection as ExportSelection
    from dbb.hooks.expiry import SqlExpiry
    from dbb.hooks.keeping import SqlKeeping


def open_keeping(settings: Settings, actor: str) -> SqlKeeping:
    """Open what the ledger's database knows of keeping; ``actor`` signs what is recorded."""
    from dbb.hooks.keeping import SqlKeeping  # noqa: PLC0415 - keeping alone

    return SqlKeeping(open_ledger(settings, actor))


def open_expiry(settings: Settings, actor: str) -> SqlExpiry:
    """Open what the ledger's database knows of expiry; ``actor`` signs what is recorded."""
    from dbb.hooks.expiry import SqlExpiry  # noqa: PLC0415 - expiry alone

    return SqlExpiry(open_ledger(settings, actor))


def open_place(settings: Settings, backbone: Backbone, rows: ExpiryRows, name: str) -> Place:
    """Open an endpoint as a place from which things go."""
    from dbb.flows.expiring_oods import OodsPlace  # noqa: PLC0415 - expiry alone
    from dbb.flows.expiring_units import UnitsPlace  # noqa: PLC0415 - expiry alone

    if settings.endpoint(name).role is Role.CACHE:
        return OodsPlace(open_oods(settings), backbone, rows, name)
    return UnitsPlace(backbone, rows, name)


def open_findings(settings: Settings) -> Findings:
    """Open what reconcilers found."""
    from dbb.hooks.findings import SqlFindings  # noqa: PLC0415 - keeping alone

    return SqlFindings(open_ledger(settings, "expiry"))


def open_sources(settings: Settings, backbone: Backbone) -> Sources:
    """Open what a reconciler compares, beside the ports of the backbone."""
    from dbb.hooks.findings import SqlFindings  # noqa: PLC0415 - reconciling alone

    def rucio() -> RucioNights:
        from dbb.hooks.rucio_listing import RucioListing  # noqa: PLC0415 - a slow import

        return RucioListing(**rucio_login(settings))

    @cache
    def butler(endpoint: str) -> ButlerNights:
        from dbb.hooks.butler_listing import ButlerListing  # noqa: PLC0415 - a slow import

        root = settings.resolve(settings.endpoint(endpoint).butler)
        return ButlerListing(root, lambda each: settings.raw.run.format(instrument=each))

    return Sources(
        backbone=backbone,
        rucio=cast(RucioNights, WhenUsed(rucio)),
        butler=butler,
        findings=SqlFindings(open_ledger(settings, "reconcile")),
    )


def open_exports(settings: Settings, actor: str, *, is_signed: bool = True) -> ExportPorts:
    """Open what exports need beside the backbone; ``DBB_EXPORT_KEY`` names the file of the key."""
    from dbb.flows.export_ports import ExportPorts  # noqa: PLC0415 - exports alone
    from dbb.hooks.export_work import ExportWork  # noqa: PLC0415 - exports alone
    from dbb.hooks.exports import SqlExports  # noqa: PLC0415 - exports alone
    from dbb.hooks.posix_store import PosixStore  # noqa: PLC0415 - exports alone
    from dbb.hooks.ssh_signature import SshSigner  # noqa: PLC0415 - exports alone

    def selection(endpoint: str) -> ExportSelection:
        from dbb.hooks.butler_export import ButlerExport  # noqa: PLC0415 - a slow import

        return ButlerExport(settings.resolve(settings.endpoint(endpoint).butler))

    ledger, objects = open_ledger(settings, actor), open_objects(settings)
    return ExportPorts(
        selection=selection,
        open_folder=PosixStore,
        open_work=ExportWork,
        rows=SqlExports(ledger),
        signer=SshSigner(Path(settings.value("DBB_EXPORT_KEY"))) if is_signed else None,
        units_of_objects=lambda keys: {each.key: each.unit for each in objects.by_key(keys)},
    )
