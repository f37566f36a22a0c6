"""Make calibrations of each group of exposures as soon as it is complete.

### What it does
As soon as every exposure of a sequence of biases, darks or flats is published at the archive, its
calibrations are made, judged, published as a parcel and put in force: at the archive first, and at
each other endpoint when its copy is published there. The limit is **1,200 s** after the group's last
exposure (`dbb calibration show GROUP` tells where the time goes); an alert comes at 900 s after it, and
names the step that is late: in the triggerer's log and in the attempt's history. Biases come before darks, darks before flats.

It is woken by the watcher `calibration groups` (in the triggerer, every few seconds), and every five
minutes by the clock: a wake-up that is lost costs five minutes and nothing else. One run at a time.

It is **paused** until you unpause it: look first whether the limits of `include/calibration/<instrument>.yaml`, by which
images and products are refused, are those of your camera.

### Parameters
- `instrument`: whose groups, of `all` or of one.
- `campaign`: under which name the results are found.
- `payload`: a name of `include/calibration/payloads.yaml`; empty for the default one.
- `day_obs`: one night; without it tonight and the night before.
- `again`: also what was refused, withdrawn or made by another payload.
- `patience_s`: how long to wait for the copies.

### When it is red
Open the failed task's log: its last line has a code and what to do. The calibrations that were in
force stay in force. A group that was refused is not tried again by itself: `calibration_reprocess`.

### Backfill
Not here: use `calibration_reprocess`, which may run at the same time.
"""

from __future__ import annotations

import datetime as dt

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable

from dbb.operators.calibration_tasks import calibration_params, deadline, make_calibrations
from dbb.operators.task_defaults import task_defaults
from dbb.settings import Settings
from dbb.tags import Tag
from dbb.triggers.calibrations import GroupTrigger

instruments = Settings.load().raw.instruments
params = calibration_params(instruments)
groups = Asset(
    name="calibration groups",
    uri="x-dbb://calibration/groups",
    watchers=[
        AssetWatcher(
            name="complete calibration groups",
            trigger=GroupTrigger(instruments=instruments, campaign=params["campaign"].value),
        )
    ],
)

with DAG(
    dag_id="calibration_daily",
    description="Make calibrations of each group of exposures as soon as it is complete.",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=groups
    ),
    start_date=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    catchup=False,  # a sweep that was missed is made good by the next one
    max_active_runs=1,  # two runs would make the same calibrations twice
    default_args=task_defaults(priority=90, retries=2) | {"pool": "calibration"},
    deadline=deadline(),
    params=params,
    is_paused_upon_creation=True,  # until somebody has looked at the limits for this camera
    tags=[Tag.CALIBRATION, Tag.LIVE],
):
    make_calibrations(tonight=True)
