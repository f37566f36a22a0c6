"""A night that is over, over the real parts: what reconciliation and repair have to look at."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.copies import count_copies, look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.releasing import read_again, release_units
from dbb.model.day_obs import DayObs
from sandbox import rest
from sandbox.synthetic_night import make_night


class Later:
    """Tell a time that is some while ahead, so that nothing is too fresh to be judged."""

    def __init__(self):
        self.ahead = dt.timedelta(hours=6)

    def now(self):
        return dt.datetime.now(dt.UTC) + self.ahead


def finished_night(backbone, environment, exposures):
    """Bring a night that nobody has used yet to its end."""
    night = DayObs(20240301)
    while backbone.ledger.units_of_night("LSSTCam", night.value):
        night = night.next()
    make_night(
        Path(environment["summit"]), str(night), exposures=exposures, seed=11, pixels=16,
        instruments=("LSSTCam",),
    )  # fmt: skip
    for path in Path(environment["summit"]).rglob("*.*"):
        os.utime(path, (time.time() - 60,) * 2)
    work = receive_arrivals(backbone, night).work
    land_units(backbone, work)
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, work)], {})
    register_units(backbone, work)
    publish_units(backbone, work, "usdf")
    for _ in range(200):
        for endpoint in backbone.policy.receivers:
            publish_units(backbone, look_for_copies(backbone, endpoint, work).work, endpoint)
        if count_copies(backbone, work)["waiting"] == 0:
            break
        rest.call("POST", environment["DBB_RUCIO_CYCLE_URL"], timeout_s=120)
        time.sleep(0.2)
    read_again(backbone, work)
    assert release_units(backbone, work)["kept"] == 0
    return night, work


def store_folder(environment, endpoint):
    """Give the folder of an endpoint's store."""
    return Path(environment[f"DBB_STORE_{endpoint.upper()}"].removeprefix("file://"))
