"""Make the Butler registries of a published night, filled by SQL with what an ingest leaves there."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from benchmarks.published_night import DETECTORS, PLACES, PLANTED, ids_of, places_of, unit_at
from sqlalchemy import make_url

from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository, name_driver
from dbb.hooks.posix_store import PosixStore
from support.raw_bundles import BundleMaker, make_instrument

TABLES = {
    "dataset": "id, dataset_type_id, ingest_date, run_id",
    "dataset_tags_00000001": "dataset_type_id, dataset_id, collection_id, instrument, detector, exposure",
    "dataset_location": "datastore_name, dataset_id",
    "file_datastore_records": "dataset_id, path, formatter, storage_class, component, file_size",
}
DATASTORE = "FileDatastore@<butlerRoot>"


def make_registry(
    folder: Path, place: str, exposures: int, postgres: str, mark: str, datasets: int = DETECTORS
) -> None:
    """Make a repository by Butler, and fill it by SQL with what an ingest leaves there."""
    camera = make_instrument(DETECTORS)
    root = folder / "butler" / place
    url = name_driver(postgres) if postgres else None
    create_repository(
        root, [camera], registry_url=url, namespace=f"{mark}_{place}" if url else None
    )
    maker = BundleMaker(folder / "first", camera, ButlerIndexer([camera]), draw=lambda *_: b"x")
    bundle = maker.make(99_999)
    repository = ButlerRepository(str(root))
    assert not repository.ingest([bundle])
    repository.withdraw([bundle.manifest])
    rows = _datasets(folder, place, exposures, datasets)
    if url is None:
        _fill_sqlite(root / "gen3.sqlite3", rows)
    else:
        _fill_postgres(postgres, f"{mark}_{place}", rows)


def _datasets(
    folder: Path, place: str, exposures: int, datasets: int
) -> Iterator[tuple[str, int, int, str]]:
    """List identifier, exposure, detector and path."""
    store = PosixStore(folder / place)
    for number in range(1, exposures + 1):
        unit = unit_at(number)
        if place in places_of(unit):
            url = store.url_of(f"raw/{unit.bundle_name}")
            lacking = place == "frdf" and number <= PLANTED
            for detector, key in enumerate(ids_of(number, datasets)[1 if lacking else 0 :]):
                path = f"{url}#zip-path={unit.obs_id}_{detector:03d}.fits"
                yield key.hex(), unit.obs_id.exposure_id, detector, path


def _values(row: tuple[str, int, int, str]) -> list[tuple[Any, ...]]:
    key, exposure, detector, path = row
    return [
        (key, 2, 1_795_629_078_450_006_000, 1),
        (2, key, 1, "LSSTCam", detector, exposure),
        (DATASTORE, key),
        (
            key,
            path,
            "dbb.hooks.butler_formatter.FitsFileFormatter",
            "FitsHDUList",
            "__NULL_STRING__",
            -1,
        ),
    ]


def _fill_sqlite(file: Path, rows: Iterable[tuple[str, int, int, str]]) -> None:
    connection = sqlite3.connect(file)
    connection.execute("pragma synchronous = off")
    for chunk in iter(lambda: list(itertools.islice(rows, 20_000)), []):
        for (name, columns), values in zip(
            TABLES.items(), zip(*map(_values, chunk), strict=True), strict=True
        ):
            marks = ", ".join("?" for _ in columns.split(","))
            connection.executemany(f"insert into {name} ({columns}) values ({marks})", values)  # noqa: S608
    connection.commit()
    connection.execute("analyze")
    connection.close()


def _fill_postgres(url: str, schema: str, rows: Iterable[tuple[str, int, int, str]]) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        # Exposures and the like are left out: nothing here reads them.
        keys = connection.execute(
            "select conrelid::regclass::text, conname from pg_constraint "
            "where contype = 'f' and connamespace = %s::regnamespace",
            (f'"{schema}"',),
        ).fetchall()
        for name, key in keys:
            connection.execute(f'alter table {name} drop constraint if exists "{key}" cascade')
        for chunk in iter(lambda: list(itertools.islice(rows, 100_000)), []):
            for (name, columns), values in zip(
                TABLES.items(), zip(*map(_values, chunk), strict=True), strict=True
            ):
                with connection.cursor().copy(
                    f'copy "{schema}".{name} ({columns}) from stdin'
                ) as copy:
                    for value in values:
                        copy.write_row(value)
        for name in TABLES:
            connection.execute(f'analyze "{schema}".{name}')


def drop_schemas(url: str, mark: str) -> None:
    """Take the registries away."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for place in [*PLACES, "peer"]:
            connection.execute(f'drop schema if exists "{mark}_{place}" cascade')
