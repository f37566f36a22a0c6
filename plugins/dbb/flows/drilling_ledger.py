"""The drill of a burnt ledger: rebuild it from stores and manifests elsewhere, and compare it row by row.

The live ledger is only read. What moves while the drill reads the stores is not compared, and counted nowhere.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence

from dbb.flows.backbone import Backbone
from dbb.flows.rebuilding import rebuild_ledger
from dbb.model.delivery import Delivery, State
from dbb.model.drill import Drill, DrillKind
from dbb.model.kind import Kind
from dbb.ports.ledger import Ledger, UnitRow

log = logging.getLogger(__name__)

_COPY = (State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED)
_BAD = (State.SUSPECT, State.LOST)


def drill_ledger(
    backbone: Backbone,
    scratch: Ledger,
    endpoints: Sequence[str],
    first_day: int = 0,
    last_day: int = 99991231,
) -> Drill:
    """Rebuild the ledger into an empty one, and name each row that differs.

    Parameters
    ----------
    backbone
        The ports, with the live ledger.
    scratch
        An empty ledger.
    endpoints
        Where to look, the archive first.
    first_day, last_day
        The nights that are rebuilt and compared; all where they are left out.
    """
    started_at, began_s = backbone.clock.now(), time.monotonic()
    before = _read(backbone.ledger, first_day, last_day)
    rebuilt = rebuild_ledger(
        dataclasses.replace(backbone, ledger=scratch), endpoints, first_day, last_day
    )
    after = _read(backbone.ledger, first_day, last_day)
    found = _read(scratch, first_day, last_day)
    settled = {unit for unit in before if before[unit] == after.get(unit)}
    wrong = [f"{place}: {why}" for place, why in sorted(rebuilt.unreadable.items())]
    wrong += [
        f"{unit}: {why}"
        for unit in sorted(settled | (found.keys() - after.keys()))
        for why in _differences(before.get(unit), found.get(unit))
    ]
    live, facts = backbone.ledger.facts_of(sorted(settled)), scratch.facts_of(sorted(settled))
    wrong += [f"{unit}: exposure" for unit in sorted(live) if live[unit] != facts.get(unit)]
    drill = Drill(
        kind=DrillKind.LEDGER,
        subject="ledger",
        started_at=started_at,
        ended_at=backbone.clock.now(),
        units=len(settled),
        files=rebuilt.copies,
        size_bytes=sum(before[unit][0].size_bytes for unit in settled),
        seconds=time.monotonic() - began_s,
        wrong=tuple(wrong),
    )
    log.info(
        "action=drill what=ledger units=%d copies=%d seconds=%.1f wrong=%d moved=%d",
        drill.units, drill.files, drill.seconds, len(wrong), len(before) - len(settled),
    )  # fmt: skip
    return drill


_Known = tuple[UnitRow, Mapping[str, Delivery]]


def _read(ledger: Ledger, first_day: int, last_day: int) -> dict[str, _Known]:
    """Read all sealed units of some nights with their deliveries by endpoint."""
    found: dict[str, _Known] = {}
    for kind in Kind:
        for day in ledger.days_of_kind(kind):
            if not first_day <= day <= last_day:
                continue
            rows = ledger.units_of_kind(kind, day)
            deliveries = ledger.deliveries([row.unit for row in rows])
            places: dict[str, dict[str, Delivery]] = {}
            for (unit, place), delivery in deliveries.items():
                places.setdefault(unit, {})[place] = delivery
            found |= {row.unit: (row, places.get(row.unit, {})) for row in rows}
    return found


def _differences(live: _Known | None, rebuilt: _Known | None) -> list[str]:
    if live is None:
        return ["the ledger does not know it, and a store has it"]
    if rebuilt is None:
        return ["it did not come back"]
    found = [
        f"{field.name} is {new!r} and was {old!r}"
        for field in dataclasses.fields(UnitRow)
        if field.name not in _NOT_IN_STORES
        and (old := getattr(live[0], field.name)) != (new := getattr(rebuilt[0], field.name))
    ]
    places = sorted(live[1].keys() | rebuilt[1].keys())
    for place in places:
        old, new = _meaning(live[1].get(place)), _meaning(rebuilt[1].get(place))
        if old != new and not (old == "bad copy" and new == "no copy"):
            found.append(f"at {place} is {new} and was {old}")
    return found


_NOT_IN_STORES = ("changed_at", "gate")
"""When files came, and what a night's expectations said: gone with the ledger, and found out again."""


def _meaning(delivery: Delivery | None) -> str:
    """Say what a delivery means for the bytes; how far it was published is found out again."""
    if delivery is None:
        return "no copy"
    if delivery.state in _COPY:
        return "a copy"
    return "bad copy" if delivery.state in _BAD else "no copy"
