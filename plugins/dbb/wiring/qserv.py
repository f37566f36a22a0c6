"""Handoffs to Qserv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbb.settings import Settings
from dbb.wiring.base import open_ledger

if TYPE_CHECKING:
    from dbb.flows.qserv_views import Handoff
    from dbb.hooks.qserv.records import SqlQserv


def open_handoff(
    settings: Settings, endpoint: str, release: str, actor: str, patience_s: float = 8 * 3600
) -> Handoff:
    """Open the handoff of a release to an endpoint's Qserv; ``actor`` signs what is recorded."""
    from dbb.hooks.qserv import opening  # noqa: PLC0415 - slow imports
    from dbb.hooks.qserv.records import SqlQserv  # noqa: PLC0415 - the handoff alone

    records = SqlQserv(open_ledger(settings, actor))
    return opening.open_handoff(settings, endpoint, release, records, patience_s)


def open_qserv_records(settings: Settings) -> SqlQserv:
    """Open what is known of all handoffs."""
    from dbb.hooks.qserv.records import SqlQserv  # noqa: PLC0415 - the handoff alone

    return SqlQserv(open_ledger(settings, "qserv"))
