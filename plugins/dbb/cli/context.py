"""What a command is given: the settings, the ports and a place to write."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from dbb.cli.output import Output
from dbb.flows.backbone import Backbone
from dbb.flows.reconcile_views import Sources
from dbb.settings import Settings


def user_name() -> str:
    """Name the person at the keyboard, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _open(settings: Settings) -> Backbone:
    from dbb.wiring.backbone import open_backbone  # noqa: PLC0415 - `dbb --help` opens nothing
    from dbb.wiring.base import open_ledger  # noqa: PLC0415 - `dbb --help` opens nothing

    open_ledger(settings, "").check()
    return open_backbone(settings, f"dbb {user_name()}")


def _open_sources(settings: Settings, backbone: Backbone) -> Sources:
    from dbb.wiring.keeping import open_sources  # noqa: PLC0415 - reconciling alone

    return open_sources(settings, backbone)


@dataclass
class Context:
    """Hold the settings and open the ports when a command asks.

    Parameters
    ----------
    settings
        Places and policies.
    output
        Where to write.
    open_ports
        How the ports are opened; the ledger's schema is checked first.
    open_reconciler
        How what a reconciler compares is opened.
    """

    settings: Settings
    output: Output
    open_ports: Callable[[Settings], Backbone] = field(default=_open)
    open_reconciler: Callable[[Settings, Backbone], Sources] = field(default=_open_sources)

    @cached_property
    def backbone(self) -> Backbone:
        """Open the ports once."""
        return self.open_ports(self.settings)

    @cached_property
    def sources(self) -> Sources:
        """Open what a reconciler compares, once."""
        return self.open_reconciler(self.settings, self.backbone)
