"""Joining settings, hooks and flows: the one place that knows which hook stands behind a port.

Clients are imported when their port is first used: what only reads the ledger never pays for Butler
or Rucio, whose imports take seconds.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dbb.errors import SettingMissing
from dbb.flows.backbone import Backbone
from dbb.flows.lfa import Annex
from dbb.flows.oods import Oods
from dbb.flows.reconcile_views import ButlerNights, Findings, RucioNights, Sources
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.model.alarm import Alarm
from dbb.model.endpoint import Role
from dbb.model.instrument import Instrument
from dbb.model.kind import Kind
from dbb.model.lfa_classes import LfaDataset
from dbb.model.policy import Policy, PolicyBook, Selection
from dbb.model.sidecar import Sidecars
from dbb.ports import Catalog, Indexer, Inspector, Repository, Sky, Store
from dbb.settings import Settings

if TYPE_CHECKING:
    from dbb.flows.alarming import Check, Watch
    from dbb.flows.alerts import AlertDatabase, Alerts, AlertStream
    from dbb.flows.canary import Cage
    from dbb.flows.drilling import Scratch
    from dbb.flows.efd import Efd
    from dbb.flows.efd_intervals import IntervalPorts
    from dbb.flows.expiry_views import ExpiryRows, Place
    from dbb.flows.export_ports import ExportPorts
    from dbb.flows.export_ports import Selection as ExportSelection
    from dbb.flows.metrics import Meters
    from dbb.flows.night_sums import NightRows
    from dbb.flows.qserv_views import Handoff
    from dbb.hooks.alerts.database import StoredAlerts
    from dbb.hooks.canary_rows import SqlCanaries
    from dbb.hooks.consdb.database import SqlConsdb
    from dbb.hooks.drills import SqlDrills
    from dbb.hooks.efd.archive import EfdArchive
    from dbb.hooks.efd.intervals import SqlIntervals
    from dbb.hooks.efd.published import SqlPublished
    from dbb.hooks.efd.values_files import SqlEndpointValues, SqlValuesFiles
    from dbb.hooks.expiry import SqlExpiry
    from dbb.hooks.influx import Influx
    from dbb.hooks.keeping import SqlKeeping
    from dbb.hooks.lfa import SqlLfaObjects
    from dbb.hooks.lfa_efd import EfdEvents
    from dbb.hooks.maintenance import SqlMaintenance
    from dbb.hooks.oods_journal import SqliteJournal, SqlMergedDatasets
    from dbb.hooks.page_views import SqlViews
    from dbb.hooks.qserv.records import SqlQserv
    from dbb.hooks.rucio_catalog import RucioCatalog
    from dbb.hooks.rucio_policies import RucioPolicies


class _WhenUsed:
    """Open a port when one of its methods is first asked for."""

    def __init__(self, open_port: Callable[[], object]) -> None:
        self._open_port = open_port

    @cached_property
    def _port(self) -> object:
        return self._open_port()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class SystemClock:
    """Tell the machine's time."""

    def now(self) -> dt.datetime:
        """Give the time, aware, in UTC."""
        return dt.datetime.now(dt.UTC)


def open_ledger(settings: Settings, actor: str) -> SqlLedger:
    """Open the ledger of an installation; ``actor`` signs the history."""
    return SqlLedger(open_engine(settings.value("DBB_LEDGER_URL")), SystemClock(), actor)


def open_inbox(settings: Settings) -> SqlInbox:
    """Open the inbox of events, which lies in the ledger's database."""
    return SqlInbox(open_ledger(settings, "events"), SystemClock())


def open_catalog(settings: Settings) -> RucioCatalog:
    """Open the Rucio client of an installation."""
    from dbb.hooks.rucio_catalog import RucioCatalog  # noqa: PLC0415 - a slow import

    return RucioCatalog(**_rucio_login(settings))


def open_policies(settings: Settings) -> RucioPolicies:
    """Open what of Rucio policies decide."""
    from dbb.hooks.rucio_policies import RucioPolicies  # noqa: PLC0415 - a slow import

    return RucioPolicies(**_rucio_login(settings))


