"""Repairing the archive: a copy that is bad or gone there comes back from where a good one is.

A receiver's bad copy is fetched anew by the rule that wanted it. The archive has no such rule: it is where
copies come from. Who is right is the manifest's sha256, which the ledger keeps, and never a majority: a copy
counts as good only when it was read just now. Where no copy is good the unit is lost, by name, and nothing
is published for it.

A unit is lost only when every place that may have it was read and has no good copy: an endpoint that does not
answer, a copy that is not published yet, files that still lie at the source keep it from being lost.

Plan, look, apply: `plan_repairs` reads and changes nothing; `carry_out` does what it says.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbb.digests import digest_stream
from dbb.errors import BrokenContract, CopiesLost, Damaged, Transient
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import (
    Cargo,
    dataset_did,
    manifest_did,
    read_document,
    stored_name,
    verify_cargo,
)
from dbb.flows.copies import ask_locks
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.refusing import close_refusals, refuse_unit
from dbb.flows.registration import register_units
from dbb.model.delivery import Delivery, State
from dbb.model.plan import Line, Plan
from dbb.ports.catalog import RuleState, RuleWish
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

ACTIVITY = "Repair"
BRAKE_SHARE = 0.01
"""Largest share of the archive that is repaired without a person: more is no rot but a fault."""
BRAKE_UNITS = 10
"""That many may always be repaired: one per cent of little is nothing."""

STALLED_AFTER = dt.timedelta(hours=1)
"""What stands half way to publication for so long was left there by somebody who was killed."""

_BROKEN = (State.SUSPECT, State.MISSING)

TRUST, LAND, RESTORE = "trust again", "land again", "restore"
HOLD, LOSE = "wait", "report as lost"

_HAS_FILES = (State.VERIFIED, State.ARRIVED)
"""States in which the source has the files that a bundle was made of, and they may be bundled again."""

_GONE = (State.RELEASED, State.LOST)
"""States in which an endpoint is known to have nothing."""


class BrokenRows(Protocol):
    """Know from the ledger what is broken."""

    def broken(self, endpoint: str, before: dt.datetime) -> list[Delivery]:
        """Read the deliveries without a good copy, and those half way since before a time."""


@dataclass(frozen=True, slots=True)
class _Case:
    """Hold one unit that is broken at the archive, and what becomes of it."""

    row: UnitRow
    action: str
    source: str
    detail: str


def plan_repairs(backbone: Backbone, rows: BrokenRows, order: Sequence[str]) -> Plan:
    """Find out what becomes of each unit that is broken at the archive; change nothing.

    Each unit's copies are read now, the archive's own first (a second reading decides), then the others' until
    one is right. Where the source still has the files, they are bundled again. Units whose repair is on its way
    are left out.

    Parameters
    ----------
    backbone, rows
        The ports.
    order
        Endpoints to restore from, the best first.
    """
    broken = _broken(backbone, rows)
    names = [item.unit for item in broken if item.state in _BROKEN and not item.rule_id]
    units = backbone.ledger.units(names)
    elsewhere = backbone.ledger.deliveries(names)
    cases = [_judge(backbone, units[name], order, elsewhere) for name in names]
    lines = []
    for action, source in sorted({(case.action, case.source) for case in cases}):
        mine = [case for case in cases if (case.action, case.source) == (action, source)]
        lines.append(
            Line(
                action,
                backbone.policy.archive,
                detail=f"from {source}" if source else mine[0].detail,
                units=len(mine),
                files=sum(case.row.files for case in mine),
                size_bytes=sum(case.row.size_bytes for case in mine),
                names=tuple(case.row.unit for case in mine),
                value=source,
            )
        )
    return Plan(tuple(lines))


def _broken(backbone: Backbone, rows: BrokenRows) -> list[Delivery]:
    return rows.broken(backbone.policy.archive, backbone.clock.now() - STALLED_AFTER)


def _judge(
    backbone: Backbone,
    row: UnitRow,
    order: Sequence[str],
    known: Mapping[tuple[str, str], Delivery],
) -> _Case:
    policy = backbone.policy
    if _is_right(backbone, row, policy.archive):
        return _Case(row, TRUST, "", "a second reading found it right")
    at_source = _state(known, row.unit, policy.source)
    if at_source in _HAS_FILES:
        return _Case(row, LAND, "", f"{policy.source} still has its files")
    here = (policy.archive, policy.source)
    others = {place for unit, place in known if unit == row.unit and place not in here}
    places = [place for place in (*order, *sorted(others - {*order})) if place in others]
    unsettled = at_source not in (None, *_GONE)
    read = []
    for place in places:
        state = _state(known, row.unit, place)
        if state in _GONE:
            continue
        try:
            is_right = _is_right(backbone, row, place)
        except Transient as error:
            log.info("action=judge unit=%s endpoint=%s result=%s", row.unit, place, error.code)
            unsettled = True
            continue
        if is_right and state is State.PUBLISHED and place in order:
            return _Case(row, RESTORE, place, "")
        unsettled |= is_right
        read.append(place)
    if unsettled:
        return _Case(
            row, HOLD, "", "a place that may have it does not answer or is not settled yet"
        )
    if agreeing := _agreeing(backbone, row, [policy.archive, *read]):
        why = f"{' and '.join(agreeing)} agree with each other and not with the ledger: a person decides"
        return _Case(row, HOLD, "", why)
    told = ", ".join(read) or "no other endpoint"
    return _Case(row, LOSE, "", f"no good copy is left: read were {policy.archive} and {told}")


def _is_right(backbone: Backbone, row: UnitRow, endpoint: str) -> bool:
    try:
        verify_cargo(backbone, row, endpoint)
    except Damaged as error:
        log.info("action=judge unit=%s endpoint=%s result=%s", row.unit, endpoint, error.code)
        return False
    return True


def _agreeing(backbone: Backbone, row: UnitRow, places: Sequence[str]) -> list[str]:
    """Name places whose copies are whole by one manifest that is not the ledger's.

    Rot does not strike two places alike: then it is the ledger's own row that is in doubt.
    """
    found: dict[str, list[str]] = {}
    for place in places:
        try:
            with backbone.store(place).open(stored_name(manifest_did(row)), cold=True) as stream:
                sha256 = digest_stream(stream).sha256
            other = dataclasses.replace(row, manifest_sha256=sha256)
            verify_cargo(backbone, other, place)
        except (Damaged, BrokenContract, Transient):
            continue
        if sha256 != row.manifest_sha256:
            found.setdefault(sha256, []).append(place)
    largest = max(found.values(), key=len, default=[])
    return largest if len(largest) > 1 else []


def _state(known: Mapping[tuple[str, str], Delivery], unit: str, place: str) -> State | None:
    delivery = known.get((unit, place))
    return None if delivery is None else delivery.state


def count_repairs(backbone: Backbone, plan: Plan) -> dict[str, int]:
    """Count the units at the archive whose bytes a plan replaces or gives up."""
    return {backbone.policy.archive: sum(line.units for line in plan.of(RESTORE, LOSE))}


def carry_out(backbone: Backbone, plan: Plan) -> None:
    """Do the lines of a plan that are repairs; others are somebody else's."""
    does = {TRUST: _trust, LAND: _land, RESTORE: _restore, HOLD: _hold, LOSE: _lose}
    lines = plan.of(*does)
    known = backbone.ledger.units([name for line in lines for name in line.names])
    for line in lines:
        does[line.action](backbone, [known[name] for name in line.names], line)
        log.info(
            "action=repair what=%r endpoint=%s units=%d reason=%s",
            line.action, line.subject, line.units, line.detail,
        )  # fmt: skip


