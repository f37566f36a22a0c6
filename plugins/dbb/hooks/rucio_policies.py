"""What of Rucio policies decide: subscriptions, distances between RSEs, attributes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from rucio.common import exception as rucio

from dbb.flows.policy_plan import PREFIX, Subscription
from dbb.hooks.rucio_client import PrivateTokenClient, make_client
from dbb.hooks.rucio_errors import rucio_errors
from dbb.model.kind import Kind

_ACTIVE = ("ACTIVE", "UPDATED", "NEW")
_UNFULFILLED = ("R", "S")
"""Replicating and stuck, as Rucio's filter of rules spells them."""


class RucioPolicies:
    """Know and change subscriptions, distances and attributes.

    Parameters
    ----------
    host
        URL of the Rucio server.
    account, username, password
        The Rucio account that owns the subscriptions, and a user that may act for it.
    """

    def __init__(self, host: str, account: str, username: str, password: str) -> None:
        self.account = account
        self._login = (host, account, username, password)

    @cached_property
    def _client(self) -> PrivateTokenClient:
        return make_client(*self._login)

    def subscriptions(self) -> dict[str, Subscription]:
        """Read our active subscriptions, by name."""
        with rucio_errors("subscriptions"):
            try:
                rows = list(self._client.list_subscriptions(account=self.account))
            except rucio.SubscriptionNotFound:
                rows = []
        return {
            row["name"]: _subscription(row)
            for row in rows
            if row["name"].startswith(PREFIX) and row["state"] in _ACTIVE
        }

    def save_subscription(self, subscription: Subscription) -> None:
        """Make a subscription, or change the one of that name."""
        given = {
            "account": self.account,
            "filter_": dict(subscription.filter),
            "replication_rules": [dict(rule) for rule in subscription.rules],
            "comments": subscription.comment,
            "lifetime": None,
            "retroactive": False,
            "dry_run": False,
        }
        with rucio_errors("save_subscription"):
            try:
                self._client.add_subscription(subscription.name, **given)
            except (rucio.SubscriptionDuplicate, rucio.Duplicate):
                # An ended one is active again by that.
                self._client.update_subscription(subscription.name, **given)

    def end_subscription(self, name: str) -> None:
        """End a subscription; one that is ended already is no error."""
        with rucio_errors("end_subscription"), contextlib.suppress(rucio.SubscriptionNotFound):
            self._client.deactivate_subscription(name, account=self.account)

    def distances(self, rses: Iterable[str]) -> dict[tuple[str, str], int]:
        """Read the distances between RSEs, by source and destination."""
        names = list(rses)
        found = {}
        with rucio_errors("distances"):
            for source in names:
                for destination in names:
                    if source == destination:
                        continue
                    rows = list(self._client.get_distance(source, destination))
                    if rows:
                        found[source, destination] = int(rows[0]["distance"])
        return found

    def set_distance(self, source: str, destination: str, distance: int | None) -> None:
        """Set a distance; None takes the link away."""
        with rucio_errors("set_distance"):
            if distance is None:
                self._client.delete_distance(source, destination)
            elif list(self._client.get_distance(source, destination)):
                self._client.update_distance(source, destination, {"distance": distance})
            else:
                self._client.add_distance(source, destination, {"distance": distance})

    def attributes(self, rse: str) -> dict[str, str]:
        """Read the attributes of an RSE."""
        with rucio_errors("attributes"):
            found = self._client.list_rse_attributes(rse)
        return {key: str(value) for key, value in found.items()}

    def set_attribute(self, rse: str, key: str, value: str) -> None:
        """Set an attribute of an RSE."""
        with rucio_errors("set_attribute"):
            self._client.add_rse_attribute(rse, key, value)

    def waiting_sources(self, rse: str) -> dict[str, str]:
        """Read from which RSE our unfulfilled rules at an RSE copy."""
        found = {}
        for state in _UNFULFILLED:
            wanted = {"account": self.account, "rse_expression": rse, "state": state}
            with rucio_errors("waiting_sources"):
                for rule in self._client.list_replication_rules(wanted):
                    found[str(rule["id"])] = rule["source_replica_expression"] or ""
        return found

    def declare_kinds(self) -> None:
        """Have Rucio accept the kinds as values of ``datatype``."""
        with rucio_errors("declare_kinds"):
            known = set(self._client.list_values("datatype") or ())
            for kind in Kind:
                if kind not in known:
                    with contextlib.suppress(rucio.Duplicate):
                        self._client.add_value("datatype", str(kind))


def _subscription(row: dict[str, Any]) -> Subscription:
    matches, rules = row["filter"], row["replication_rules"]
    return Subscription(
        name=row["name"],
        filter=json.loads(matches) if isinstance(matches, str) else matches,
        rules=tuple(json.loads(rules) if isinstance(rules, str) else rules),
        comment=row["comments"] or "",
    )