def _rucio_login(settings: Settings) -> dict[str, str]:
    return {
        "host": settings.value("DBB_RUCIO_HOST"),
        "account": settings.value("DBB_RUCIO_ACCOUNT"),
        "username": settings.value("DBB_RUCIO_USER"),
        "password": settings.value("DBB_RUCIO_PASSWORD"),
    }


def open_journal(settings: Settings) -> SqliteJournal:
    """Open the journal of the cache near the telescope: a file in its store's folder."""
    from dbb.hooks.oods_journal import SqliteJournal  # noqa: PLC0415 - the cache alone

    return SqliteJournal(Path(settings.value("DBB_OODS_JOURNAL")))


def open_merged(settings: Settings) -> SqlMergedDatasets:
    """Open what of the cache lies in the ledger's database."""
    from dbb.hooks.oods_journal import SqlMergedDatasets  # noqa: PLC0415 - the cache alone

    return SqlMergedDatasets(open_ledger(settings, "oods"))


def open_keeping(settings: Settings, actor: str) -> SqlKeeping:
    """Open what the ledger's database knows of keeping; ``actor`` signs what is recorded."""
    from dbb.hooks.keeping import SqlKeeping  # noqa: PLC0415 - keeping alone

    return SqlKeeping(open_ledger(settings, actor), SystemClock())


def open_expiry(settings: Settings, actor: str) -> SqlExpiry:
    """Open what the ledger's database knows of expiry; ``actor`` signs what is recorded."""
    from dbb.hooks.expiry import SqlExpiry  # noqa: PLC0415 - expiry alone

    return SqlExpiry(open_ledger(settings, actor), SystemClock())


def open_place(settings: Settings, backbone: Backbone, rows: ExpiryRows, name: str) -> Place:
    """Open an endpoint as a place from which things go."""
    from dbb.flows.expiring_oods import OodsPlace  # noqa: PLC0415 - expiry alone
    from dbb.flows.expiring_units import UnitsPlace  # noqa: PLC0415 - expiry alone

    if settings.endpoint(name).role is Role.CACHE:
        return OodsPlace(open_oods(settings), backbone, rows, name)
    return UnitsPlace(backbone, rows, name)


def open_findings(settings: Settings) -> Findings:
    """Open what reconcilers found."""
    from dbb.hooks.findings import SqlFindings  # noqa: PLC0415 - keeping alone

    return SqlFindings(open_ledger(settings, "expiry"))


def open_drills(settings: Settings, actor: str) -> SqlDrills:
    """Open what the ledger's database knows of drills."""
    from dbb.hooks.drills import SqlDrills  # noqa: PLC0415 - drills alone

    return SqlDrills(open_ledger(settings, actor))


def open_scratch(settings: Settings, name: str) -> Scratch:
    """Open a place that may be wiped.

    Raises
    ------
    NotScratch
        If its file does not say so, or it lies where another place does. Nothing is opened then.
    """
    from dbb.flows.drilling import Scratch, check_scratch  # noqa: PLC0415 - drills alone
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    endpoint = settings.endpoint(name)
    check_scratch(endpoint, (), {})  # its role, before anything is looked up
    mine = [settings.resolve(endpoint.store_url), settings.resolve(endpoint.butler)]
    check_scratch(endpoint, mine, _roots_of_others(settings, name))
    from dbb.hooks.scratch_repository import ButlerScratch  # noqa: PLC0415 - a slow import

    known = load_instruments()
    return Scratch(
        endpoint,
        open_store(mine[0]),
        ButlerScratch(
            mine[1],
            [known[each] for each in settings.raw.instruments],
            settings.raw.run,
            settings.environment.get(f"DBB_BUTLER_DB_{name.upper()}", ""),
        ),
    )


def _roots_of_others(settings: Settings, name: str) -> dict[str, str]:
    """Name the owner of each store and repository that has an address here."""
    roots = {settings.environment.get("DBB_STORE_LFA", ""): "the Large File Annex"}
    for other in settings.endpoints.values():
        for template in (other.store_url, other.butler):
            try:
                root = settings.resolve(template)
            except SettingMissing:
                continue  # a place that this installation does not serve
            if other.name != name:
                roots[root] = other.name
    roots.pop("", None)
    return roots


