"""Reading the rules of expiry: one strict document, and the policies that have an end."""

from __future__ import annotations

import re
from typing import Any

from dbb.documents import build, read_document
from dbb.errors import PolicyUnreadable
from dbb.model.endpoint import Role
from dbb.model.expiry import By, ExpiryBook, Rule
from dbb.model.kind import Kind
from dbb.settings import Settings

FILE = "rules.yaml"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}", re.ASCII)


def load_expiry(settings: Settings) -> ExpiryBook:
    """Read ``include/expiry/rules.yaml``; add a rule for each policy that keeps its copies for a while.

    Raises
    ------
    PolicyUnreadable
        If it has not the right shape, or a rule could take away what the archive keeps for ever.
    """
    document = read_document(settings.include / "expiry" / FILE)
    rows = document.get("rules")
    percent = document.get("approve_above_percent")
    if set(document) != {"rules", "approve_above_percent"} or not isinstance(rows, list):
        raise PolicyUnreadable.for_file(FILE, "it is no list of `rules` with approve_above_percent")
    if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 100:
        raise PolicyUnreadable.for_file(FILE, "approve_above_percent is not from 0 to 100")
    rules = [_rule(settings, row) for row in rows]
    rules += [
        Rule(
            name=policy.name,
            endpoints=(policy.receiver,),
            kind=policy.what.kind,
            lifetime_days=policy.keep_days,
            by=By.INGEST,
            copies=policy.copies,
            of_policy=True,
        )
        for policy in settings.policies
        if policy.keep_days
    ]
    names = [rule.name for rule in rules]
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise PolicyUnreadable.for_file(FILE, f"{name!r} is no name of a rule, or that of two")
    return ExpiryBook(tuple(rules), percent)


def _rule(settings: Settings, row: Any) -> Rule:
    name = row.get("name", "?") if isinstance(row, dict) else "?"
    where = f"{FILE}: {name}"
    rule = build(Rule, row, where, leave_out=frozenset({"of_policy"}))

    def refuse(why: str) -> PolicyUnreadable:
        return PolicyUnreadable.for_file(where, why)

    if rule.lifetime_days < 1:
        raise refuse("lifetime_days is less than 1")
    if not rule.endpoints:
        raise refuse("it names no endpoint")
    for place in rule.endpoints:
        _check_place(settings, rule, place, where)
    if rule.kind.is_archived and (rule.copies < 1 or rule.verified_within_days < 1):
        raise refuse("of what is archived a copy, verified within a day or more, must be elsewhere")
    marks = (rule.high_percent, rule.low_percent)
    if rule.capacity_bytes:
        if not 0 < rule.low_percent < rule.high_percent <= 100:
            raise refuse("low_percent is not below high_percent, within 1 and 100")
    elif any(marks):
        raise refuse("it has watermarks and no capacity_bytes")
    return rule


def _check_place(settings: Settings, rule: Rule, place: str, where: str) -> None:
    endpoint = settings.endpoints.get(place)
    if endpoint is None or endpoint.role is Role.SOURCE:
        raise PolicyUnreadable.for_file(where, f"{place} is no endpoint that serves anything")
    if endpoint.role is Role.CACHE and (rule.kind is not Kind.RAW or rule.dataset_types):
        raise PolicyUnreadable.for_file(where, f"{place} holds raw images, of whatever type")
    if endpoint.role is Role.ARCHIVE and rule.kind.is_archived:
        raise PolicyUnreadable.for_file(where, f"{place} keeps {rule.kind} for ever")
