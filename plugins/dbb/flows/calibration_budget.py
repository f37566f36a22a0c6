"""Where the 1,200 seconds go: each step's share, measured, while it runs and after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dbb.flows.backbone import Backbone
from dbb.model.calibration import (
    BACKBONE_SHARE_S,
    BUDGET_S,
    CAL_PROC_TIME_S,
    AttemptState,
    CalibrationGroup,
    Step,
)
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State

ALERT_S = CAL_PROC_TIME_S - 300
"""From the end of acquisition: an alert that comes when the time is over is of no use."""

_MARKS = {
    Step.REPLICATE: State.ARRIVED,
    Step.VERIFY: State.VERIFIED,
    Step.PUBLISH: State.PUBLISHED,
}


@dataclass(frozen=True, slots=True)
class Share:
    """State one step's share: what it may take, what it took, and whether it still runs."""

    step: Step
    budget_s: int
    seconds: float
    is_running: bool

    @property
    def is_late(self) -> bool:
        """Say whether it took more than it may."""
        return self.seconds > self.budget_s


@dataclass(frozen=True, slots=True)
class Budget:
    """Hold the shares of an attempt, in the order of the steps that have begun."""

    shares: tuple[Share, ...]

    @property
    def total_s(self) -> float:
        """Give the time from the end of acquisition on."""
        return sum(share.seconds for share in self.shares)

    @property
    def backbone_s(self) -> float:
        """Give what of it is not the payload's."""
        return sum(share.seconds for share in self.shares if share.step is not Step.PROCESS)

    @property
    def late(self) -> list[Step]:
        """Name the steps that took more than they may."""
        return [share.step for share in self.shares if share.is_late]

    @property
    def is_kept(self) -> bool:
        """Say whether both limits of the requirement hold so far."""
        return self.total_s <= CAL_PROC_TIME_S and self.backbone_s <= BACKBONE_SHARE_S


def settle(backbone: Backbone, unit: str) -> Budget:
    """Record the steps that the endpoints have finished, by the history of their deliveries."""
    archive = backbone.policy.archive
    events = backbone.ledger.events(unit)
    receivers = {place for (_, place) in backbone.ledger.deliveries([unit]) if place != archive}
    known = backbone.calibrations.steps(unit)
    begun = known.get(Step.INGEST, (None, None))[1]
    for step, mark in _MARKS.items():
        if begun is None or not receivers:
            break
        at = {event.endpoint: event.at for event in events if event.new_state is mark}
        reached = [at[place] for place in receivers if place in at]
        ended = max(begun, *reached) if len(reached) == len(receivers) else None
        backbone.calibrations.note_step(unit, step, begun, ended)
        begun = ended
    return read_budget(backbone, unit)


def read_budget(backbone: Backbone, unit: str) -> Budget:
    """Read the shares of an attempt; a step that runs has taken the time until now."""
    now = backbone.clock.now()
    is_over = backbone.calibrations.attempts(unit=unit)[0].state in ("refused", "withdrawn")
    shares = []
    steps = backbone.calibrations.steps(unit)
    for step in Step:
        if step not in steps:
            continue
        begun, ended = steps[step]
        runs = ended is None and not is_over
        until = ended or (now if runs else begun)
        seconds = max(until - begun, dt.timedelta()).total_seconds()
        shares.append(Share(step, BUDGET_S[step], seconds, runs))
    return Budget(tuple(shares))


@dataclass(frozen=True, slots=True)
class LateLook:
    """Hold what a look for late groups found.

    Parameters
    ----------
    lines
        Which group or attempt is late in which step.
    late
        The names of those groups.
    next_s
        Seconds until another group would be late, or None where there is none.
    """

    lines: tuple[str, ...]
    late: frozenset[str]
    next_s: float | None


def late_steps(backbone: Backbone, told: Collection[str] = ()) -> LateLook:
    """Say of each group of tonight and the night before that is late in which step it is.

    It goes on the history of the attempt; a group that nobody has taken up has none yet. Groups that
    have been ``told`` of are left out.
    """
    since = DayObs.at(backbone.clock.now() - dt.timedelta(days=1)).value
    lines: list[str] = []
    late, left = set(), []
    for group in backbone.calibrations.open_groups(since):
        if group.name in told:
            continue
        late_s = (backbone.clock.now() - group.ended_at).total_seconds()
        if late_s >= ALERT_S:
            late.add(group.name)
            lines += _late_steps_of(backbone, group, late_s)
        else:
            left.append(ALERT_S - late_s)
    return LateLook(tuple(lines), frozenset(late), min(left, default=None))


def _late_steps_of(backbone: Backbone, group: CalibrationGroup, late_s: float) -> list[str]:
    under_way = [
        each
        for each in backbone.calibrations.attempts(group.name)
        if each.state in (AttemptState.BEGUN, AttemptState.FILED)
    ]
    if not under_way:
        step, limit = Step.WAIT, BUDGET_S[Step.WAIT]
        return [f"group={group.name} step={step} seconds={late_s:.0f} budget_s={limit}"]
    lines = []
    for attempt in under_way:
        shares = settle(backbone, attempt.unit).shares
        if shares[-1].step is Step.PUBLISH and not shares[-1].is_running:
            continue  # it is in force everywhere, and that was noted just now
        running = [share for share in shares if share.is_running]
        step, seconds = (running[-1].step, running[-1].seconds) if running else (_next(shares), 0.0)
        told = f"step={step} seconds={seconds:.0f} budget_s={BUDGET_S[step]} total_s={late_s:.0f}"
        backbone.calibrations.note_late(attempt.unit, told)
        lines.append(f"unit={attempt.unit} {told}")
    return lines


def _next(shares: Sequence[Share]) -> Step:
    """Name the step that is under way where none has been noted as begun: each is noted at its end."""
    begun = {share.step for share in shares}
    return next((step for step in Step if step not in begun), Step.PUBLISH)