def open_spare_ledger(folder: Path) -> SqlLedger:
    """Make an empty ledger in a folder, for a drill."""
    ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.sqlite"), SystemClock(), "drill")
    ledger.migrate()
    return ledger


def open_oods(settings: Settings) -> Oods:
    """Open the cache near the telescope: no ledger, no Rucio, no archive."""
    from dbb.hooks.butler_indexer import ButlerIndexer  # noqa: PLC0415 - a slow import
    from dbb.hooks.butler_repository import ButlerRepository  # noqa: PLC0415 - a slow import
    from dbb.hooks.fits_inspector import FitsInspector  # noqa: PLC0415 - a slow import
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    known, cache = load_instruments(), settings.cache
    instruments = {name: known[name] for name in settings.raw.instruments}
    source = settings.endpoint(settings.raw.source)
    return Oods(
        source=open_store(settings.resolve(source.store_url)),
        store=open_store(settings.resolve(cache.store_url)),
        repository=ButlerRepository(settings.resolve(cache.butler)),
        inspector=FitsInspector(instruments),
        indexer=ButlerIndexer(instruments.values()),
        instruments=instruments,
        journal=open_journal(settings),
        clock=SystemClock(),
        settle_s=settings.raw.settle_s,
    )


def open_objects(settings: Settings) -> SqlLfaObjects:
    """Open what is known of the objects of the Large File Annex."""
    from dbb.hooks.lfa import SqlLfaObjects  # noqa: PLC0415 - the annex alone

    return SqlLfaObjects(open_ledger(settings, "lfa"), SystemClock())


def open_annex(settings: Settings) -> Annex:
    """Open the Large File Annex: the summit's bucket and what is known of its objects."""
    from dbb.hooks.lfa_classes import load_classes  # noqa: PLC0415 - the annex alone
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    def describe(store: Store, name: str, key: str, dataset: LfaDataset, /) -> Sidecars:
        from dbb.hooks.lfa_datasets import describe_object  # noqa: PLC0415 - a slow import

        return describe_object(store, name, key, dataset)

    classes, datasets = load_classes(settings.include / "lfa" / "classes.yaml")
    return Annex(
        source=open_store(settings.value("DBB_STORE_LFA")),
        bucket=settings.environment.get("DBB_LFA_BUCKET", "rubinobs-lfa-cp"),
        objects=open_objects(settings),
        inbox=open_inbox(settings),
        classes=classes,
        datasets=datasets,
        describe=describe,
    )


def open_efd(settings: Settings) -> EfdEvents | None:
    """Open the EFD's events of the annex; None where no EFD is set."""
    from dbb.hooks.lfa_efd import EfdEvents  # noqa: PLC0415 - the EFD alone

    return EfdEvents(_influx(settings)) if settings.environment.get("DBB_EFD_URL") else None


def _influx(settings: Settings) -> Influx:
    from dbb.hooks.influx import Influx  # noqa: PLC0415 - the EFD alone

    return Influx(
        settings.value("DBB_EFD_URL"),
        settings.environment.get("DBB_EFD_DATABASE", "efd"),
        settings.environment.get("DBB_EFD_USER", ""),
        settings.environment.get("DBB_EFD_PASSWORD", ""),
    )


def open_efd_extraction(settings: Settings, backbone: Backbone, actor: str) -> Efd:
    """Open the extraction of the EFD into the archive's store; ``actor`` signs what is recorded."""
    from dbb.flows.efd import Efd  # noqa: PLC0415 - the EFD alone
    from dbb.hooks.efd.cells import SqlEfdCells  # noqa: PLC0415 - the EFD alone
    from dbb.hooks.efd.copying import ParquetCopier  # noqa: PLC0415 - a slow import
    from dbb.hooks.efd.source import InfluxSource  # noqa: PLC0415 - a slow import
    from dbb.hooks.efd.topics import load_topics  # noqa: PLC0415 - the EFD alone

    source = cast(InfluxSource, _WhenUsed(lambda: InfluxSource(_influx(settings))))
    return Efd(
        topics=load_topics(settings.include / "efd" / "topics.yaml", frozenset(load_instruments())),
        source=source,
        copier=ParquetCopier(source, backbone.archive),
        cells=SqlEfdCells(open_ledger(settings, actor), SystemClock()),
        store=backbone.archive,
        clock=SystemClock(),
    )


