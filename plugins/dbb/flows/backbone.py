"""The ports that a flow works with, gathered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dbb.model.calibration import GROUP_PATIENCE_S
from dbb.model.endpoint import RawPolicy
from dbb.model.instrument import Instrument
from dbb.model.policy import PolicyBook
from dbb.ports.calibrations import Calibrations
from dbb.ports.catalog import Catalog
from dbb.ports.clock import Clock
from dbb.ports.images import Indexer, Inspector, ReadSidecars, Sky
from dbb.ports.inbox import Inbox
from dbb.ports.ledger import Ledger
from dbb.ports.repository import Repository
from dbb.ports.store import Store


@dataclass(frozen=True)
class Backbone:
    """Hold the policies and the ports; those of an endpoint are opened when a flow asks.

    Parameters
    ----------
    policy
        How raw exposures are handled.
    policies
        Who receives what.
    instruments
        By Butler name.
    rses
        Rucio storage element by endpoint.
    ledger, calibrations, inbox, clock, catalog, inspector, indexer, sky
        The ports that exist once.
    sidecars
        Reads what travels beside the files of a batch.
    store, repository
        Open the port of an endpoint, by its name.
    group_patience_s
        By instrument, how long after its last exposure a calibration sequence may be incomplete.
    """

    policy: RawPolicy
    policies: PolicyBook
    instruments: Mapping[str, Instrument]
    rses: Mapping[str, str]
    ledger: Ledger
    calibrations: Calibrations
    inbox: Inbox
    clock: Clock
    catalog: Catalog
    inspector: Inspector
    indexer: Indexer
    sky: Sky
    sidecars: ReadSidecars
    store: Callable[[str], Store]
    repository: Callable[[str], Repository]
    group_patience_s: Callable[[str], float] = lambda _: GROUP_PATIENCE_S

    @property
    def source(self) -> Store:
        """Give the store where the camera's files appear."""
        return self.store(self.policy.source)

    @property
    def archive(self) -> Store:
        """Give the store where bundles are made."""
        return self.store(self.policy.archive)

    def stored_name(self, name: str) -> str:
        """Give the name in a store of a file of the policy's scope (Rucio's layout)."""
        return f"{self.policy.scope}/{name}"
