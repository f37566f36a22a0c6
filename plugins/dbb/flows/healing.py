"""Healing: what two scans of the reconciler agree on is set right, by the remedy of its kind.

The plan is made of findings that are confirmed **and** that a scan made now still sees. Before anything is
written the bytes are read: what registers or ingests a copy believes the manifest only, what takes something
away counts the published copies elsewhere. Nothing is ever deleted here. A dark file is set aside with a row in
quarantine; Rucio alone takes copies away, and only those that no rule wants.

A unit gets one remedy at a time at an endpoint, in the order of ``ORDER``; the next plan sees what is left.
A copy that is bad loses its state; from there the flows that exist bring it back: Rucio's rule and the
endpoint's DAG at a receiver, ``flows/repairing.py`` at the archive, which alone may say that a unit is lost.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbb.errors import BrokenContract, Damaged, PlanRefused, Transient
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import verify_cargo
from dbb.flows.healing_steps import (
    ASK,
    CHANGING,
    DELIVER,
    END_RULE,
    FETCH,
    INGEST,
    ORDER,
    QUARANTINE,
    REGISTER,
    RELEASE,
    TAKE_AWAY,
    WITHDRAW,
    find_document,
    heal,
    is_taken,
    present_files,
    replicas_there,
)
from dbb.flows.reconcile_views import Sources
from dbb.flows.reconciling import reconcile_night
from dbb.flows.repairing import (
    BRAKE_SHARE,
    BRAKE_UNITS,
    BrokenRows,
    carry_out,
    count_repairs,
    plan_repairs,
)
from dbb.flows.wanting import traits_of
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.finding import Discrepancy, Finding, FindingState, Remedy, Sighting
from dbb.model.plan import Line, Plan
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

MOST_UNITS = 1000
"""So many are healed by one plan at most; and more than that is never done without a person."""


@dataclass(frozen=True, slots=True)
class _Case:
    """Hold one subject, what becomes of it at an endpoint, and what a program needs for that."""

    endpoint: str
    subject: str
    action: str
    detail: str
    day_obs: int
    value: str = ""
    row: UnitRow | None = None


def plan_mending(sources: Sources, rows: BrokenRows, order: Sequence[str]) -> Plan:
    """Plan everything that is to be set right: the archive's bad copies, and all confirmed findings.

    Parameters
    ----------
    sources
        What is compared and changed.
    rows
        What the ledger knows to be broken.
    order
        Endpoints to restore the archive from, the best first.
    """
    repairs = plan_repairs(sources.backbone, rows, order)
    return Plan((*repairs.lines, *plan_healing(sources).lines))


def plan_healing(sources: Sources) -> Plan:
    """Find out what becomes of each confirmed finding; nothing changes."""
    confirmed = [each for each in _confirmed(sources) if _remedy(each) is not Remedy.PERSON]
    seen = _see_again(sources, confirmed[:MOST_UNITS])
    units = sources.backbone.ledger.units(sorted({each.subject for each in seen}))
    cases: dict[tuple[str, str], _Case] = {}
    for sighting in seen:
        for case in _judge(sources, sighting, units.get(sighting.subject)):
            key = (case.endpoint, case.subject)
            if key not in cases or ORDER.index(case.action) < ORDER.index(cases[key].action):
                cases[key] = case
    return Plan(tuple(_lines(list(cases.values()))))


def find_for_person(sources: Sources) -> list[Finding]:
    """List the confirmed findings that no program may decide."""
    return [each for each in _confirmed(sources) if _remedy(each) is Remedy.PERSON]


def _confirmed(sources: Sources) -> list[Finding]:
    return [
        each
        for each in sources.findings.find()
        if each.state is FindingState.CONFIRMED and each.sighting.endpoint in sources.endpoints
    ]


def _remedy(finding: Finding) -> Remedy:
    return finding.sighting.discrepancy.remedy


def _see_again(sources: Sources, confirmed: Sequence[Finding]) -> list[Sighting]:
    """Scan the nights once more; what a scan does not see now is not acted on.

    It is not recorded: a plan must not confirm what the same plan made again would then act on.
    """
    wanted = {each.sighting.finding_id for each in confirmed}
    places: dict[int, set[str]] = {}
    for each in confirmed:
        places.setdefault(each.sighting.day_obs, set()).add(each.sighting.endpoint)
    seen = []
    for day, names in sorted(places.items()):
        for scan in reconcile_night(sources, DayObs(day), sorted(names), record=False):
            seen += [each for each in scan.sightings if each.finding_id in wanted]
    return seen


def _lines(cases: Sequence[_Case]) -> list[Line]:
    """Put cases that are alike into one line each, in the order in which they are worked."""
    groups: dict[tuple[int, str, str, int, str], list[_Case]] = {}
    for case in cases:
        key = (ORDER.index(case.action), case.action, case.endpoint, case.day_obs, case.detail)
        groups.setdefault(key, []).append(case)
    lines = []
    for (_, action, endpoint, day_obs, detail), mine in sorted(groups.items()):
        mine.sort(key=lambda case: case.subject)
        lines.append(
            Line(
                action,
                endpoint,
                detail=detail,
                units=len(mine),
                files=sum(case.row.files if case.row else 1 for case in mine),
                size_bytes=sum(case.row.size_bytes if case.row else 0 for case in mine),
                names=tuple(case.subject for case in mine),
                value={"day_obs": day_obs, "of": [case.value for case in mine]},
            )
        )
    return lines


# -- what becomes of one finding -------------------------------------------------------------------


def _judge(sources: Sources, sighting: Sighting, row: UnitRow | None) -> list[_Case]:
    backbone, endpoint = sources.backbone, sighting.endpoint
    remedy = sighting.discrepancy.remedy

    def case(action: str, detail: str, value: str = "", at: str = endpoint) -> _Case:
        return _Case(at, sighting.subject, action, detail, sighting.day_obs, value, row)

    try:
        if remedy is Remedy.QUARANTINE:
            file = backbone.store(endpoint).stat(sighting.subject)
            named = file is None or is_taken(backbone, sighting.subject)
            return [] if named else [case(QUARANTINE, sighting.discrepancy.reason)]
        if row is None or not row.manifest_sha256:
            return []
        return [
            case(action, detail, value, at or endpoint)
            for action, detail, value, at in _judge_unit(backbone, sighting, row)
        ]
    except (Transient, Damaged, BrokenContract) as error:
        # It is not known now, or its own manifest is the trouble, of which another finding tells.
        log.info(
            "action=judge subject=%a endpoint=%s result=%s", sighting.subject, endpoint, error.code
        )
        return []


_BY_ITSELF = {Remedy.WITHDRAW: WITHDRAW, Remedy.DELIVER: DELIVER, Remedy.RELEASE: RELEASE}
"""Remedies whose own steps read the bytes, or that touch none."""

_Verdict = tuple[str, str, str, str]
"""Action, detail, value, and the endpoint where it is not the finding's own."""


