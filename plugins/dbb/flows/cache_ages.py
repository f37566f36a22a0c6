"""How old what caches hold is: noted by each run of expiry at its endpoint, read by the page of buffers and caches."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from dbb.flows.backbone import Backbone
from dbb.flows.expiry_views import Place
from dbb.model.expiry import Item, Rule

LASTS = dt.timedelta(hours=13)
"""The DAGs ``expire_<endpoint>`` run every six hours."""

Document = dict[str, Any]


def note_cache_ages(backbone: Backbone, place: Place, rules: Sequence[Rule]) -> list[Document]:
    """Look at everything that a place holds and a rule selects; write down the oldest, by rule."""
    # As of the end of the shortest lifetime, so that what is new is listed as well.
    as_of = backbone.clock.now() + min((rule.lifetime for rule in rules), default=dt.timedelta())
    chosen: dict[Rule, list[Item]] = {rule: [] for rule in rules}
    for item in place.items(rules, as_of):
        rule = next((each for each in rules if each.selects(item)), None)
        if rule is not None:
            chosen[rule].append(item)
    ages = [_age(rule, items) for rule, items in chosen.items()]
    backbone.ledger.note(_name(place.endpoint), json.dumps(ages))
    return ages


def _age(rule: Rule, items: Sequence[Item]) -> Document:
    next_at = min((rule.over_at(item) for item in items), default=None)
    return {
        "rule": rule.name,
        "kind": str(rule.kind),
        "lifetime_days": rule.lifetime_days,
        "items": len(items),
        "bytes": sum(item.size_bytes for item in items),
        "oldest_at": None if next_at is None else _time(next_at - rule.lifetime),
        "next_at": None if next_at is None else _time(next_at),
    }


def read_cache_ages(backbone: Backbone, endpoints: Iterable[str]) -> list[Document]:
    """Read what was noted last at endpoints, with its time; those of which nothing was are left out."""
    now = backbone.clock.now()
    noted = backbone.ledger.noted([_name(endpoint) for endpoint in endpoints])
    return [
        {
            "endpoint": name.partition("/")[2],
            "noted_at": _time(each.at),
            "is_old": now - each.at > LASTS,
            **age,
        }
        for name, each in sorted(noted.items())
        for age in json.loads(each.document)
    ]


def _name(endpoint: str) -> str:
    return f"cache/{endpoint}"


def _time(time: dt.datetime) -> str:
    return time.isoformat(timespec="seconds")
