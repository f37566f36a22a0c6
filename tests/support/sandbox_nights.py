"""Nights of a running sandbox, laid at its summit."""

from __future__ import annotations

import time

from dbb.model.day_obs import DayObs
from sandbox.synthetic_night import NightPlan

SETTLED_S = 3
"""Files are left alone until they have come to rest."""


def fresh_night(ledger, after=20250101):
    """Name a night that nobody has used yet: a sandbox may outlive a test run."""
    day_obs = DayObs(after)
    while ledger.units_of_night("LSSTCam", day_obs.value):
        day_obs = day_obs.next()
    return day_obs


def make(night, exposures, *options):
    """Lay a night's files at the summit; give what was planned."""
    night.make(
        ["--exposures", str(exposures), "--pixels", "16", "--instrument", "LSSTCam", *options]
    )
    time.sleep(SETTLED_S)
    return NightPlan.load(night.layout.state / f"night-{night.day_obs}.plan.json")
