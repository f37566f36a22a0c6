"""Plant faults into the contract server, and find the one that befalls a request or a load.

A fault is ``{"kind": …, "match": {…}, "times": n}``. What it matches are the request's ``server``
(``controller``, ``worker-1`` …), ``method``, ``path`` and the words of its body; of a contribution
its ``server``, ``stage`` (``read`` or ``load``) and its fields. Patterns may have ``*``.
"""

from __future__ import annotations

import fnmatch
import json
import time
from collections.abc import Mapping
from typing import Any

from sandbox.qserv.state import STATE, State, packed

Fault = dict[str, Any]

KINDS = {
    "refuse": "the connection is cut before anything is done",
    "hang": "nothing is done, and the answer waits for `seconds` (3600)",
    "status": "nothing is done, and the HTTP status is `code` (500)",
    "slow": "it is done `seconds` (1) later; with a `stage`, a contribution's reading or loading is",
    "drop": "it is done, and the connection is cut after `bytes` (0) of the answer's body",
    "lost": "it is done, and the answer never comes",
    "stuck": "the transaction stays in IS_STARTING, IS_FINISHING or IS_ABORTING; no answer comes",
    "fail": "the transaction ends in START_FAILED, FINISH_FAILED or ABORT_FAILED",
    "warn": "the contribution's row `row` (1) has a column too many",
    "disk_full": "the contribution fails in its load with the system error 28, half of it loaded",
    "kill": "the worker is killed in the `stage` (`load`) of a contribution, and starts again",
    "version": "the server speaks `version`, and each endpoint's least is at least `least`",
}
"""What can be planted."""


class ConnectionLost(Exception):
    """End a request without an answer."""


class Faults:
    """Find planted faults, each as often as it was asked for."""

    def __init__(self, state: State) -> None:
        self._state = state

    def plant(self, fault: Mapping[str, Any]) -> None:
        """Plant a fault."""
        if fault["kind"] not in KINDS:
            raise ValueError(fault["kind"])
        match = dict(fault.get("match", {}))
        if fault["kind"] == "kill":
            match.setdefault("stage", "load")
        info = packed({**fault, "match": match})
        times = int(fault.get("times", 1))
        self._state.insert("fault", kind=fault["kind"], remaining=times, info=info)

    def clear(self) -> None:
        """Take all faults away."""
        self._state.delete("fault")

    def planted(self) -> list[Fault]:
        """List the faults that have not run out."""
        rows = self._state.all(f"SELECT * FROM `{STATE}`.fault WHERE remaining > 0 ORDER BY id")
        return [
            {**json.loads(row["info"]), "id": row["id"], "times": row["remaining"]} for row in rows
        ]

    def take(self, kinds: set[str], facts: Mapping[str, Any]) -> Fault | None:
        """Use up one fault of these kinds that matches, if there is one."""
        for fault in self.planted():
            if fault["kind"] not in kinds or not _matches(fault, facts):
                continue
            used = self._state.run(
                f"UPDATE `{STATE}`.fault SET remaining = remaining - 1"
                " WHERE id = %s AND remaining > 0",
                fault["id"],
            )
            if used:
                return fault
        return None

    def before(self, facts: Mapping[str, Any]) -> Fault | None:
        """Wait, or lose the request, before it is worked on; give what else is to happen."""
        fault = self.take({"refuse", "hang", "status", "slow"}, facts)
        if fault is None:
            return None
        if fault["kind"] == "slow":
            time.sleep(float(fault.get("seconds", 1)))
        if fault["kind"] == "hang":
            time.sleep(float(fault.get("seconds", 3600)))
        if fault["kind"] in {"refuse", "hang"}:
            raise ConnectionLost
        return fault

    def after(self, facts: Mapping[str, Any]) -> Fault | None:
        """Give what is to happen to the answer."""
        return self.take({"drop", "lost"}, facts)

    def window(self, version: int) -> dict[str, int]:
        """Give the version that the server speaks, and the least that any endpoint takes."""
        for fault in self.planted():
            if fault["kind"] == "version":
                return {
                    "version": int(fault.get("version", version)),
                    "least": int(fault.get("least", 0)),
                }
        return {"version": version, "least": 0}


def _matches(fault: Fault, facts: Mapping[str, Any]) -> bool:
    wanted: Mapping[str, Any] = fault.get("match", {})
    if "stage" in facts and "stage" not in wanted and fault["kind"] == "slow":
        return False  # without a stage it is the request that is slow
    return all(
        name in facts and fnmatch.fnmatchcase(str(facts[name]), str(pattern))
        for name, pattern in wanted.items()
    )