def open_efd_archive(settings: Settings) -> EfdArchive:
    """Open the archive of the EFD for reading."""
    from dbb.hooks.efd.archive import EfdArchive  # noqa: PLC0415 - a slow import
    from dbb.hooks.efd.cells import SqlEfdCells  # noqa: PLC0415 - the EFD alone
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    archive = settings.endpoint(settings.raw.archive)
    return EfdArchive(
        SqlEfdCells(open_ledger(settings, "efd"), SystemClock()),
        open_store(settings.resolve(archive.store_url)),
    )


def open_consdb(settings: Settings, actor: str) -> SqlConsdb:
    """Open the Consolidated Database's rules, products and exposure log; ``actor`` signs what is added."""
    from dbb.hooks.consdb.database import SqlConsdb  # noqa: PLC0415 - the database alone

    return SqlConsdb(open_ledger(settings, actor), SystemClock())


def _bands() -> dict[str, dict[str, str]]:
    return {
        name: {each: band for each, band in instrument.physical_filters.items() if band}
        for name, instrument in load_instruments().items()
    }


def open_efd_transform(settings: Settings, actor: str) -> dict[str, IntervalPorts]:
    """Open what makes values of telemetry, by instrument; ``actor`` signs what is recorded.

    Raises
    ------
    EfdConfigWrong, PolicyUnreadable
        If a configuration cannot be made, whatever is asked for afterwards.
    """
    from dbb.hooks.efd.opening import load_transform, open_intervals  # noqa: PLC0415 - slow
    from dbb.hooks.efd.topics import load_topics  # noqa: PLC0415 - the EFD alone
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    instruments = load_instruments()
    folder = settings.include / "efd"
    topics = load_topics(folder / "topics.yaml", frozenset(instruments))
    ledger = open_ledger(settings, actor)
    store = open_store(settings.resolve(settings.endpoint(settings.raw.archive).store_url))
    bands = _bands()
    return {
        name: open_intervals(
            *load_transform(name, folder, topics), ledger, store, SystemClock(), bands
        )
        for name in settings.raw.instruments
        if (folder / f"transform_{name.lower()}.yaml").exists()
    }


def open_efd_intervals(settings: Settings, actor: str) -> SqlIntervals:
    """Open what is known of intervals, without what makes them."""
    from dbb.hooks.efd.intervals import SqlIntervals  # noqa: PLC0415 - a slow import

    return SqlIntervals(open_ledger(settings, actor), SystemClock())


def open_efd_files(settings: Settings, actor: str) -> SqlValuesFiles:
    """Open the files in which publications of values travel."""
    from dbb.hooks.efd.values_files import SqlValuesFiles  # noqa: PLC0415 - a slow import

    return SqlValuesFiles(open_ledger(settings, actor))


def open_efd_values(
    settings: Settings, endpoint: str, actor: str
) -> tuple[SqlEndpointValues, SqlPublished]:
    """Open an endpoint's database of values, to load and to compare; its tables are made where they miss.

    Raises
    ------
    SettingMissing
        If ``DBB_EFD_VALUES_<ENDPOINT>`` does not say where it is.
    """
    from dbb.hooks.efd.published import SqlPublished  # noqa: PLC0415 - a slow import
    from dbb.hooks.efd.values_files import SqlEndpointValues  # noqa: PLC0415 - a slow import

    url = settings.value(f"DBB_EFD_VALUES_{endpoint.upper()}")
    ledger = SqlLedger(open_engine(url), SystemClock(), actor)
    ledger.migrate()
    return SqlEndpointValues(ledger, _bands()), SqlPublished(ledger, SystemClock())


