"""Taking from caches what its time is over for: plan, look, apply; whatever was killed is made up for.

The ledger lets go first, with the intention, in one transaction with all that allows it. Then Butler's registry
forgets the datasets, then the files go: a reader never finds a row without its file. `apply_expiry` only writes
intentions; `finish_expiries` carries out whatever was intended, by this run or by one that was killed.

Whose the files are: at an endpoint with a storage element Rucio deletes, once no rule wants them there; the rule is
ended here (`expiring_units`). A cache near the telescope has no Rucio and deletes itself (`expiring_oods`).
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from typing import TypeVar

from dbb.errors import PlanRefused
from dbb.flows.expiry_views import CHUNK, ExpiryRows, Place
from dbb.model.expiry import Due, ExpiryBook, Item, Rule, find_due
from dbb.model.plan import Line, Plan

log = logging.getLogger(__name__)
T = TypeVar("T")

EXPIRE, KEEP, TOO_FULL = "expire", "keep", "too full"

BRAKE_ITEMS = 10
"""That many may always go: a part of little is nothing."""


def plan_expiry(place: Place, rows: ExpiryRows, book: ExpiryBook, as_of: dt.datetime) -> Plan:
    """Find out what is due at a place; change nothing.

    Parameters
    ----------
    place, rows, book
        What is asked.
    as_of
        The time at which ages are taken: the same time gives the same plan while nothing else changes.
    """
    due = _find(place, rows, book.at(place.endpoint), as_of)
    lines = [
        _line(place, EXPIRE, f"rule {rule.name}", due.due[rule], rule.name) for rule in due.due
    ]
    why: dict[str, list[Item]] = {}
    for item, reason in due.kept:
        why.setdefault(reason, []).append(item)
    lines += [_line(place, KEEP, reason, why[reason]) for reason in sorted(why)]
    lines += [
        Line(
            TOO_FULL,
            place.endpoint,
            f"rule {rule.name}: {percent} % of {rule.capacity_bytes:,} bytes, and nothing more may go",
        )
        for rule, percent in due.too_full.items()
    ]
    return Plan(tuple(lines))


def _line(
    place: Place, action: str, detail: str, items: Sequence[Item], value: str | None = None
) -> Line:
    return Line(
        action,
        place.endpoint,
        detail,
        units=len(items),
        files=sum(item.files for item in items),
        size_bytes=sum(item.size_bytes for item in items),
        names=tuple(item.name for item in items),
        value=value,
    )


def _find(place: Place, rows: ExpiryRows, rules: Sequence[Rule], as_of: dt.datetime) -> Due:
    items = place.items(rules, as_of)
    over: dict[Rule, list[Item]] = {}
    for item in items:
        rule = next((each for each in rules if each.selects(item)), None)
        if rule is not None and rule.over_at(item) <= as_of:
            over.setdefault(rule, []).append(item)
    held: dict[str, str] = {}
    for rule, old in over.items():
        for chunk in _chunks(old):
            held |= _held(place, rows, rule, chunk, as_of)
    used = {kind: size_bytes for kind, (_, size_bytes) in place.used().items()}
    return find_due(rules, items, held, used, as_of)


def _held(
    place: Place, rows: ExpiryRows, rule: Rule, items: Sequence[Item], as_of: dt.datetime
) -> dict[str, str]:
    """Say why items stay: the place's own reasons, pins, too few copies elsewhere."""
    endpoint = place.endpoint
    held = place.held(items, rule)
    pins = rows.pins()
    wishes = {item.name: place.wish(item, rule) for item in items}
    if rule.needed_copies:
        units = sorted({unit for wish in wishes.values() for unit in wish.units})
        since = as_of - dt.timedelta(days=rule.verified_within_days)
        found = rows.copies(units, endpoint, since)
        for name, wish in wishes.items():
            if not wish.units or any(
                found.get(unit, 0) < rule.needed_copies for unit in wish.units
            ):
                held.setdefault(
                    name,
                    f"fewer than {rule.needed_copies} copies elsewhere were read "
                    f"within {rule.verified_within_days} days",
                )
    for name in wishes:
        pin = next((each for each in pins if each.holds(name, endpoint, as_of)), None)
        if pin is not None:
            until = pin.until_at.isoformat(timespec="minutes")
            held[name] = f"pinned by {pin.owner} until {until}: {pin.reason}"
    return held