def _judge_unit(backbone: Backbone, sighting: Sighting, row: UnitRow) -> list[_Verdict]:
    """Read what must be right before the remedy is one."""
    endpoint, remedy = sighting.endpoint, sighting.discrepancy.remedy
    why = sighting.discrepancy.reason
    is_copied = remedy in (Remedy.REGISTER, Remedy.INGEST)
    if remedy is Remedy.FETCH or (is_copied and not _is_right(backbone, row, endpoint)):
        return _judge_fetch(backbone, row, endpoint)
    if is_copied:
        action = REGISTER if remedy is Remedy.REGISTER else INGEST
        return [(action, f"{why}; its copy was read and is right", "", "")]
    if remedy is Remedy.ASK:
        traits = traits_of(backbone, [row])[row.unit]
        wanted = [p.name for p in backbone.policies.wanted(traits) if p.receiver == endpoint]
        return [(ASK, f"policy {wanted[0]} wants it", "", "")] if wanted else []
    if remedy is Remedy.WITHDRAW and find_document(backbone, row, endpoint) is None:
        return []
    if remedy in _BY_ITSELF:
        return [(_BY_ITSELF[remedy], why, "", "")]
    return _judge_unwanted(backbone, sighting, row)


def _judge_fetch(backbone: Backbone, row: UnitRow, endpoint: str) -> list[_Verdict]:
    """Find the copy that it will be fetched from; one that is bad as well loses its state too."""
    if _is_right(backbone, row, endpoint):
        return []
    found: list[_Verdict] = []
    for place in _places_with(backbone, row.unit, endpoint):
        if _is_right(backbone, row, place):
            return [(FETCH, f"a good copy is at {place}", place, ""), *found]
        found.append((FETCH, "it is not right either", "", place))
    return [(FETCH, "no good copy is published elsewhere", "", ""), *found]