def open_alerts(settings: Settings, backbone: Backbone, actor: str) -> Alerts:
    """Open the archive of alert packets; ``actor`` signs what is recorded."""
    from dbb.flows.alerts import Alerts  # noqa: PLC0415 - alerts alone
    from dbb.hooks.alerts.packets import AvroPackets, registry_schemas  # noqa: PLC0415 - slow
    from dbb.hooks.alerts.rows import SqlAlertRows  # noqa: PLC0415 - alerts alone
    from dbb.hooks.alerts.shards import StoreShards  # noqa: PLC0415 - a slow import

    def stream() -> AlertStream:
        from dbb.hooks.alerts.stream import KafkaAlerts  # noqa: PLC0415 - the stream alone

        return KafkaAlerts(
            settings.value("DBB_ALERTS_BROKERS"),
            settings.value("DBB_ALERTS_TOPIC"),
            settings.environment.get("DBB_ALERTS_REPORTS_TOPIC", ""),
        )

    def stored() -> StoredAlerts:
        from dbb.hooks.alerts.database import StoredAlerts  # noqa: PLC0415 - alerts alone
        from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

        return StoredAlerts(open_store(settings.value("DBB_STORE_ALERTS")))

    registry = settings.environment.get("DBB_ALERTS_REGISTRY", "")
    return Alerts(
        backbone=backbone,
        stream=cast("AlertStream", _WhenUsed(stream)),
        database=cast("AlertDatabase", _WhenUsed(stored)),
        packets=AvroPackets(
            registry_schemas(registry) if registry else lambda number: stored().schema(number)
        ),
        shards=StoreShards(backbone.archive),
        rows=SqlAlertRows(open_ledger(settings, actor), SystemClock()),
        retention=dt.timedelta(
            hours=float(settings.environment.get("DBB_ALERTS_RETENTION_H", "168"))
        ),
    )


def open_handoff(
    settings: Settings, endpoint: str, release: str, actor: str, patience_s: float = 8 * 3600
) -> Handoff:
    """Open the handoff of a release to an endpoint's Qserv; ``actor`` signs what is recorded."""
    from dbb.hooks.qserv import opening  # noqa: PLC0415 - slow imports
    from dbb.hooks.qserv.records import SqlQserv  # noqa: PLC0415 - the handoff alone

    records = SqlQserv(open_ledger(settings, actor), SystemClock())
    return opening.open_handoff(settings, endpoint, release, records, patience_s)


def open_qserv_records(settings: Settings) -> SqlQserv:
    """Open what is known of all handoffs."""
    from dbb.hooks.qserv.records import SqlQserv  # noqa: PLC0415 - the handoff alone

    return SqlQserv(open_ledger(settings, "qserv"), SystemClock())


def open_sources(settings: Settings, backbone: Backbone) -> Sources:
    """Open what a reconciler compares, beside the ports of the backbone."""
    from dbb.hooks.findings import SqlFindings  # noqa: PLC0415 - reconciling alone

    def rucio() -> RucioNights:
        from dbb.hooks.rucio_listing import RucioListing  # noqa: PLC0415 - a slow import

        return RucioListing(**_rucio_login(settings))

    @cache
    def butler(endpoint: str) -> ButlerNights:
        from dbb.hooks.butler_listing import ButlerListing  # noqa: PLC0415 - a slow import

        root = settings.resolve(settings.endpoint(endpoint).butler)
        return ButlerListing(root, lambda each: settings.raw.run.format(instrument=each))

    return Sources(
        backbone=backbone,
        rucio=cast(RucioNights, _WhenUsed(rucio)),
        butler=butler,
        findings=SqlFindings(open_ledger(settings, "reconcile")),
    )


