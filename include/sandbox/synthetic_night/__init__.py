"""A night of raw exposures for the sandbox: real headers, real FITS, and planted faults.

`make_night` writes it, `deliver_late` brings what was kept back, `resend_good` sends good copies of
what was damaged; the `NightPlan` says what must become of each exposure. `make_calibration_group`
writes biases, darks or flats of which every property is known.
"""

from sandbox.synthetic_night.calibrations import (
    CalibrationGroup,
    GroupFault,
    make_calibration_group,
)
from sandbox.synthetic_night.faults import CATALOGUE, Kind
from sandbox.synthetic_night.night import PROFILES, deliver_late, make_night, resend_good
from sandbox.synthetic_night.plan import Fault, NightPlan, PlannedExposure

__all__ = [
    "CATALOGUE",
    "PROFILES",
    "CalibrationGroup",
    "Fault",
    "GroupFault",
    "Kind",
    "NightPlan",
    "PlannedExposure",
    "deliver_late",
    "make_calibration_group",
    "make_night",
    "resend_good",
]
