"""The verdict on a night, and the one sentence that says it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from dbb.flows.standing import NOT_WANTED, NightRow, Standing
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.quarantine import Refusal


class Verdict(StrEnum):
    """What a person must know of a night first; each member states what is then true."""

    SAFE = "SAFE"
    """All is published and re-read everywhere and the source's copies are released."""
    WAITING = "WAITING"
    """It goes on by itself."""
    ACT = "ACT"
    """Somebody must decide something."""
    EMPTY = "EMPTY"
    """The ledger knows nothing of the night."""
    UNKNOWN = "UNKNOWN"
    """The night is still looked at, and nobody has looked of late: it may be otherwise by now."""


def find_verdict(rows: Sequence[NightRow], refusals: Sequence[Refusal]) -> Verdict:
    """Judge a night: one held refusal or one bad copy outweighs everything."""
    standings = {line.standing for line in rows}
    if refusals or Standing.ACT in standings:
        return Verdict.ACT
    if not rows:
        return Verdict.EMPTY
    return Verdict.WAITING if Standing.WAITING in standings else Verdict.SAFE


def next_command(day: DayObs, rows: Sequence[NightRow], refusals: Sequence[Refusal]) -> str:
    """Give the command that leads on, or nothing where none is needed."""
    if refusals:
        return f"dbb quarantine list {day}"
    for standing in (Standing.ACT, Standing.WAITING):
        for line in rows:
            if line.standing is standing:
                return f"dbb exposure {line.row.obs_id}"
    return ""


def say(
    day: DayObs,
    as_of: dt.datetime,
    endpoints: Sequence[str],
    rows: Sequence[NightRow],
    refusals: Sequence[Refusal],
) -> str:
    """Say the verdict: the word, the count, the reason."""
    verdict = find_verdict(rows, refusals)
    head = f"Night {day.date.isoformat()}: {verdict} —"
    if verdict is Verdict.EMPTY:
        return f"{head} the ledger knows no exposure of this night."
    source, *others = endpoints
    unknown = ("", NOT_WANTED.state)
    publishers = [
        name for name in others if any(line.places[name].state not in unknown for line in rows)
    ] or others
    published = f"{_count_published(rows, publishers)} published at {_and(publishers)}"
    if verdict is Verdict.ACT:
        command = next_command(day, rows, refusals)
        problems = _and([*_refused(refusals), *_bad(rows)])
        return f"{head} {problems}; {published}. Next: `{command}`."
    if verdict is Verdict.WAITING:
        return f"{head} {published}; {_waits(rows)}."
    end = "" if as_of >= day.end else f" The night lasts until {day.end:%Y-%m-%d %H:%M:%S} UTC."
    return f"{head} {published}, re-read there; the {source} copies are released{_but(rows)}.{end}"


def _count_published(rows: Sequence[NightRow], publishers: Sequence[str]) -> str:
    """Count exposures, not units: an exposure of two parts counts when both are published."""
    whole: dict[str, bool] = {}
    for line in rows:
        good = (State.PUBLISHED, NOT_WANTED.state)
        there = all(line.places[name].state in good for name in publishers)
        whole[line.row.obs_id] = whole.get(line.row.obs_id, True) and there
    are = "is" if len(whole) == 1 else "are"
    return f"{sum(whole.values()):,} of {len(whole):,} {_plural('exposure', len(whole))} {are}"


def _refused(refusals: Sequence[Refusal]) -> list[str]:
    """Count held refusals by code, and name the exposure of the first."""
    clauses = []
    for code, number in sorted(Counter(item.code for item in refusals).items()):
        items = [item for item in refusals if item.code == code]
        leaf = items[0].unit.rpartition("/")[2]
        others = f" and {number - 1:,} more" if number > 1 else ""
        clauses.append(f"{number:,} {code} ({leaf}{others})")
    return clauses


def _bad(rows: Sequence[NightRow]) -> list[str]:
    """Count the units that are bad without a refusal that says so."""
    whys = Counter(line.why for line in rows if line.standing is Standing.ACT and not line.refusals)
    return [f"{number:,} {_plural('exposure', number)} that {why}" for why, number in whys.items()]


def _waits(rows: Sequence[NightRow]) -> str:
    waiting = [line for line in rows if line.standing is Standing.WAITING]
    clauses = []
    for why, number in Counter(line.why for line in waiting).items():
        clauses.append(f"{number:,} {why if number == 1 else why.replace('waits', 'wait', 1)}")
    oldest = min(line.since_at for line in waiting)
    return f"{_and(clauses)}, the oldest since {oldest:%Y-%m-%d %H:%M:%S} UTC"


def _but(rows: Sequence[NightRow]) -> str:
    """Name what a safe night still lacks, because a person accepted it."""
    rejected = sum(line.standing is Standing.REJECTED for line in rows)
    incomplete = sum(bool(line.row.missing) for line in rows)
    clauses = []
    if rejected:
        clauses.append(f"{rejected:,} rejected {_plural('exposure', rejected)} kept aside")
    if incomplete:
        clauses.append(f"{incomplete:,} accepted without all detectors")
    return f" ({_and(clauses)})" if clauses else ""


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"


def _and(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