def _trust(backbone: Backbone, rows: Iterable[UnitRow], line: Line) -> None:
    names = [row.unit for row in rows]
    archive, ledger = backbone.policy.archive, backbone.ledger
    ledger.advance(names, archive, State.MISSING, State.ARRIVED, line.detail)
    ledger.advance(names, archive, State.SUSPECT, State.ARRIVED, line.detail)
    _publish_again(backbone, names)


def _land(backbone: Backbone, rows: Iterable[UnitRow], line: Line) -> None:
    """Bundle the source's files again: the same files give the same bundle, which the next plan trusts."""
    names = [row.unit for row in rows]
    source, ledger = backbone.policy.source, backbone.ledger
    ledger.advance(names, source, State.VERIFIED, State.QUARANTINED, "its bundle is bad")
    ledger.advance(names, source, State.QUARANTINED, State.ARRIVED, line.detail)
    land_units(backbone, names)


def _hold(backbone: Backbone, rows: Iterable[UnitRow], line: Line) -> None:
    reasons = {row.unit: line.detail for row in rows}
    backbone.ledger.note_waiting(reasons, backbone.policy.archive)


def _restore(backbone: Backbone, rows: Iterable[UnitRow], line: Line) -> None:
    restore_copies(backbone, list(rows), str(line.value))


