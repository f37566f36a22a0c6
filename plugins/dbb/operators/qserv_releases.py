"""Finding the releases that are wholly delivered, and naming the run that hands each over."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.exceptions import DagRunTriggerException, DownstreamTasksSkipped

from dbb.flows.qserv_releases import look_for_releases
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class LookForReleases(BaseOperator):
    """Say which releases are to be handed over now: where an endpoint has a Qserv and all of it."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give the runs to begin: parameters and name. With none, all later steps are skipped."""
        from dbb.hooks.qserv.planning import load_overlay  # noqa: PLC0415 - a slow import
        from dbb.wiring.qserv import open_qserv_records  # noqa: PLC0415 - clients are imported in tasks

        settings = Settings.load()
        found = look_for_releases(
            open_for_run(context),
            open_qserv_records(settings),
            settings.qservs,
            lambda release: load_overlay(settings.include / "qserv", release),
        )
        due = [each for each in found if each.is_due]
        log.info("action=look-for-releases lists=%d due=%d", len(found), len(due))
        if not due:
            idle = self.get_flat_relative_ids(upstream=False)
            raise DownstreamTasksSkipped(tasks=sorted(idle))  # type: ignore[no-untyped-call]
        return [
            {"endpoint": each.endpoint, "release": each.release, "run_id": each.run_id}
            for each in due
        ]


class StartHandoff(BaseOperator):
    """Trigger the handoff of a release; where the run is there already, nothing is done.

    Airflow's own operator for this imports its models, which no DAG file shall.

    Parameters
    ----------
    due
        Endpoint, release, and the name of the run.
    """

    template_fields: Sequence[str] = ("due",)

    def __init__(self, *, due: Mapping[str, str] | XComArg, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"map_index_template": "{{ task.due['run_id'] }}"})
        self.due: Mapping[str, str] = cast(Mapping[str, str], due)  # a template until it runs

    def execute(self, context: Context) -> None:  # noqa: ARG002 - Airflow does it for us
        """Ask Airflow for the run."""
        log.info("action=start-handoff run=%s", self.due["run_id"])
        raise DagRunTriggerException(
            trigger_dag_id="parquet_to_qserv",
            dag_run_id=self.due["run_id"],
            conf={name: self.due[name] for name in ("endpoint", "release")},
            skip_when_already_exists=True,
            reset_dag_run=False,
            wait_for_completion=False,
            allowed_states=[],
            failed_states=[],
            poke_interval=60,
            deferrable=False,
        )