def _judge_unwanted(backbone: Backbone, sighting: Sighting, row: UnitRow) -> list[_Verdict]:
    """Take nothing away unless enough published copies are elsewhere."""
    endpoint = sighting.endpoint
    copies = len(_places_with(backbone, row.unit, endpoint))
    if copies < backbone.policy.copies_before_release:
        return []
    why = f"{sighting.discrepancy.reason}; published at {copies} others"
    if sighting.discrepancy is Discrepancy.RULE_UNWANTED:
        return [(END_RULE, why, str(sighting.evidence["rule"]), "")]
    if replicas_there(backbone, row, endpoint):
        return [(TAKE_AWAY, why, "", "")]
    if sighting.discrepancy is Discrepancy.FILE_UNWANTED and present_files(backbone, row, endpoint):
        return [(QUARANTINE, f"{why}; Rucio does not know of it", "", "")]
    return []


def _places_with(backbone: Backbone, unit: str, but: str) -> list[str]:
    """Name the endpoints that publish a unit, the archive first."""
    archive = backbone.policy.archive
    found = [
        place
        for (_, place), delivery in backbone.ledger.deliveries([unit]).items()
        if delivery.state is State.PUBLISHED and place != but
    ]
    return sorted(found, key=lambda place: (place != archive, place))


def _is_right(backbone: Backbone, row: UnitRow, endpoint: str) -> bool:
    try:
        verify_cargo(backbone, row, endpoint)
    except (Damaged, BrokenContract) as error:
        log.info("action=judge unit=%s endpoint=%s result=%s", row.unit, endpoint, error.code)
        return False
    return True


# -- brakes, and doing it --------------------------------------------------------------------------


def is_large(sources: Sources, plan: Plan) -> bool:
    """Say whether a plan changes so much that a person must look at it first."""
    return _largest(sources.backbone, plan) is not None


def _largest(backbone: Backbone, plan: Plan) -> tuple[str, int, int] | None:
    """Name the endpoint where a plan changes too much, with how much of how much."""
    changed = Counter(count_repairs(backbone, plan))
    for line in plan.of(*CHANGING):
        changed[line.subject] += line.units
    for endpoint, units in sorted(changed.items()):
        there, _ = backbone.ledger.count_published(endpoint)
        limit = min(max(BRAKE_UNITS, BRAKE_SHARE * (there + units)), MOST_UNITS)
        if units > limit:
            return endpoint, units, there + units
    return None


def apply_mending(
    sources: Sources,
    rows: BrokenRows,
    order: Sequence[str],
    sha256: str,
    *,
    accept_large: bool = False,
) -> tuple[Plan, Mapping[str, Any]]:
    """Do what a plan says, if it is still the plan.

    Returns
    -------
    tuple
        The plan, and by action how many units could be ``done``; one that fails costs only itself.

    Raises
    ------
    PlanRefused
        If the plan would be another one now, or changes more than the brakes allow.
    """
    backbone = sources.backbone
    plan = plan_mending(sources, rows, order)
    if len(sha256) < 12 or not plan.sha256.startswith(sha256):
        raise PlanRefused.for_stale(sha256, plan.sha256)
    too_much = _largest(backbone, plan)
    if too_much is not None and not accept_large:
        raise PlanRefused.for_too_much(*too_much)
    carry_out(backbone, plan)
    done: Counter[str] = Counter()
    for line in plan.of(*ORDER):
        done[line.action] += heal(backbone, line, order)
        log.info(
            "action=heal what=%r endpoint=%s units=%d reason=%s",
            line.action, line.subject, line.units, line.detail,
        )  # fmt: skip
    return plan, dict(done)
