"""The steps of the archive of alert packets: take, archive, count."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from dbb.errors import SettingMissing
from dbb.flows.alert_archiving import take_again, take_stream
from dbb.flows.alert_counting import check_night, take_reports
from dbb.flows.alert_sealing import seal_shards
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.nights import night_of_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.alerts import Alerts


class AlertOperator(BaseOperator):
    """Open the archive of alert packets and do one step; skipped where there is no stream."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Call the flow; return its counts."""
        from dbb.wiring.alerts import open_alerts  # noqa: PLC0415 - inside tasks only

        settings = Settings.load()
        try:
            settings.value("DBB_ALERTS_BROKERS")
        except SettingMissing as error:
            why = "DBB_ALERTS_BROKERS is not set: there is no alert stream."
            raise AirflowSkipException(why) from error
        return self.work(open_alerts(settings, open_for_run(context), context["run_id"]), context)

    @abstractmethod
    def work(self, alerts: Alerts, context: Context) -> dict[str, Any]:
        """Call the flow."""


class TakeAlerts(AlertOperator):
    """Archive what the stream has, and what was released from quarantine."""

    def work(self, alerts: Alerts, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Call the flow."""
        return {"again": take_again(alerts), **take_stream(alerts)}


class SealAlertShards(AlertOperator):
    """Put the new shards into parcels."""

    def work(self, alerts: Alerts, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Call the flow."""
        return {"parcels": len(seal_shards(alerts))}


class CountAlerts(AlertOperator):
    """Compare the night's three counts; red where they differ."""

    def work(self, alerts: Alerts, context: Context) -> dict[str, Any]:
        """Call the flow."""
        take_reports(alerts)
        count = check_night(alerts, night_of_run(context))
        return {"archived": count.archived}
