"""A night of raw exposures for the sandbox: real headers, real FITS, and planted faults.

`make_night` writes it, `deliver_late` brings what was kept back, `resend_good` sends good copies of
what was damaged; the `NightPlan` says what must become of each exposure.
"""

from sandbox.synthetic_night.faults import CATALOGUE, Kind
from sandbox.synthetic_night.night import PROFILES, deliver_late, make_night, resend_good
from sandbox.synthetic_night.plan import Fault, NightPlan, PlannedExposure

__all__ = [
    "CATALOGUE",
    "PROFILES",
    "Fault",
    "Kind",
    "NightPlan",
    "PlannedExposure",
    "deliver_late",
    "make_night",
    "resend_good",
]
