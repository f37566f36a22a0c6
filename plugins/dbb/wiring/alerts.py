"""The archive of alert packets."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, cast

from dbb.flows.backbone import Backbone
from dbb.settings import Settings
from dbb.wiring.base import WhenUsed, open_ledger

if TYPE_CHECKING:
    from dbb.flows.alerts import AlertDatabase, Alerts, AlertStream
    from dbb.hooks.alerts.database import StoredAlerts
    from dbb.hooks.alerts.rows import SqlAlertRows


def open_alert_rows(settings: Settings, actor: str) -> SqlAlertRows:
    """Open what the ledger's database knows of alert packets."""
    from dbb.hooks.alerts.rows import SqlAlertRows  # noqa: PLC0415 - alerts alone

    return SqlAlertRows(open_ledger(settings, actor))


def retention_of(settings: Settings) -> dt.timedelta:
    """Say how long the stream keeps a message."""
    return dt.timedelta(hours=float(settings.environment.get("DBB_ALERTS_RETENTION_H", "168")))


def open_alerts(settings: Settings, backbone: Backbone, actor: str) -> Alerts:
    """Open the archive of alert packets; ``actor`` signs what is recorded."""
    from dbb.flows.alerts import Alerts  # noqa: PLC0415 - alerts alone
    from dbb.hooks.alerts.packets import AvroPackets  # noqa: PLC0415 - a slow import
    from dbb.hooks.alerts.schemas import KeptSchemas  # noqa: PLC0415 - alerts alone
    from dbb.hooks.alerts.shards import StoreShards  # noqa: PLC0415 - a slow import
    from dbb.hooks.schema_registry import ask_registry, place_of  # noqa: PLC0415 - alerts alone

    def stream() -> AlertStream:
        from dbb.hooks.alerts.stream import KafkaAlerts  # noqa: PLC0415 - the stream alone
        from dbb.hooks.kafka_client import Brokers  # noqa: PLC0415 - the stream alone

        address = settings.value("DBB_ALERTS_BROKERS")
        return KafkaAlerts(
            Brokers.of_settings(address, settings.environment, "DBB_ALERTS_KAFKA_"),
            settings.value("DBB_ALERTS_TOPIC"),
            settings.environment.get("DBB_ALERTS_REPORTS_TOPIC", ""),
        )

    def stored() -> StoredAlerts:
        from dbb.hooks.alerts.database import StoredAlerts  # noqa: PLC0415 - alerts alone
        from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

        return StoredAlerts(open_store(settings.value("DBB_STORE_ALERTS")))

    registry = settings.environment.get("DBB_ALERTS_REGISTRY", "")

    def schema(number: int) -> Any:
        return ask_registry(registry, number) if registry else stored().schema(number)

    origin = place_of(registry or settings.environment.get("DBB_STORE_ALERTS", ""))
    schemas = KeptSchemas(open_ledger(settings, actor), origin, schema)
    return Alerts(
        backbone=backbone,
        stream=cast("AlertStream", WhenUsed(stream)),
        database=cast("AlertDatabase", WhenUsed(stored)),
        packets=AvroPackets(schemas.get, schemas.keep),
        shards=StoreShards(backbone.archive),
        rows=open_alert_rows(settings, actor),
        retention=retention_of(settings),
    )