def open_exports(settings: Settings, actor: str, *, is_signed: bool = True) -> ExportPorts:
    """Open what exports need beside the backbone; ``DBB_EXPORT_KEY`` names the file of the key."""
    from dbb.flows.export_ports import ExportPorts  # noqa: PLC0415 - exports alone
    from dbb.hooks.export_work import ExportWork  # noqa: PLC0415 - exports alone
    from dbb.hooks.exports import SqlExports  # noqa: PLC0415 - exports alone
    from dbb.hooks.posix_store import PosixStore  # noqa: PLC0415 - exports alone
    from dbb.hooks.ssh_signature import SshSigner  # noqa: PLC0415 - exports alone

    def selection(endpoint: str) -> ExportSelection:
        from dbb.hooks.butler_export import ButlerExport  # noqa: PLC0415 - a slow import

        return ButlerExport(settings.resolve(settings.endpoint(endpoint).butler))

    ledger, objects = open_ledger(settings, actor), open_objects(settings)
    return ExportPorts(
        selection=selection,
        open_folder=PosixStore,
        open_work=ExportWork,
        rows=SqlExports(ledger, SystemClock()),
        signer=SshSigner(Path(settings.value("DBB_EXPORT_KEY"))) if is_signed else None,
        units_of_objects=lambda keys: {each.key: each.unit for each in objects.by_key(keys)},
    )


@dataclasses.dataclass(frozen=True)
class Views:
    """Hold what pages ask the ledger's database, over the connection of a backbone's ledger."""

    page: SqlViews
    keeping: SqlKeeping
    canaries: SqlCanaries
    drills: SqlDrills


def open_views(backbone: Backbone) -> Views:
    """Open what pages ask the ledger's database."""
    from dbb.hooks.canary_rows import SqlCanaries  # noqa: PLC0415 - few ask
    from dbb.hooks.drills import SqlDrills  # noqa: PLC0415 - few ask
    from dbb.hooks.keeping import SqlKeeping  # noqa: PLC0415 - few ask
    from dbb.hooks.page_views import SqlViews  # noqa: PLC0415 - few ask

    ledger, clock = cast(SqlLedger, backbone.ledger), backbone.clock
    return Views(
        SqlViews(ledger), SqlKeeping(ledger, clock), SqlCanaries(ledger, clock), SqlDrills(ledger)
    )


def open_nights(backbone: Backbone, *, keep: bool = False) -> NightRows:
    """Open the counts of nights, over the connection of a backbone's ledger.

    With ``keep`` they are kept, and asked again when something has moved.
    """
    from dbb.hooks.nights import KeptNights, SqlNights  # noqa: PLC0415 - few ask

    ledger = cast(SqlLedger, backbone.ledger)
    return KeptNights(ledger, backbone.clock) if keep else SqlNights(ledger)


def open_canaries(settings: Settings, actor: str) -> SqlCanaries:
    """Open what the ledger's database knows of canaries."""
    from dbb.hooks.canary_rows import SqlCanaries  # noqa: PLC0415 - the canary alone

    return SqlCanaries(open_ledger(settings, actor), SystemClock())


def open_maintenance(settings: Settings, actor: str) -> SqlMaintenance:
    """Open what the ledger's database knows of maintenances."""
    from dbb.hooks.maintenance import SqlMaintenance  # noqa: PLC0415 - maintenance alone

    return SqlMaintenance(open_ledger(settings, actor), SystemClock())


def open_watch(settings: Settings, actor: str) -> Watch:
    """Open what alarms are made with: the checks, the channels, the log."""
    from dbb.flows import alarm_checks as find  # noqa: PLC0415 - alarms alone
    from dbb.flows.alarming import Watch  # noqa: PLC0415
    from dbb.hooks.alarm_channels import open_channels  # noqa: PLC0415
    from dbb.hooks.alarms import SqlAlarms  # noqa: PLC0415
    from dbb.hooks.doctor import probe_airflow  # noqa: PLC0415

    backbone, rows = (
        open_backbone(settings, actor),
        SqlAlarms(open_ledger(settings, actor), SystemClock()),
    )
    keeping, canaries = open_keeping(settings, actor), open_canaries(settings, actor)
    endpoints = settings.endpoints.values()
    checks: dict[str, Check] = {
        "late": lambda: find.find_late(backbone, rows),
        "outage": lambda: find.find_outage(backbone, rows),
        "buffer": lambda: find.find_buffers(backbone, keeping, endpoints),
        "calibration": lambda: find.find_late_calibrations(backbone),
        "canary": lambda: find.find_stuck_canary(backbone, canaries),
        "decision": lambda: find.find_decisions(backbone),
    }
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

    alarms = SqlAlarms(open_ledger(settings, actor), SystemClock())
    keeping = open_keeping(settings, actor)
    return Meters(
        backbone=open_backbone(settings, actor),
        rows=SqlMetrics(open_ledger(settings, actor), alarms, SystemClock()),
        alarms=alarms,
        buffers=keeping,
        canaries=open_canaries(settings, actor),
        account=keeping.account(settings.raw.source, dt.timedelta(days=90)),
        endpoints=settings.endpoints.values(),
    )


