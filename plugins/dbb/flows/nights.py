"""Several nights at once: a verdict and the numbers behind it for each, and one for them all.

Units that stand alike are counted by the database and judged once, by the same rules as in the report of one night:
a year of nights costs a few hundred judgements, not a million.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbb.errors import BadDayObs
from dbb.flows.backbone import Backbone
from dbb.flows.freshness import is_stale, looked_at
from dbb.flows.night_sums import Alike, NightRows, NightSum, time_json
from dbb.flows.standing import Standing, judge_unit
from dbb.flows.verdict import Verdict
from dbb.model.day_obs import DayObs
from dbb.model.delivery import Delivery, State
from dbb.model.quarantine import Decision, Refusal
from dbb.ports.ledger import UnitRow

SCHEMA = "dbb-nights/1"
NIGHTS = 28
MOST_NIGHTS = 400


@dataclass(frozen=True)
class NightsReport:
    """Hold several nights, the newest first.

    Parameters
    ----------
    looked
        When somebody last looked at the source.
    """

    as_of: dt.datetime
    looked: dt.datetime | None
    source: str
    second_reading_after_s: int
    nights: tuple[NightSum, ...]

    def of(self, verdict: Verdict) -> list[NightSum]:
        """List the nights with a verdict."""
        return [night for night in self.nights if night.verdict is verdict]

    @property
    def verdict(self) -> Verdict:
        """Give the verdict on all of them: the one that most needs somebody."""
        order = (Verdict.ACT, Verdict.UNKNOWN, Verdict.WAITING, Verdict.SAFE)
        return next((each for each in order if self.of(each)), Verdict.EMPTY)

    @property
    def expected_at(self) -> dt.datetime | None:
        """Tell by when all that waits is safe, if nothing else stands in the way."""
        times = [night.expected_at(self.second_reading_after_s) for night in self.nights]
        return max((time for time in times if time is not None), default=None)

    @property
    def cause(self) -> NightSum | None:
        """Give the night that the verdict is about: the newest one that has it."""
        return next(iter(self.of(self.verdict)), None)

    @property
    def sentence(self) -> str:
        """Say the verdict in one line."""
        verdict, mine = self.verdict, self.of(self.verdict)
        if verdict is Verdict.ACT:
            number = sum(night.problems for night in mine)
            items, need = ("item", "needs") if number == 1 else ("items", "need")
            return f"ACT — {number:,} {items} of {_nights(mine)} {need} a decision."
        if verdict is Verdict.UNKNOWN:
            since = "ever" if self.looked is None else f"since {self.looked:%Y-%m-%d %H:%M:%S} UTC"
            return (
                f"UNKNOWN — nobody has looked at {self.source} {since}: {_nights(mine)} may be "
                "otherwise than the ledger says. See `dbb doctor`."
            )
        if verdict is Verdict.WAITING:
            number = sum(night.standings[Standing.WAITING] for night in mine)
            wait = "waits" if number == 1 else "wait"
            return f"WAITING — {number:,} of {_nights(mine)} {wait}; {self._when()}."
        if verdict is Verdict.SAFE:
            number = sum(night.exposures for night in mine)
            what, are = (
                ("the one exposure", "is") if number == 1 else (f"all {number:,} exposures", "are")
            )
            return f"SAFE — {what} of {_nights(mine)} {are} published and re-read."
        return "EMPTY — the ledger knows no exposure of these nights."

    def _when(self) -> str:
        expected = self.expected_at
        if expected is None:
            return "no time can be given yet"
        word = "expected by" if expected >= self.as_of else "overdue since"
        return f"{word} {expected:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def release_sentence(self) -> str:
        """Say whether the source's buffer may let go of what it holds of these nights."""
        held = sum(night.at_source for night in self.nights)
        if self.of(Verdict.UNKNOWN):
            return f"May the {self.source} buffer be released? Nobody can say: the last look is too old."
        if not held and not self.of(Verdict.ACT):
            return f"May the {self.source} buffer be released? Yes: it holds nothing of these nights that is needed."
        units, lie = ("exposure", "lies") if held == 1 else ("exposures", "lie")
        then = (
            "what needs a decision comes first"
            if self.of(Verdict.ACT)
            else "each is let go by itself once enough copies were read"
        )
        return f"May the {self.source} buffer be released? No: {held:,} {units} of these nights {lie} there still; {then}."

    @property
    def next_command(self) -> str:
        """Give the command that leads on, or nothing where none is needed."""
        cause = self.cause
        leads = self.verdict in (Verdict.ACT, Verdict.WAITING) and cause is not None
        return f"dbb night {cause.day_obs}" if leads and cause is not None else ""

    def to_json(self) -> dict[str, Any]:
        """Give the report as a document of schema ``dbb-nights/1``."""
        return {
            "schema": SCHEMA,
            "as_of": self.as_of.isoformat(timespec="milliseconds"),
            "looked_at": time_json(self.looked),
            "verdict": str(self.verdict),
            "sentence": self.sentence,
            "release": self.release_sentence,
            "next_command": self.next_command,
            "expected_at": time_json(self.expected_at),
            "nights": [night.to_json(self.second_reading_after_s) for night in self.nights],
        }


