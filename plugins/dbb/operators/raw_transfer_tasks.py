"""The steps from the summit's store to safe in the archive, shared by the two raw DAGs.

::

    look_for_new_exposures
      └─ for each chunk of exposures, each chunk on its own:
           check_and_land_exposures → judge_exposure_records → register_in_rucio
             → publish_at_<archive> → wait_for_copies (not tonight) → read_archive_copies_again
             → release_<source>_copies
      └─ report_the_night                (and tell_of_failed_steps, only when a step failed)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import TriggerRule, task_group

from dbb.operators.archive import (
    CheckAndLandExposures,
    JudgeExposureRecords,
    ReadArchiveCopiesAgain,
    RegisterInRucio,
    ReleaseSourceCopies,
)
from dbb.operators.arrivals import LookForNewExposures
from dbb.operators.endpoints import PublishAtEndpoint, WaitForCopies
from dbb.operators.report import ReportTheNight, TellOfFailedSteps
from dbb.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence


REPORT = "report_the_night"
TELL = "tell_of_failed_steps"


def move_exposures(*, tonight: bool) -> None:
    """Add the steps to the DAG that is being defined.

    Parameters
    ----------
    tonight
        Whether the DAG follows tonight instead of one given night. Its report is left out when
        there was nothing to do.
    """
    settings = Settings.load()

    @task_group(group_id="exposures", prefix_group_id=False)
    def work_on_chunk(units: Sequence[str]) -> None:
        _add_chunk_steps(settings, units, waits=not tonight)

    look = LookForNewExposures(
        task_id="look_for_new_exposures",
        tonight=tonight,
        steps_when_idle=() if tonight else (REPORT, TELL),
    )
    chunks = work_on_chunk.expand(units=look.output)
    report = ReportTheNight(
        task_id=REPORT,
        tonight=tonight,
        trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS if tonight else TriggerRule.ALL_DONE,
    )
    failed = TellOfFailedSteps(task_id=TELL, trigger_rule=TriggerRule.ONE_FAILED)
    chunks >> report
    failed.set_upstream([task for task in failed.dag.tasks if task is not failed])


def _add_chunk_steps(settings: Settings, units: Sequence[str], *, waits: bool) -> None:
    policy = settings.raw
    land = CheckAndLandExposures(
        task_id="check_and_land_exposures", units=units, queue=_queue(settings, policy.archive)
    )
    judge = JudgeExposureRecords(task_id="judge_exposure_records", units=units)
    register = RegisterInRucio(task_id="register_in_rucio", units=units)
    read = ReadArchiveCopiesAgain(
        task_id="read_archive_copies_again",
        units=units,
        queue=_queue(settings, policy.archive),
        trigger_rule=TriggerRule.ALL_DONE,  # as for the release
    )
    release = ReleaseSourceCopies(
        task_id=f"release_{policy.source}_copies",
        units=units,
        queue=_queue(settings, policy.source),
        trigger_rule=TriggerRule.ALL_DONE,  # the ledger knows which copies are safe
    )
    publish = PublishAtEndpoint(
        task_id=f"publish_at_{policy.archive}",
        units=units,
        endpoint=policy.archive,
        queue=_queue(settings, policy.archive),
    )
    land >> judge >> register >> publish
    if waits:
        wait = WaitForCopies(
            task_id="wait_for_copies",
            units=units,
            patience_s="{{ params.patience_s }}",
            trigger_rule=TriggerRule.ALL_DONE,  # copies travel from a store, not from a Butler
        )
        publish >> wait >> read
    else:
        publish >> read
    read >> release


def _queue(settings: Settings, endpoint: str) -> str:
    return settings.endpoint(endpoint).queue