def is_large(place: Place, book: ExpiryBook, plan: Plan) -> bool:
    """Say whether a plan takes away so much that a person must look at it first."""
    return bool(_too_much(place, book, plan))


def _too_much(place: Place, book: ExpiryBook, plan: Plan) -> tuple[int, int] | None:
    rules = {rule.name: rule for rule in book.at(place.endpoint)}
    held = place.used()
    due: dict[str, int] = {}
    for line in plan.of(EXPIRE):
        kind = rules[str(line.value)].kind
        due[kind] = due.get(kind, 0) + line.units
        there, _ = held.get(kind, (0, 0))
        if due[kind] > max(BRAKE_ITEMS, there * book.approve_above_percent / 100):
            return due[kind], there
    return None


def apply_expiry(
    place: Place,
    rows: ExpiryRows,
    book: ExpiryBook,
    as_of: dt.datetime,
    sha256: str,
    *,
    accept_large: bool = False,
) -> dict[str, int]:
    """Do what a plan says, if it is still the plan.

    Parameters
    ----------
    place, rows, book, as_of
        As the plan was made.
    sha256
        Identity of the plan that somebody reviewed, or at least its first 12 digits.
    accept_large
        Whether more may go than the brake allows.

    Returns
    -------
    dict
        How many items were ``due``, ``intended`` (a pin that came meanwhile holds), and are ``under_way``.

    Raises
    ------
    PlanRefused
        If the plan would be another one now, or takes too much away.
    """
    plan = plan_expiry(place, rows, book, as_of)
    if len(sha256) < 12 or not plan.sha256.startswith(sha256):
        raise PlanRefused.for_stale(sha256, plan.sha256)
    much = _too_much(place, book, plan)
    if much and not accept_large:
        raise PlanRefused.for_too_much(place.endpoint, *much)
    rules = {rule.name: rule for rule in book.at(place.endpoint)}
    items = {item.name: item for item in place.items(list(rules.values()), as_of)}
    counts = {"due": 0, "intended": 0}
    for line in plan.of(EXPIRE):
        rule = rules[str(line.value)]
        for names in _chunks(line.names):
            chosen = [items[name] for name in names if name in items]
            spared = place.held(chosen, rule)  # a tag may have come since the plan
            wishes = [place.wish(item, rule) for item in chosen if item.name not in spared]
            intended = rows.intend(place.endpoint, rule, wishes, are_units=place.are_units)
            counts["due"] += len(names)
            counts["intended"] += len(intended)
        log.info(
            "action=expire endpoint=%s items=%d bytes=%d reason=%s plan=%s",
            line.subject, line.units, line.size_bytes, line.detail, plan.sha256[:12],
        )  # fmt: skip
    return counts | finish_expiries(place, rows)


def finish_expiries(place: Place, rows: ExpiryRows) -> dict[str, int]:
    """Carry out what was intended, by whomever; count what is still ``under_way``."""
    for chunk in _chunks(rows.open(place.endpoint)):
        place.carry_out(chunk)
    left = len(rows.open(place.endpoint))
    log.info("action=finish-expiries endpoint=%s under_way=%d", place.endpoint, left)
    return {"under_way": left}


def find_too_full(plan: Plan) -> list[tuple[str, str]]:
    """Name the caches that are too full although nothing more may go, with what is said of each."""
    return [(line.subject, line.detail) for line in plan.of(TOO_FULL)]


def _chunks(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(things), CHUNK):
        yield things[first : first + CHUNK]
