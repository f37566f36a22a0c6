"""What watches and tells: alarms, metrics, the canary, maintenance."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from dbb.flows.backbone import Backbone
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.engine import open_engine
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.ledger import SqlLedger
from dbb.model.alarm import Alarm
from dbb.model.exposure import CANARY_INSTRUMENT
from dbb.model.instrument import Instrument
from dbb.model.kind import Kind
from dbb.model.policy import Policy, PolicyBook, Selection
from dbb.settings import Settings
from dbb.wiring.alerts import open_alert_rows, retention_of
from dbb.wiring.backbone import open_backbone, open_catalog, open_policies
from dbb.wiring.base import SystemClock, open_ledger
from dbb.wiring.efd import open_efd_values, open_hashes
from dbb.wiring.keeping import open_keeping
from dbb.wiring.pages import open_outages

if TYPE_CHECKING:
    from dbb.flows.alarming import Check, Watch
    from dbb.flows.canary import Cage
    from dbb.flows.metrics import Meters
    from dbb.hooks.canary_rows import SqlCanaries
    from dbb.hooks.maintenance import SqlMaintenance


def open_canaries(settings: Settings, actor: str) -> SqlCanaries:
    """Open what the ledger's database knows of canaries."""
    from dbb.hooks.canary_rows import SqlCanaries  # noqa: PLC0415 - the canary alone

    return SqlCanaries(open_ledger(settings, actor))


def open_maintenance(settings: Settings, actor: str) -> SqlMaintenance:
    """Open what the ledger's database knows of maintenances."""
    from dbb.hooks.maintenance import SqlMaintenance  # noqa: PLC0415 - maintenance alone

    return SqlMaintenance(open_ledger(settings, actor))


def open_watch(settings: Settings, actor: str) -> Watch:
    """Open what alarms are made with: the checks, the channels, the log."""
    from dbb.flows import alarm_checks as find  # noqa: PLC0415 - alarms alone
    from dbb.flows.alarming import Watch  # noqa: PLC0415
    from dbb.flows.alert_counting import find_open_nights  # noqa: PLC0415
    from dbb.hooks.alarm_channels import open_channels  # noqa: PLC0415
    from dbb.hooks.alarms import SqlAlarms  # noqa: PLC0415
    from dbb.hooks.doctor import probe_airflow  # noqa: PLC0415

    backbone, rows = (
        open_backbone(settings, actor),
        SqlAlarms(open_ledger(settings, actor)),
    )
    keeping, canaries = open_keeping(settings, actor), open_canaries(settings, actor)
    endpoints = settings.endpoints.values()
    checks: dict[str, Check] = {
        "late": lambda: find.find_late(backbone, rows),
        "outage": lambda: find.find_outage(backbone, rows, open_outages(backbone)),
        "buffer": lambda: find.find_buffers(backbone, keeping, endpoints),
        "calibration": lambda: find.find_late_calibrations(backbone),
        "canary": lambda: find.find_stuck_canary(backbone, canaries),
        "decision": lambda: find.find_decisions(backbone),
        "files": lambda: find.find_late_files(backbone, rows),
        "policies": lambda: find.find_unapplied_policies(
            backbone, settings.endpoints, open_policies(settings)
        ),
    }
    if settings.values_at:
        published = open_hashes(settings, actor)
        databases = {
            name: lambda name=name: open_efd_values(settings, name, actor)[1]
            for name in settings.values_at
        }
        checks["values"] = lambda: find.find_late_values(backbone, published, databases)
    if settings.environment.get("DBB_ALERTS_BROKERS"):
        alerts, retention = open_alert_rows(settings, actor), retention_of(settings)
        checks["alerts"] = lambda: find_open_nights(backbone, alerts, retention)
    airflow = settings.environment.get("DBB_AIRFLOW_URL", "")
    if airflow:
        checks["airflow"] = lambda: find.find_silent(lambda: probe_airflow(airflow))

    def link_of(alarm: Alarm) -> str:
        page = f"{airflow}/dbb/{alarm.link}" if airflow and alarm.link else ""
        return page or f"docs/operate/{alarm.code}.md"

    return Watch(rows, SystemClock(), checks, open_channels(settings), link_of)


def open_meters(settings: Settings, actor: str) -> Meters:
    """Open what measures, for dashboards."""
    from dbb.flows.metrics import Meters  # noqa: PLC0415 - metrics alone
    from dbb.hooks.alarms import SqlAlarms  # noqa: PLC0415
    from dbb.hooks.metrics import SqlMetrics  # noqa: PLC0415

    alarms = SqlAlarms(open_ledger(settings, actor))
    keeping = open_keeping(settings, actor)
    return Meters(
        backbone=open_backbone(settings, actor),
        rows=SqlMetrics(open_ledger(settings, actor)),
        alarms=alarms,
        buffers=keeping,
        canaries=open_canaries(settings, actor),
        account=keeping.account(settings.raw.source, dt.timedelta(days=90)),
        endpoints=settings.endpoints.values(),
    )


def open_cage(settings: Settings, actor: str) -> Cage:
    """Open what a canary needs: an instrument, policies and, for each look, a ledger of its own."""
    from dbb.flows.canary import Cage  # noqa: PLC0415 - the canary alone
    from dbb.hooks.butler_canary import prepare_repository, read_dataset  # noqa: PLC0415
    from dbb.hooks.canary_camera import draw_exposure  # noqa: PLC0415 - the canary alone
    from dbb.hooks.instruments import CANARY, load_instrument  # noqa: PLC0415 - the canary alone

    camera = load_instrument(CANARY_INSTRUMENT, CANARY)
    catalog = open_catalog(settings)

    def root(endpoint: str) -> str:
        return settings.resolve(settings.endpoint(endpoint).butler)

    return Cage(
        rows=open_canaries(settings, actor),
        draw=lambda unit: draw_exposure(unit, camera),
        prepare=lambda endpoint: prepare_repository(root(endpoint), camera, settings.raw.run),
        read=lambda endpoint, dataset_id: read_dataset(root(endpoint), dataset_id),
        forget=catalog.forget,
        open_backbone=lambda: cage_backbone(settings, open_backbone(settings, actor), camera),
    )


def cage_backbone(settings: Settings, backbone: Backbone, camera: Instrument) -> Backbone:
    """Give a backbone that knows the canary's camera alone, with an empty ledger."""
    from dbb.hooks.butler_indexer import ButlerIndexer  # noqa: PLC0415 - a slow import
    from dbb.hooks.fits_inspector import FitsInspector  # noqa: PLC0415 - a slow import

    ledger = SqlLedger(open_engine("sqlite://"), SystemClock(), "canary")
    ledger.migrate()
    policies = {
        policy.receiver: Policy(
            f"canary-{policy.receiver}"[:24],
            policy.receiver,
            Selection(Kind.RAW),
            policy.sources,
            keep_days=1,  # should everything else fail, Rucio ends its rules by itself
            activity=policy.activity,
        )
        for policy in settings.policies
        if policy.what.kind is Kind.RAW
    }
    return dataclasses.replace(
        backbone,
        policy=dataclasses.replace(settings.raw, instruments=(camera.name,)),
        policies=PolicyBook(tuple(policies.values())),
        instruments={camera.name: camera},
        ledger=ledger,
        calibrations=SqlCalibrations(ledger),
        inbox=SqlInbox(ledger),
        inspector=FitsInspector({camera.name: camera}),
        indexer=ButlerIndexer([camera]),
    )
