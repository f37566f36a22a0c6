"""Rucio's set-up in memory: subscriptions, distances, attributes."""

from __future__ import annotations

from collections.abc import Iterable

from dbb.flows.policy_plan import Subscription
from support.fake_catalog import MemoryCatalog


class MemoryInfrastructure:
    """Keep subscriptions, distances and attributes, as Rucio does.

    Parameters
    ----------
    catalog
        Where the rules are.
    """

    def __init__(self, catalog: MemoryCatalog) -> None:
        self.catalog = catalog
        self.kept: dict[str, Subscription] = {}
        self.links: dict[tuple[str, str], int] = {}
        self.tags: dict[str, dict[str, str]] = {}

    def subscriptions(self) -> dict[str, Subscription]:
        return dict(self.kept)

    def save_subscription(self, subscription: Subscription) -> None:
        self.kept[subscription.name] = subscription

    def end_subscription(self, name: str) -> None:
        self.kept.pop(name, None)

    def distances(self, rses: Iterable[str]) -> dict[tuple[str, str], int]:
        list(rses)
        return dict(self.links)

    def set_distance(self, source: str, destination: str, distance: int | None) -> None:
        self.links.pop((source, destination), None)
        if distance is not None:
            self.links[source, destination] = distance

    def attributes(self, rse: str) -> dict[str, str]:
        return dict(self.tags.get(rse, {}))

    def set_attribute(self, rse: str, key: str, value: str) -> None:
        self.tags.setdefault(rse, {})[key] = value

    def waiting_sources(self, rse: str) -> dict[str, str]:
        return self.catalog.waiting_sources(rse)

    def declare_kinds(self) -> None:
        pass