def open_cage(settings: Settings, actor: str) -> Cage:
    """Open what a canary needs: an instrument, policies and, for each look, a ledger of its own."""
    from dbb.flows.canary import INSTRUMENT, Cage  # noqa: PLC0415 - the canary alone
    from dbb.hooks.butler_canary import prepare_repository, read_dataset  # noqa: PLC0415
    from dbb.hooks.canary_camera import draw_exposure  # noqa: PLC0415 - the canary alone
    from dbb.hooks.instruments import CANARY, load_instrument  # noqa: PLC0415 - the canary alone

    camera = load_instrument(INSTRUMENT, CANARY)
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
        calibrations=SqlCalibrations(ledger, SystemClock(), "canary"),
        inbox=SqlInbox(ledger, SystemClock()),
        inspector=FitsInspector({camera.name: camera}),
        indexer=ButlerIndexer([camera]),
    )


def open_backbone(settings: Settings, actor: str) -> Backbone:
    """Open the ledger of an installation, and every other port when it is used.

    Call it inside a task, never when a DAG file is read. Nothing opened here may cross a fork.
    """
    instruments = load_instruments()
    ledger = open_ledger(settings, actor)

    def inspector() -> Inspector:
        from dbb.hooks.fits_inspector import FitsInspector  # noqa: PLC0415 - a slow import

        return FitsInspector(instruments)

    def indexer() -> Indexer:
        from dbb.hooks.butler_indexer import ButlerIndexer  # noqa: PLC0415 - a slow import

        return ButlerIndexer(instruments.values())

    def sky() -> Sky:
        from dbb.hooks.sky_regions import SkyRegions  # noqa: PLC0415 - a slow import

        return SkyRegions(settings.include / "policies" / "regions", instruments)

    def sidecars(store: Store, folder: str, names: Iterable[str], kind: Kind, /) -> Sidecars:
        from dbb.hooks.sidecars import read_sidecars  # noqa: PLC0415 - a slow import

        return read_sidecars(store, folder, names, kind)

    @cache
    def store(endpoint: str) -> Store:
        from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

        return open_store(settings.resolve(settings.endpoint(endpoint).store_url))

    @cache
    def repository(endpoint: str) -> Repository:
        from dbb.hooks.butler_repository import ButlerRepository  # noqa: PLC0415 - a slow import

        return ButlerRepository(settings.resolve(settings.endpoint(endpoint).butler))

    def group_patience_s(instrument: str) -> float:
        from dbb.hooks.calibration.patience import read_patience_s  # noqa: PLC0415 - few ask

        return read_patience_s(instrument, settings.include / "calibration")

    return Backbone(
        policy=settings.raw,
        policies=settings.policies,
        instruments=instruments,
        rses={name: endpoint.rse for name, endpoint in settings.endpoints.items()},
        ledger=ledger,
        calibrations=SqlCalibrations(ledger, SystemClock(), actor),
        inbox=SqlInbox(ledger, SystemClock()),
        clock=SystemClock(),
        catalog=cast(Catalog, _WhenUsed(lambda: open_catalog(settings))),
        inspector=cast(Inspector, _WhenUsed(inspector)),
        indexer=cast(Indexer, _WhenUsed(indexer)),
        sky=cast(Sky, _WhenUsed(sky)),
        sidecars=sidecars,
        store=store,
        repository=repository,
        group_patience_s=group_patience_s,
    )
