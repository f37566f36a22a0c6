"""The verdict on a night, and the one sentence that says it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from dbb.flows.standing import NOT_WANTED, Line, Standing
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.quarantine import Refusal
from dbb.printable import count


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


def find_verdict(lines: Sequence[Line], refusals: Sequence[Refusal]) -> Verdict:
    """Judge a night: one held refusal or one bad copy outweighs everything."""
    standings = {line.standing for line in lines}
    if refusals or Standing.ACT in standings:
        return Verdict.ACT
    if not lines:
        return Verdict.EMPTY
    return Verdict.WAITING if Standing.WAITING in standings else Verdict.SAFE


def next_command(day: DayObs, lines: Sequence[Line], refusals: Sequence[Refusal]) -> str:
    """Give the command that leads on, or nothing where none is needed."""
    if refusals:
        return f"dbb quarantine list {day}"
    for standing in (Standing.ACT, Standing.WAITING):
        for line in lines:
            if line.standing is standing:
                return f"dbb exposure {line.obs_id}"
    return ""


def say(
    day: DayObs,
    as_of: dt.datetime,
    endpoints: Sequence[str],
    lines: Sequence[Line],
    refusals: Sequence[Refusal],
) -> str:
    """Say the verdict: the word, the count, the reason."""
    verdict = find_verdict(lines, refusals)
    head = f"Night {day.date.isoformat()}: {verdict} —"
    if verdict is Verdict.EMPTY:
        return f"{head} the ledger knows no exposure of this night."
    source, *others = endpoints
    unknown = ("", NOT_WANTED.state)
    publishers = [
        name for name in others if any(line.judged.states[name] not in unknown for line in lines)
    ] or others
    published = f"{_count_published(lines, publishers)} published at {_and(publishers)}"
    if verdict is Verdict.ACT:
        command = next_command(day, lines, refusals)
        problems = _and([*_refused(refusals), *_bad(lines)])
        return f"{head} {problems}; {published}. Next: `{command}`."
    if verdict is Verdict.WAITING:
        return f"{head} {published}; {_waits(lines)}."
    end = "" if as_of >= day.end else f" The night lasts until {day.end:%Y-%m-%d %H:%M:%S} UTC."
    return f"{head} {published}, re-read there; the {source} copies are released{_but(lines)}.{end}"


def _count_published(lines: Sequence[Line], publishers: Sequence[str]) -> str:
    """Count exposures, not units: an exposure of two parts counts when both are published."""
    whole: dict[str, bool] = {}
    for line in lines:
        good = (State.PUBLISHED, NOT_WANTED.state)
        there = all(line.judged.states[name] in good for name in publishers)
        whole[line.obs_id] = whole.get(line.obs_id, True) and there
    are = "is" if len(whole) == 1 else "are"
    return f"{sum(whole.values()):,} of {count(len(whole), 'exposure')} {are}"


def _refused(refusals: Sequence[Refusal]) -> list[str]:
    """Count held refusals by code, and name the exposure of the first."""
    clauses = []
    for code, number in sorted(Counter(item.code for item in refusals).items()):
        items = [item for item in refusals if item.code == code]
        leaf = items[0].unit.rpartition("/")[2]
        others = f" and {number - 1:,} more" if number > 1 else ""
        clauses.append(f"{number:,} {code} ({leaf}{others})")
    return clauses


def _bad(lines: Sequence[Line]) -> list[str]:
    """Count the units that are bad without a refusal that says so."""
    whys = Counter(
        line.judged.why
        for line in lines
        if line.standing is Standing.ACT and not line.judged.refusals
    )
    return [f"{count(number, 'exposure')} that {why}" for why, number in whys.items()]


def _waits(lines: Sequence[Line]) -> str:
    waiting = [line for line in lines if line.standing is Standing.WAITING]
    clauses = []
    for why, number in Counter(line.judged.why for line in waiting).items():
        clauses.append(f"{number:,} {why if number == 1 else why.replace('waits', 'wait', 1)}")
    oldest = min(line.judged.since_at for line in waiting)
    return f"{_and(clauses)}, the oldest since {oldest:%Y-%m-%d %H:%M:%S} UTC"


def _but(lines: Sequence[Line]) -> str:
    """Name what a safe night still lacks, because a person accepted it."""
    rejected = sum(line.standing is Standing.REJECTED for line in lines)
    incomplete = sum(bool(line.missing) for line in lines)
    clauses = []
    if rejected:
        clauses.append(f"{count(rejected, 'rejected exposure')} kept aside")
    if incomplete:
        clauses.append(f"{incomplete:,} accepted without all detectors")
    return f" ({_and(clauses)})" if clauses else ""


def _and(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
