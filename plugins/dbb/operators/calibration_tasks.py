"""The steps from complete groups to in force everywhere, shared by the two calibration DAGs.

::

    look_for_bias_groups → for each: make_bias → bring_in_bias → wait_for_bias_copies → settle_bias
      └─ the same for darks, which use the biases, then for flats, which use both
           └─ compare_endpoints
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from airflow.sdk import Param, TriggerRule, task_group
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert

from dbb.flows.calibration_budget import ALERT_S
from dbb.model.payload import CalibrationKind
from dbb.operators.calibrations import (
    ALL,
    BringInCalibrations,
    CompareCalibrations,
    LookForGroups,
    MakeCalibrations,
    SettleCalibrations,
)
from dbb.operators.endpoints import WaitForCopies
from dbb.operators.report import TellOfFailedSteps
from dbb.settings import Settings
from dbb.triggers.deadlines import EndOfAcquisition

DEFAULT_CAMPAIGN = "daily"


def calibration_params(instruments: Sequence[str]) -> dict[str, Param]:
    """Give the parameters that both DAGs have."""
    return {
        "day_obs": Param(
            None,
            type=["null", "integer"],
            minimum=20170102,
            maximum=99991231,
            description="The night, as YYYYMMDD. Only for a run triggered by hand.",
        ),
        "instrument": Param(
            ALL, enum=[ALL, *sorted(instruments)], description="Whose exposures."
        ),
        "payload": Param("", type="string", pattern=r"^[A-Za-z0-9_.-]*$", description="Of payloads.yaml; empty: the default."),
        "campaign": Param(
            DEFAULT_CAMPAIGN,
            type="string",
            pattern="^[A-Za-z0-9][A-Za-z0-9.]{0,23}$",
            description="Under which name the results are found; a later name goes before.",
        ),
        "again": Param(
            False,
            type="boolean",
            description="Also what was refused, withdrawn or made by another payload.",
        ),
        "patience_s": Param(
            600, type="integer", minimum=0, maximum=3600,
            description="Seconds to wait for the copies at other endpoints.",
        ),
    }  # fmt: skip


def deadline() -> Any:
    """Give the alert that comes before the limit, counted from the end of acquisition."""
    return DeadlineAlert(
        reference=EndOfAcquisition(),
        interval=dt.timedelta(seconds=ALERT_S),
        callback=AsyncCallback("dbb.triggers.deadlines.tell_of_late_step"),
    )


def make_calibrations(*, tonight: bool) -> None:
    """Add the steps to the DAG that is being defined."""
    settings = Settings.load()
    queue = settings.endpoint(settings.raw.archive).queue
    before: list[Any] = []
    steps: list[Any] = []
    for kind in CalibrationKind:
        look = LookForGroups(
            task_id=f"look_for_{kind}_groups",
            kind=str(kind),
            tonight=tonight,
            queue=queue,
            trigger_rule=TriggerRule.ALL_DONE,
        )
        for earlier in before:
            earlier >> look
        before = [look, _work(str(kind), queue).expand(group=look.output)]
        steps += before
    compare = CompareCalibrations(
        task_id="compare_endpoints", queue=queue, trigger_rule=TriggerRule.ALL_DONE
    )
    for earlier in before:
        earlier >> compare
    tell = TellOfFailedSteps(task_id="tell_of_failed_steps", trigger_rule=TriggerRule.ONE_FAILED)
    for step in (*steps, compare):
        step >> tell


def _work(kind: str, queue: str) -> Any:
    @task_group(group_id=f"{kind}_groups", prefix_group_id=False)
    def work_on_group(group: str) -> None:
        # One slot: the DAGs of tonight and of reprocessing never work on one group at once.
        make = MakeCalibrations(task_id=f"make_{kind}", group=group, queue=queue, pool="payload")
        bring = BringInCalibrations(task_id=f"bring_in_{kind}", units=make.output, queue=queue)
        wait = WaitForCopies(
            task_id=f"wait_for_{kind}_copies",
            units=make.output,
            patience_s="{{ params.patience_s }}",
        )
        settle = SettleCalibrations(task_id=f"settle_{kind}", units=make.output)
        bring >> wait >> settle

    return work_on_group