def restore_copies(backbone: Backbone, rows: Sequence[UnitRow], source: str) -> None:
    """Have Rucio bring the archive's bad files back from an endpoint.

    First a rule that wants them here, then the truth about them.
    """
    archive = backbone.policy.archive
    datasets = {row.unit: dataset_did(row) for row in rows}
    wish = RuleWish(backbone.rses[archive], ACTIVITY, source_rse=backbone.rses[source])
    rules = backbone.catalog.ensure_rules(list(datasets.values()), wish)
    for row in rows:
        document = read_document(backbone, row, source)
        dids = [file.did for file in Cargo(row, document).files]
        backbone.catalog.declare_bad(dids, backbone.rses[archive], "not as its manifest says")
        backbone.ledger.set_rules({row.unit: rules[datasets[row.unit]]}, archive)
        backbone.ledger.note_waiting({row.unit: f"Rucio restores it from {source}"}, archive)


def _lose(backbone: Backbone, rows: Iterable[UnitRow], line: Line) -> None:
    archive = backbone.policy.archive
    for row in rows:
        refuse_unit(
            backbone, row.unit, row.day_obs, archive, CopiesLost.for_unit(row.unit, line.detail)
        )
        for state in _BROKEN:
            backbone.ledger.advance([row.unit], archive, state, State.LOST, line.detail)


def finish_repairs(backbone: Backbone, rows: BrokenRows) -> dict[str, int]:
    """Publish what Rucio has brought back to the archive, and what stands half way, once it is right.

    Returns
    -------
    dict
        How many were ``restored``, and how many are ``waiting``.
    """
    archive, ledger = backbone.policy.archive, backbone.ledger
    found = _broken(backbone, rows)
    asked = [item.unit for item in found if item.state in _BROKEN and item.rule_id]
    stalled = [item.unit for item in found if item.state is State.ARRIVED]
    read = [item.unit for item in found if item.state in (State.VERIFIED, State.REGISTERED)]
    known = ledger.units([*asked, *stalled])
    locks = ask_locks(backbone, [known[unit] for unit in asked], archive)
    came = sorted(unit for unit, lock in locks.items() if lock.state is RuleState.OK)
    right = [unit for unit in (*came, *stalled) if _is_right(backbone, known[unit], archive)]
    for state in _BROKEN:
        ledger.advance(right, archive, state, State.ARRIVED, "Rucio brought it back")
    restored = _publish_again(backbone, [*right, *read])
    wrong = sorted({*came, *stalled} - {*right})
    ledger.advance(wrong, archive, State.ARRIVED, State.SUSPECT, "stood half way, and is not right")
    backbone.catalog.hurry(
        [lock.rule_id for lock in locks.values() if lock.state is RuleState.STUCK]
    )
    # What came and is bad again, and what nobody brings any more, is for the next plan to judge.
    again = [*wrong, *(unit for unit in asked if unit not in locks)]
    ledger.set_rules(dict.fromkeys(again), archive)
    log.info("action=finish-repairs restored=%d of=%d", restored, len(found))
    return {"restored": restored, "waiting": len(found) - restored}


def _publish_again(backbone: Backbone, units: Sequence[str]) -> int:
    archive, ledger = backbone.policy.archive, backbone.ledger
    ledger.advance(units, archive, State.ARRIVED, State.VERIFIED, "read back and right")
    register_units(backbone, units)
    ledger.set_rules(dict.fromkeys(units), archive)
    close_refusals(backbone, units, archive)
    return publish_units(backbone, units, archive)["published"] if units else 0
