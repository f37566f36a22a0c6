"""What is in quarantine, by code; and deciding on many items at once: plan, read, apply."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dbb.errors import DbbError, PlanRefused, UnknownItem, UnsafeName
from dbb.flows.backbone import Backbone
from dbb.flows.deciding import Signature, reject_refusal, release_refusal
from dbb.flows.night import refusal_json
from dbb.model.plan import Line, Plan
from dbb.model.quarantine import Decision, Refusal
from dbb.printable import count

SCHEMA = "dbb-quarantine/1"
ACTIONS = {"release": release_refusal, "reject": reject_refusal}


@dataclass(frozen=True)
class QuarantineReport:
    """Hold what is in quarantine.

    Parameters
    ----------
    as_of
        When the ledger was read.
    refusals
        The items, oldest first.
    """

    as_of: dt.datetime
    refusals: tuple[Refusal, ...]

    @property
    def groups(self) -> dict[str, list[Refusal]]:
        """Sort the items by code: the code with the most comes first."""
        found: dict[str, list[Refusal]] = {}
        for item in self.refusals:
            found.setdefault(item.code, []).append(item)
        return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))

    @property
    def held(self) -> int:
        """Count the items that somebody must decide on."""
        return sum(item.decision is Decision.HELD for item in self.refusals)

    @property
    def sentence(self) -> str:
        """Say whether somebody must decide."""
        if not self.held:
            return "SAFE — nothing is held in quarantine."
        items, codes = count(self.held, "item"), count(len(self.groups), "code")
        return f"ACT — {items} of {codes} held in quarantine."

    def to_json(self) -> dict[str, Any]:
        """Give the items as a document of schema ``dbb-quarantine/1``."""
        return {
            "schema": SCHEMA,
            "as_of": self.as_of.isoformat(timespec="milliseconds"),
            "sentence": self.sentence,
            "groups": [
                {
                    "code": code,
                    "items": len(items),
                    "oldest_at": items[0].found_at.isoformat(timespec="milliseconds"),
                    "next_action": items[0].next_action,
                }
                for code, items in self.groups.items()
            ],
            "refusals": [refusal_json(item) for item in self.refusals],
        }


def quarantine_report(
    backbone: Backbone, day_obs: int | None = None, code: str = "", *, with_decided: bool = False
) -> QuarantineReport:
    """Read what is held, of one night or of all, of one code or of all; also what is decided, if asked."""
    decision = None if with_decided else Decision.HELD
    found = backbone.ledger.refusals(day_obs=day_obs, decision=decision)
    chosen = tuple(item for item in found if code in ("", item.code))
    return QuarantineReport(backbone.clock.now(), chosen)


def choose_held(
    backbone: Backbone,
    refusal_ids: Sequence[str] = (),
    codes: Sequence[str] = (),
    day_obs: int | None = None,
) -> list[str]:
    """Name the held items that somebody means: those named, and those of whole codes, of one night or of all."""
    found = quarantine_report(backbone, day_obs).refusals if codes else ()
    return [*refusal_ids, *(item.refusal_id for item in found if item.code in codes)]


def plan_decisions(backbone: Backbone, action: str, refusal_ids: Sequence[str]) -> Plan:
    """List what a decision on items would do; nothing is changed.

    Raises
    ------
    UnsafeName
        If there is no such decision.
    UnknownItem
        If an item is not held, or none was chosen.
    """
    if action not in ACTIONS:
        raise UnsafeName.for_name(action, "a decision is release or reject")
    held = {item.refusal_id: item for item in backbone.ledger.refusals()}
    chosen = sorted(set(refusal_ids))
    if not chosen:
        raise UnknownItem.for_name("held item", "nothing is chosen")
    for refusal_id in chosen:
        if refusal_id not in held:
            raise UnknownItem.for_name("held item", refusal_id)
    return Plan(tuple(_line(action, held[refusal_id]) for refusal_id in chosen))


def _line(action: str, item: Refusal) -> Line:
    what = item.name or item.unit
    does = (
        f"put {what} back on its way" if action == "release" else f"say that {what} is not wanted"
    )
    return Line(
        action=action,
        subject=item.refusal_id,
        detail=f"{does}, refused at {item.endpoint} as {item.code}: {item.reason}",
        files=bool(item.name),
        names=(item.unit,),
        value=item.found_at.isoformat(),  # refused anew is another plan
    )


def apply_decisions(
    backbone: Backbone, action: str, refusal_ids: Sequence[str], sha256: str, signature: Signature
) -> list[tuple[str, str, bool]]:
    """Carry out the plan that was read (the beginning of its hash is enough); one item that cannot be decided does not hold up the rest.

    Returns
    -------
    list
        For each item its identifier, what was done or why not, and whether it was.

    Raises
    ------
    PlanRefused
        If the plan would be another one by now.
    """
    plan = plan_decisions(backbone, action, refusal_ids)
    if len(sha256) < 12 or not plan.sha256.startswith(sha256):
        raise PlanRefused.for_stale(sha256[:12], plan.sha256)
    held = {item.refusal_id: item for item in backbone.ledger.refusals()}
    done = []
    for line in plan.lines:
        try:
            done.append(
                (line.subject, ACTIONS[action](backbone, held[line.subject], signature), True)
            )
        except DbbError as error:
            done.append((line.subject, str(error), False))
    return done
