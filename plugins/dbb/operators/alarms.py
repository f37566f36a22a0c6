"""The steps of watching: look for causes of alarms and tell the channels; measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context


class LookForAlarms(BaseOperator):
    """Run every check once, and tell the channels what is new; give what is open."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Call the flow.

        Raises
        ------
        AlarmNotSent
            If a channel did not take something; the next run sends it.
        """
        from dbb.flows.alarming import look  # noqa: PLC0415 - inside tasks only
        from dbb.wiring.watching import open_watch  # noqa: PLC0415 - clients are imported inside tasks only

        return [each.to_json() for each in look(open_watch(Settings.load(), context["run_id"]))]


class TellTheMetrics(BaseOperator):
    """Measure once, and hand the values to what Airflow sends its own metrics to."""

    def execute(self, context: Context) -> int:
        """Give the number of values."""
        from airflow.sdk.observability import stats  # noqa: PLC0415 - inside tasks only

        from dbb.flows.metrics import measure  # noqa: PLC0415
        from dbb.wiring.watching import open_meters  # noqa: PLC0415

        metrics = measure(open_meters(Settings.load(), context["run_id"]))
        for metric in metrics:
            stats.gauge(metric.name, metric.value, tags=dict(metric.tags))
        return len(metrics)


class NoteTheWork(BaseOperator):
    """Note what is held and what catches up, for the pages; nothing where Airflow's address is not set."""

    def execute(self, context: Context) -> bool:
        """Ask Airflow; say whether it was asked."""
        from dbb.flows.work import ask_airflow  # noqa: PLC0415 - inside tasks only
        from dbb.hooks.airflow_rest import AirflowRest  # noqa: PLC0415 - clients are imported inside tasks only
        from dbb.wiring.backbone import open_backbone  # noqa: PLC0415
        from dbb.wiring.watching import open_maintenance  # noqa: PLC0415

        settings, run_id = Settings.load(), context["run_id"]
        if not settings.environment.get("DBB_AIRFLOW_URL"):
            return False
        airflow = AirflowRest.of(settings)
        rows = open_maintenance(settings, run_id)
        ask_airflow(open_backbone(settings, run_id), rows, airflow, airflow)
        return True
