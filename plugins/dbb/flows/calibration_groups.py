"""Which exposures belong together, and whether all of them are there."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dbb.errors import IncompleteGroup
from dbb.flows.backbone import Backbone
from dbb.flows.refusing import refuse_unit
from dbb.model.calibration import SUPERSEDED, TAI_MINUS_UTC_S, CalibrationGroup, split_evenly
from dbb.model.delivery import State
from dbb.model.exposure import ExposureFacts
from dbb.model.payload import CalibrationKind
from dbb.model.quarantine import Decision
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

_KINDS = {str(kind): kind for kind in CalibrationKind}


@dataclass
class Groups:
    """Hold the groups of a night.

    Parameters
    ----------
    complete
        Those of which every exposure is published at the archive, in the order of their begin.
    open
        By name of the sequence, what it waits for.
    overdue
        Those of them that have waited longer than they may, by the name that the group would have.
    whole
        Names of the groups, before any split, that are complete without anybody's leave.
    """

    complete: list[CalibrationGroup] = field(default_factory=list)
    open: dict[str, str] = field(default_factory=dict)
    overdue: dict[str, IncompleteGroup] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)


def find_groups(backbone: Backbone, instrument: str, day_obs: int) -> Groups:
    """Find the calibration groups of a night by what the exposures' headers say.

    A sequence is what has the same image type, controller, ``seq_start`` and ``seq_end``. It is
    complete when each number of it is published at the archive, or when an operator has accepted
    what is published. One of more than ``N_CAL_EXP_PROC`` exposures is split, and each part says so
    in its name.
    """
    groups = Groups()
    rows = backbone.ledger.units_of_night(instrument, day_obs)
    sealed = [row for row in rows if row.manifest_sha256]
    facts = backbone.ledger.facts_of([row.unit for row in sealed])
    sequences: dict[tuple[str, str, int, int], list[tuple[UnitRow, ExposureFacts]]] = defaultdict(
        list
    )
    for row in sealed:
        fact = facts.get(row.unit)
        if fact is not None and fact.observation_type.lower() in _KINDS:
            key = (fact.observation_type.lower(), fact.controller, fact.seq_start, fact.seq_end)
            sequences[key].append((row, fact))
    archive = backbone.policy.archive
    accepted = _accepted(backbone, day_obs)
    begun = {row.obs_id: row for row in rows if not row.manifest_sha256}
    patience = dt.timedelta(seconds=backbone.group_patience_s(instrument))
    names = [row.unit for found in sequences.values() for row, _ in found]
    deliveries = backbone.ledger.deliveries(names)
    for (kind, controller, first, last), found in sorted(sequences.items()):
        name = f"{instrument}/{day_obs}/{kind}-{controller}{first}"
        title = f"{kind} {first} to {last}"
        seen = {fact.seq_num for _, fact in found}
        missing = sorted(set(range(first, last + 1)) - seen)
        published = [
            (row, fact)
            for row, fact in found
            if (row.unit, archive) in deliveries
            and deliveries[row.unit, archive].state is State.PUBLISHED
        ]
        waiting = [row.unit for row, fact in found if (row, fact) not in published]
        why = _why(missing, waiting, found[0][1], begun)
        if not why:
            groups.whole.append(name)
        elif name not in accepted or not published:
            groups.open[title] = why
            ended = max(fact.end_tai for _, fact in found) - dt.timedelta(seconds=TAI_MINUS_UTC_S)
            if backbone.clock.now() - ended.replace(tzinfo=dt.UTC) > patience:
                wanted = last - first + 1
                groups.overdue[name] = IncompleteGroup.for_group(name, why, len(published), wanted)
            continue
        groups.complete += _cut(instrument, day_obs, _KINDS[kind], published)
    groups.complete.sort(key=lambda group: (group.begin_tai, group.name))
    return groups


def _why(
    missing: Sequence[int],
    waiting: Sequence[str],
    like: ExposureFacts,
    begun: Mapping[str, UnitRow],
) -> str:
    """Say what a sequence waits for, if it does: exposures that nobody has seen, or that are here."""
    if missing:
        stem, _, digits = like.obs_id.rpartition("_")
        ids = [f"{stem}_{number:0{len(digits)}d}" for number in missing]
        here = [begun[each] for each in ids if each in begun]
        reason = f"{len(missing)} exposures have not come, first {missing[0]}"
        if here:
            first = here[0]
            reason += (
                f" ({len(here)} have begun to: {first.unit}, {first.arrived} of {first.expected})"
            )
        return reason
    return f"{len(waiting)} exposures are not published, first {waiting[0]}" if waiting else ""


def _accepted(backbone: Backbone, day_obs: int) -> set[str]:
    """Name the incomplete sequences of which an operator said that they are made as they are."""
    known = backbone.ledger.refusals(day_obs=day_obs, decision=Decision.RELEASED)
    return {item.unit for item in known if item.code == IncompleteGroup.code}


def tell_of_overdue(backbone: Backbone, groups: Groups, day_obs: int) -> None:
    """Put sequences that wait for too long into the quarantine; close those that are complete."""
    archive = backbone.policy.archive
    known = {
        item.unit: item
        for item in backbone.ledger.refusals(day_obs=day_obs, decision=None)
        if item.code == IncompleteGroup.code
    }
    for name, error in groups.overdue.items():
        if name not in known:
            refuse_unit(backbone, name, day_obs, archive, error)
    late = [name for name in groups.whole if name in known]
    held = [known[name].refusal_id for name in late if known[name].decision is Decision.HELD]
    if held:
        backbone.ledger.decide(held, Decision.SUPERSEDED, "the missing exposures came")


def _cut(
    instrument: str,
    day_obs: int,
    kind: CalibrationKind,
    found: Iterable[tuple[UnitRow, ExposureFacts]],
) -> Iterator[CalibrationGroup]:
    """Make a group of a sequence, or several."""
    ordered = sorted(found, key=lambda each: (each[1].seq_num, each[0].unit))
    by_exposure: dict[str, list[tuple[UnitRow, ExposureFacts]]] = defaultdict(list)
    for row, fact in ordered:
        by_exposure[fact.obs_id].append((row, fact))
    parts = split_evenly(list(by_exposure))
    for number, part in enumerate(parts, 1):
        chosen = [each for obs_id in part for each in by_exposure[obs_id]]
        facts = [fact for _, fact in chosen]
        filters = Counter(fact.physical_filter for fact in facts)
        first = facts[0]
        yield CalibrationGroup(
            instrument=instrument,
            day_obs=day_obs,
            kind=kind,
            group_name=f"{first.controller}{first.seq_start}",
            physical_filter=filters.most_common(1)[0][0] if kind is CalibrationKind.FLAT else "",
            units=tuple(row.unit for row, _ in chosen),
            begin_tai=min(fact.begin_tai for fact in facts),
            end_tai=max(fact.end_tai for fact in facts),
            part=number,
            parts=len(parts),
        )


def find_work(
    backbone: Backbone,
    instrument: str,
    day_obs: int,
    campaign: str,
    *,
    kind: str = "",
    again: bool = False,
) -> list[str]:
    """Name the complete groups of a night of which this campaign has no attempt that has ended.

    They are noted in the ledger. What was refused or withdrawn is tried again only if asked for. A group
    waits for the calibrations that are applied to its images: those of earlier groups of the night.
    A sequence that waits for exposures longer than it may is put into the quarantine.
    """
    groups = find_groups(backbone, instrument, day_obs)
    tell_of_overdue(backbone, groups, day_obs)
    for title, reason in groups.open.items():
        log.info("action=look-for-groups group=%r waits=%r", title, reason)
    unfinished = [group for group in groups.complete if not _is_done(backbone, group, campaign)]
    work = []
    for group in groups.complete:
        if kind not in ("", str(group.kind)):
            continue
        backbone.calibrations.note_group(group)
        if before := [other.name for other in unfinished if _goes_before(other, group)]:
            log.info("action=look-for-groups group=%r waits=%r", group.name, before[0])
        elif again or group in unfinished:
            work.append(group.name)
    return work


_ORDER = list(CalibrationKind)


def _goes_before(other: CalibrationGroup, group: CalibrationGroup) -> bool:
    is_applied = _ORDER.index(other.kind) < _ORDER.index(group.kind)
    return is_applied and other.begin_tai < group.begin_tai


def _is_done(backbone: Backbone, group: CalibrationGroup, campaign: str) -> bool:
    attempts = backbone.calibrations.attempts(group.name)
    return any(
        _is_over(backbone, each.unit, str(each.state))
        for each in attempts
        if each.campaign == campaign and each.code != SUPERSEDED
    )


def _is_over(backbone: Backbone, unit: str, state: str) -> bool:
    """Say whether nothing is left to do for an attempt at the archive."""
    if state in ("refused", "withdrawn"):
        return True
    delivery = backbone.ledger.deliveries([unit]).get((unit, backbone.policy.archive))
    return delivery is not None and delivery.state is State.PUBLISHED
