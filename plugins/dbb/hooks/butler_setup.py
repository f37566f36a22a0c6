"""Create Butler repositories and register instruments: safe to repeat, also after a crash."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler, CollectionType, Config, DimensionRecord, Registry
from lsst.daf.butler.registry.interfaces import SchemaAlreadyDefinedError
from sqlalchemy import make_url

from dbb.hooks import butler_formatter
from dbb.hooks.butler_dataset_types import STORAGE_CLASS, STORAGE_CLASS_CONFIG, dataset_types
from dbb.hooks.butler_records import Row, detector_row, filter_row, instrument_row, to_records
from dbb.model.instrument import Instrument

log = logging.getLogger(__name__)

RUN = "{instrument}/raw/all"
"""The collection that Rubin's tools expect raw images in."""

VISIT_SYSTEMS = {0: "one-to-one", 2: "by-seq-start-end"}


def create_repository(
    root: Path | str,
    instruments: Sequence[Instrument],
    *,
    registry_url: str | None = None,
    namespace: str | None = None,
    run: str = RUN,
    datastore_root: str | None = None,
) -> None:
    """Make sure that a repository exists and knows the instruments, dataset types, collections.

    Parameters
    ----------
    root
        The folder of ``butler.yaml``. Bundles stay where they are, outside of it.
    instruments
        What to register; a changed description replaces the recorded one.
    registry_url
        SQLAlchemy's address of a PostgreSQL database that has the extension ``btree_gist``; SQLite
        in the folder where it is None. It is written into ``butler.yaml``: a password belongs into
        ``PGPASSFILE`` or Butler's ``db-auth.yaml`` instead.
    namespace
        The database schema, where several repositories share a database.
    run
        Template of the run collections.
    datastore_root
        Where Butler keeps what is put into it, ``s3://profile@bucket/folder/``; beside the folder
        of ``butler.yaml`` where it is None. Bundles are read where they are in either case.
    """
    folder = Path(root)
    if not (folder / "butler.yaml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make_repository(folder, _make_config(registry_url, namespace, datastore_root))
    with Butler.from_config(str(folder), writeable=True) as butler:
        for instrument in instruments:
            register_instrument(butler.registry, instrument, update=True)
        for dataset_type in dataset_types(butler.dimensions).values():
            butler.registry.registerDatasetType(dataset_type)
        for name in sorted(instrument.name for instrument in instruments):
            _register_collections(butler, name, run.format(instrument=name))


def _make_repository(folder: Path, config: Config) -> None:
    # Butler writes the configuration before the tables. Giving it its name last makes sure that a
    # folder with a butler.yaml is a whole repository, and that a crash can be repeated.
    unfinished = folder / "butler-unfinished.yaml"
    try:
        Butler.makeRepo(
            str(folder),
            config=config,
            outfile=str(unfinished),
            overwrite=True,
            # Otherwise the datastore's root is put back to the folder, without a word.
            forceConfigRoot=("datastore", "root") not in config,
        )
    except SchemaAlreadyDefinedError:
        log.info("action=create-repository folder=%s reason=the tables are there already", folder)
    finished = Config(str(unfinished))
    del finished["root"]  # the folder may be moved
    renamed = folder / "butler-finished.yaml"
    finished.dumpToUri(str(renamed))
    if str(finished["registry", "db"]).startswith("postgresql"):
        renamed.chmod(0o640)  # its address may hold a password
    renamed.rename(folder / "butler.yaml")
    unfinished.unlink()


def _make_config(
    registry_url: str | None, namespace: str | None, datastore_root: str | None
) -> Config:
    config = Config()
    if datastore_root is not None:
        config["datastore", "root"] = datastore_root
    if registry_url is not None:
        config["registry", "db"] = name_driver(registry_url)
    if namespace is not None:
        config["registry", "namespace"] = namespace
    config["storageClasses", STORAGE_CLASS] = STORAGE_CLASS_CONFIG
    config["datastore", "formatters", STORAGE_CLASS] = butler_formatter.NAME
    return config


def name_driver(registry_url: str) -> str:
    """Say psycopg where a PostgreSQL address names no driver: SQLAlchemy's default has changed."""
    url = make_url(registry_url)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def _register_collections(butler: Butler, instrument: str, run: str) -> None:
    # Outside of ingest's transaction and in sorted order: two writers that create collections in
    # different orders lock each other up in PostgreSQL.
    defaults = f"{instrument}/defaults"
    butler.collections.register(run, CollectionType.RUN)
    butler.collections.register(defaults, CollectionType.CHAINED)
    if run not in butler.collections.get_info(defaults).children:
        butler.collections.prepend_chain(defaults, run)


def register_instrument(
    registry: Registry, instrument: Instrument, *, update: bool = False
) -> None:
    """Insert an instrument's dimension records, and with ``update`` replace changed ones.

    Raises
    ------
    lsst.daf.butler.registry.ConflictingDefinitionError
        If a record exists, differs and ``update`` is false.
    """
    rows: dict[str, list[Row]] = {
        "instrument": [instrument_row(instrument)],
        "physical_filter": [filter_row(instrument, name) for name in instrument.physical_filters],
        "detector": [detector_row(instrument, detector) for detector in instrument.detectors],
        "visit_system": [
            {"instrument": instrument.name, "id": number, "name": name}
            for number, name in VISIT_SYSTEMS.items()
        ],
    }
    with registry.transaction():
        for element, element_rows in rows.items():
            records = to_records(element, element_rows, registry.dimensions)
            _synchronize(registry, element, records, instrument.name, update=update)


def _synchronize(
    registry: Registry,
    element: str,
    records: Iterable[DimensionRecord],
    instrument: str,
    *,
    update: bool,
) -> None:
    # One query and one insert for what is new; a statement per record only for what differs.
    known = _known_records(registry, element, instrument)
    new = [record for record in records if record.dataId not in known]
    changed = [record for record in records if known.get(record.dataId, record) != record]
    if new:
        registry.insertDimensionData(element, *new, skip_existing=True)
    for record in changed:
        registry.syncDimensionData(element, record, update=update)


def _known_records(registry: Registry, element: str, instrument: str) -> dict[Any, DimensionRecord]:
    if element != "instrument" and not any(
        registry.queryDimensionRecords("instrument", instrument=instrument, check=False)
    ):
        return {}
    found = registry.queryDimensionRecords(element, instrument=instrument, check=False)
    return {record.dataId: record for record in found}