def nights_report(
    backbone: Backbone, rows: NightRows, last: DayObs | None = None, number: int = NIGHTS
) -> NightsReport:
    """Read nights from the ledger: four queries, whatever their number.

    Parameters
    ----------
    backbone, rows
        The ports.
    last
        The last of them; tonight, or the newest night of which something is known, if left out.
    number
        How many.

    Raises
    ------
    BadDayObs
        If so many nights are not to be had.
    """
    if not 1 <= number <= MOST_NIGHTS:
        raise BadDayObs.for_value(f"{number} nights (1 to {MOST_NIGHTS})")
    now = backbone.clock.now()
    instruments = sorted(backbone.instruments)
    last = last or max(DayObs.at(now), DayObs(rows.newest_night(instruments) or 0))
    begin = max(DayObs.parse(20170102).date, last.date - dt.timedelta(days=number - 1))
    first = DayObs.parse(begin.isoformat())
    looked = looked_at(backbone)
    sums = {
        day.value: NightSum(day, is_stale(day, looked, now)) for day in DayObs.range(first, last)
    }
    refusals = rows.refusals(first.value, last.value)
    names = sorted({name for item in refusals for name in (item.unit, item.unit.partition(".")[0])})
    for each in rows.alike(first.value, last.value, instruments, names):
        _add_alike(backbone, sums[each.day_obs], each, now)
    _add_refused(backbone, sums, refusals, names)
    policy = backbone.policy
    return NightsReport(
        now, looked, policy.source, policy.second_reading_after_s, tuple(reversed(sums.values()))
    )


def _add_alike(backbone: Backbone, night: NightSum, each: Alike, now: dt.datetime) -> None:
    """Judge one for all: what differs between them are times, which decide nothing here."""
    deliveries = {
        name: Delivery(each.unit, name, state, now, 0, "", verified_at=now if was_read else None)
        for name, state, was_read in each.states
    }
    row = UnitRow(each.unit, "", "", each.day_obs, "", 1, 0, 0, (), now, gate=each.gate)
    _add(backbone, night, row, deliveries, (), each.units)
    night.exposures += each.exposures
    night.expected += each.expected
    night.lacks += each.lacks
    if each.moved_at is not None:
        night.moved_at = max(night.moved_at or each.moved_at, each.moved_at)


def _add(
    backbone: Backbone,
    night: NightSum,
    row: UnitRow,
    deliveries: dict[str, Delivery],
    refusals: Sequence[Refusal],
    units: int,
) -> None:
    judged = judge_unit(backbone.policy, row, deliveries, refusals)
    night.units += units
    night.standings[judged.standing] += units
    if judged.standing is not Standing.SAFE:
        night.whys[judged.why] += units
    source = deliveries.get(backbone.policy.source)
    if source is None or source.state is not State.RELEASED:
        night.at_source += units


def _add_refused(
    backbone: Backbone,
    sums: dict[int, NightSum],
    refusals: Sequence[Refusal],
    names: Sequence[str],
) -> None:
    for item in refusals:
        sums[item.day_obs].held_refusals += item.decision is Decision.HELD
    units = {
        row.unit: row
        for row in backbone.ledger.units(names).values()
        if row.day_obs in sums and row.instrument in backbone.instruments
    }
    deliveries: dict[str, dict[str, Delivery]] = {name: {} for name in units}
    for (unit, endpoint), delivery in backbone.ledger.deliveries(list(units)).items():
        deliveries[unit][endpoint] = delivery
    by_unit: dict[str, list[Refusal]] = {}
    for item in refusals:
        unit = item.unit if item.unit in units else item.unit.partition(".")[0]
        by_unit.setdefault(unit, []).append(item)
    for name, row in units.items():
        night = sums[row.day_obs]
        _add(backbone, night, row, deliveries[name], by_unit.get(name, ()), 1)
        night.exposures += row.part == 1
        night.expected += row.expected
        night.lacks += bool(row.missing)
        times = [each.since_at for each in deliveries[name].values()]
        if times:
            night.moved_at = max([*times, *([night.moved_at] if night.moved_at else [])])


def _nights(nights: Sequence[NightSum]) -> str:
    if len(nights) == 1:
        return f"night {nights[0].day_obs.date.isoformat()}"
    return f"{len(nights):,} nights"
