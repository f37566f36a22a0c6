"""Sums over everything there is: too slow to be made for each reader, hence made every hour and noted.

A reader gets the newest one with the time at which it was made. Where none was noted yet, it is made for the reader.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.scrubbing import Coverage, Readings, find_coverage
from dbb.model.drill import Drill, DrillKind
from dbb.model.loss import LossAccount

READING_COUNTS_DAYS = 90
LASTS = dt.timedelta(hours=3)
"""After this nobody calls a sum that is made every hour the newest word."""

AGES_DAYS = (1, 7, 30, 90, 365)

Document = dict[str, Any]


class Accounts(Readings, Protocol):
    """Know the account of losses beside the readings."""

    def account(self, source: str, period: dt.timedelta) -> LossAccount:
        """Sum up raw images; a reading counts for a period."""


class Drills(Protocol):
    """Remember drills."""

    def newest(self, kind: DrillKind | None = None, most: int = 20) -> list[Drill]:
        """Read the newest drills, of one kind or of all."""


class CopyRows(Protocol):
    """Count copies."""

    def copies(self) -> dict[int, int]:
        """Count raw units by how many good copies they have."""


def budget_sum(
    backbone: Backbone, accounts: Accounts, drills: Drills, days: int = READING_COUNTS_DAYS
) -> Document:
    """Make the account of losses, with what was shown last by doing it: schema ``dbb-budget/1``."""
    account = accounts.account(backbone.policy.source, dt.timedelta(days=days))
    campaign = next(iter(drills.newest(DrillKind.CORRUPTIONS, 1)), None)
    restored = [
        drill
        for kind in DrillKind
        if kind is not DrillKind.CORRUPTIONS
        for drill in drills.newest(kind, 1)
    ]
    told = None
    if campaign is not None:
        told = campaign.to_json() | {"missed_share_at_most": campaign.undetected_at_most}
    return {
        "schema": "dbb-budget/1",
        "as_of": _now(backbone),
        "days": days,
        "loss": account.to_json(),
        "campaign": told,
        "drills": [drill.to_json() for drill in restored],
    }


def budget_sentences(document: Document) -> list[str]:
    """Say what can be claimed: of the images, and of the readings themselves."""
    row, campaign = document["loss"], document["campaign"]
    percent, bound = 100 * row["confidence"], row["lost_share_at_most"]
    told = [
        "Nothing was read yet: nothing can be claimed."
        if bound is None
        else f"At most {bound:.2g} of the raw images are lost ({percent:.0f} % confidence; goal "
        f"{row['goal']:.0e}); {row['read_again']:,} of {row['images']:,} were read within "
        f"{document['days']} days."
    ]
    if campaign is not None:
        told.append(
            f"Of {campaign['units']:,} damaged copies planted on {campaign['ended_at'][:10]} a reading "
            f"missed {len(campaign['wrong']):,}: it misses at most "
            f"{campaign['missed_share_at_most']:.2g} of all damage ({percent:.0f} % confidence)."
        )
    return told


def replicas_sum(
    backbone: Backbone, accounts: Accounts, rows: CopyRows, periods: dict[str, int]
) -> Document:
    """Make the map of copies: how many, how old their readings are, how far reading again is.

    Parameters
    ----------
    periods
        By endpoint, within how many days each copy is read again.
    """
    now = backbone.clock.now()
    wanted = backbone.policy.copies_before_release
    copies = rows.copies()
    endpoints = []
    for name, days in periods.items():
        coverage: Coverage = find_coverage(backbone, accounts, name, dt.timedelta(days=days))
        ages = dict.fromkeys([f"{most} d" for most in AGES_DAYS] + ["older"], 0)
        for age in accounts.ages(name):
            old = (now - age.oldest_at).total_seconds() / 86400
            most = next((f"{limit} d" for limit in AGES_DAYS if old <= limit), "older")
            ages[most] += age.copies
        runs, read, size_bytes, damaged = accounts.runs(name, now - dt.timedelta(days=1))
        day = {"runs": runs, "copies": read, "bytes": size_bytes, "damaged": damaged}
        endpoints.append({**coverage.to_json(), "period_days": days, "ages": ages, "last_day": day})
    return {
        "schema": "dbb-replicas/1",
        "as_of": _now(backbone),
        "copies_wanted": wanted,
        "units_by_copies": {str(number): units for number, units in copies.items()},
        "units_below": sum(units for number, units in copies.items() if number < wanted),
        "endpoints": endpoints,
    }


def note_sum(backbone: Backbone, name: str, document: Document) -> Document:
    """Write a sum down as the newest word; give it back."""
    backbone.ledger.note(f"sum/{name}", json.dumps(document))
    return document


def read_sum(backbone: Backbone, name: str, make: Callable[[], Document]) -> Document:
    """Read the newest sum; make one where nobody has, and write nothing."""
    noted = backbone.ledger.noted([f"sum/{name}"]).get(f"sum/{name}")
    return make() if noted is None else json.loads(noted.document)


def is_old(document: Document, now: dt.datetime) -> bool:
    """Say whether a sum is older than the newest one may be."""
    return now - dt.datetime.fromisoformat(document["as_of"]) > LASTS


def _now(backbone: Backbone) -> str:
    return backbone.clock.now().isoformat(timespec="milliseconds")
