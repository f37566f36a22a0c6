"""The Engineering and Facilities Database, and the Consolidated Database made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dbb.flows.backbone import Backbone
from dbb.hooks.engine import open_engine
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger
from dbb.settings import Settings
from dbb.wiring.base import SystemClock, WhenUsed, open_ledger

if TYPE_CHECKING:
    from dbb.flows.efd import Efd
    from dbb.flows.efd_intervals import IntervalPorts
    from dbb.hooks.consdb.database import SqlConsdb
    from dbb.hooks.efd.intervals import SqlIntervals
    from dbb.hooks.influx import Influx
    from dbb.hooks.publications.files import SqlEndpoint, SqlPublicationFiles
    from dbb.hooks.publications.hashes import SqlHashes


def open_influx(settings: Settings) -> Influx:
    """Open the EFD's database, to ask."""
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

    source = cast(InfluxSource, WhenUsed(lambda: InfluxSource(open_influx(settings))))
    return Efd(
        topics=load_topics(settings.include / "efd" / "topics.yaml", frozenset(load_instruments())),
        source=source,
        copier=ParquetCopier(source, backbone.archive),
        cells=SqlEfdCells(open_ledger(settings, actor)),
        store=backbone.archive,
        clock=SystemClock(),
    )


def open_consdb(settings: Settings, actor: str) -> SqlConsdb:
    """Open the Consolidated Database's rules, products and exposure log; ``actor`` signs what is added."""
    from dbb.hooks.consdb.database import SqlConsdb  # noqa: PLC0415 - the database alone

    return SqlConsdb(open_ledger(settings, actor))


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
    return {
        name: open_intervals(*load_transform(name, folder, topics), ledger, store, SystemClock())
        for name in settings.raw.instruments
        if (folder / f"transform_{name.lower()}.yaml").exists()
    }


def open_efd_intervals(settings: Settings, actor: str) -> SqlIntervals:
    """Open what is known of intervals, without what makes them."""
    from dbb.hooks.efd.intervals import SqlIntervals  # noqa: PLC0415 - a slow import

    return SqlIntervals(open_ledger(settings, actor))


def open_efd_files(settings: Settings, actor: str) -> SqlPublicationFiles:
    """Open the files in which publications travel."""
    from dbb.hooks.publications.files import SqlPublicationFiles  # noqa: PLC0415 - a slow import

    return SqlPublicationFiles(open_ledger(settings, actor))


def open_hashes(settings: Settings, actor: str) -> SqlHashes:
    """Open what the archive has published, to be compared."""
    from dbb.hooks.publications.hashes import SqlHashes  # noqa: PLC0415 - a slow import

    return SqlHashes(open_ledger(settings, actor))


def open_efd_values(settings: Settings, endpoint: str, actor: str) -> tuple[SqlEndpoint, SqlHashes]:
    """Open an endpoint's database of publications, to load and to compare; its tables are made where they miss.

    Raises
    ------
    SettingMissing
        If ``DBB_EFD_VALUES_<ENDPOINT>`` does not say where it is.
    """
    from dbb.hooks.publications.files import SqlEndpoint  # noqa: PLC0415 - a slow import
    from dbb.hooks.publications.hashes import SqlHashes  # noqa: PLC0415 - a slow import

    url = settings.value(f"DBB_EFD_VALUES_{endpoint.upper()}")
    ledger = SqlLedger(open_engine(url), SystemClock(), actor, endpoint)
    ledger.migrate()
    return SqlEndpoint(ledger), SqlHashes(ledger)
