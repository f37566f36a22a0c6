"""What pages ask of the ledger."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from dbb.flows.backbone import Backbone
from dbb.hooks.ledger import SqlLedger

if TYPE_CHECKING:
    from dbb.flows.night_sums import NightRows
    from dbb.hooks.alarms import SqlAlarms
    from dbb.hooks.canary_rows import SqlCanaries
    from dbb.hooks.drills import SqlDrills
    from dbb.hooks.keeping import SqlKeeping
    from dbb.hooks.maintenance import SqlMaintenance
    from dbb.hooks.outages import SqlOutages
    from dbb.hooks.page_views import SqlViews


@dataclasses.dataclass(frozen=True)
class Views:
    """Hold what pages ask the ledger's database, over the connection of a backbone's ledger."""

    page: SqlViews
    keeping: SqlKeeping
    canaries: SqlCanaries
    drills: SqlDrills
    alarms: SqlAlarms
    maintenance: SqlMaintenance


def open_views(backbone: Backbone) -> Views:
    """Open what pages ask the ledger's database."""
    from dbb.hooks.alarms import SqlAlarms  # noqa: PLC0415 - few ask
    from dbb.hooks.canary_rows import SqlCanaries  # noqa: PLC0415 - few ask
    from dbb.hooks.drills import SqlDrills  # noqa: PLC0415 - few ask
    from dbb.hooks.keeping import SqlKeeping  # noqa: PLC0415 - few ask
    from dbb.hooks.maintenance import SqlMaintenance  # noqa: PLC0415 - few ask
    from dbb.hooks.page_views import SqlViews  # noqa: PLC0415 - few ask

    ledger = cast(SqlLedger, backbone.ledger)
    return Views(
        SqlViews(ledger), SqlKeeping(ledger), SqlCanaries(ledger), SqlDrills(ledger),
        SqlAlarms(ledger), SqlMaintenance(ledger),
    )  # fmt: skip


def open_nights(backbone: Backbone, *, keep: bool = False) -> NightRows:
    """Open the counts of nights, over the connection of a backbone's ledger.

    With ``keep`` they are kept, and asked again when something has moved.
    """
    from dbb.hooks.nights import KeptNights, SqlNights  # noqa: PLC0415 - few ask

    ledger = cast(SqlLedger, backbone.ledger)
    return KeptNights(ledger) if keep else SqlNights(ledger)


def open_outages(backbone: Backbone) -> SqlOutages:
    """Open the history of publications, over the connection of a backbone's ledger."""
    from dbb.hooks.outages import SqlOutages  # noqa: PLC0415 - few ask

    return SqlOutages(cast(SqlLedger, backbone.ledger))
