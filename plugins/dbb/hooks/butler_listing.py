"""List what a Butler repository serves of a night: by exposure and file, counted and summed.

The sums are computed where the rows lie; only for what differs are identifiers read. This is the only
place that reads Butler's own tables (``dataset_type``, ``collection``, ``dataset_tags_…``, ``dataset``
and the datastore's records): its query interface takes forty times as long for a night. A contract
test compares every answer with that interface.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lsst.daf.butler import Butler
from sqlalchemy import Connection, and_, case, column, func, literal_column, select, table
from sqlalchemy.exc import InterfaceError, OperationalError

from dbb.errors import RepositoryUnavailable
from dbb.flows.reconcile_views import Served
from dbb.hooks.butler_batch import is_outage
from dbb.hooks.butler_dataset_types import NAMES
from dbb.hooks.certificates import BUTLER_CA, made_clear
from dbb.model.exposure import SEQ_NUM_LIMIT
from dbb.model.fingerprint import Fingerprint

IDS_AT_ONCE = 1000
EXPOSURES_AT_ONCE = 500


class ButlerListing:
    """List datasets of one repository.

    Parameters
    ----------
    root
        The folder or URL of ``butler.yaml``.
    run
        Gives an instrument's run collection.
    """

    def __init__(self, root: str, run: Callable[[str], str]) -> None:
        self._root = root
        self._run = run

    def served(self, instrument: str, day_obs: int) -> dict[tuple[int, str], Fingerprint]:
        """Sum up a night's raw images by exposure and file (URL; empty: not in the datastore)."""
        found: dict[tuple[int, str], Fingerprint] = {}
        with self._open() as tables:
            first = day_obs * SEQ_NUM_LIMIT
            last = first + SEQ_NUM_LIMIT - 1
            for row in tables.groups(self._run(instrument), instrument, first, last):
                high, low = (int(part) for part in str(row.sums).split(":"))
                key = (int(row.exposure), row.file)
                new = Fingerprint(int(row.number), high, low)
                found[key] = found[key] + new if key in found else new
        return found

    def datasets(self, instrument: str, exposures: Sequence[int]) -> Iterator[Served]:
        """List the raw images of some exposures, each with its file."""
        with self._open() as tables:
            for first in range(0, len(exposures), EXPOSURES_AT_ONCE):
                numbers = list(exposures[first : first + EXPOSURES_AT_ONCE])
                yield from tables.rows(self._run(instrument), instrument, numbers)

    def places(self, ids: Sequence[bytes]) -> dict[bytes, str]:
        """Find datasets of whatever type: the file of each that is there (empty: not stored)."""
        found: dict[bytes, str] = {}
        with self._open() as tables:
            for first in range(0, len(ids), IDS_AT_ONCE):
                found |= tables.places(ids[first : first + IDS_AT_ONCE])
        return found

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Tables]:
        try:
            with Butler.from_config(self._root, writeable=False) as butler:
                database = butler._registry._db  # noqa: SLF001 - see the contract test
                with database._engine.connect() as connection:  # noqa: SLF001
                    store = butler._datastore  # noqa: SLF001
                    records = str(store._table.name)  # noqa: SLF001
                    yield _Tables(connection, database.namespace, records, store.name)
        except (OSError, OperationalError, InterfaceError) as error:
            failure = RepositoryUnavailable.for_repository(self._root, type(error).__name__)
            raise made_clear(failure, error, BUTLER_CA) from error
        except Exception as error:
            if is_outage(error):
                words = type(error).__name__
                raise RepositoryUnavailable.for_repository(self._root, words) from error
            raise


class _Tables:
    """Speak SQL to the tables of one repository, in either database."""

    def __init__(
        self, connection: Connection, schema: str | None, records: str, datastore: str
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._datastore = datastore
        self._records = self._table(records, "dataset_id", "path").alias("r")
        self._location = self._table("dataset_location", "dataset_id", "datastore_name").alias("l")
        self._is_sqlite = connection.dialect.name == "sqlite"
        if self._is_sqlite:
            raw: Any = connection.connection.dbapi_connection
            raw.create_aggregate("dbb_sums", 1, _Sums)

    def groups(self, run: str, instrument: str, first: int, last: int) -> Iterator[Any]:
        """Count and sum by exposure and file, in the database."""
        for places, is_wanted in self._images(run, instrument):
            file = self._file.label("file")
            query = (
                select(
                    places.c.exposure, file, func.count().label("number"), self._sums.label("sums")
                )
                .select_from(self._with_files(places, places.c.dataset_id))
                .where(is_wanted, places.c.exposure.between(first, last))
                .group_by(places.c.exposure, file)
            )
            yield from self._run(query)

    def rows(self, run: str, instrument: str, exposures: Sequence[int]) -> Iterator[Served]:
        """Read each dataset of some exposures."""
        for places, is_wanted in self._images(run, instrument):
            query = (
                select(places.c.exposure, places.c.dataset_id, self._file.label("file"))
                .select_from(self._with_files(places, places.c.dataset_id))
                .where(is_wanted, places.c.exposure.in_(exposures))
            )
            for row in self._run(query):
                yield Served(_bytes(row.dataset_id), int(row.exposure), row.file)

    def places(self, ids: Sequence[bytes]) -> dict[bytes, str]:
        """Find the files of datasets."""
        datasets = self._table("dataset", "id").alias("t")
        keys = [key.hex() if self._is_sqlite else uuid.UUID(bytes=key) for key in ids]
        query = (
            select(datasets.c.id, self._file.label("file"))
            .select_from(self._with_files(datasets, datasets.c.id))
            .where(datasets.c.id.in_(keys))
        )
        return {_bytes(row.id): row.file for row in self._run(query)}

    def _images(self, run: str, instrument: str) -> Iterator[tuple[Any, Any]]:
        """Give the tables in which raw images of a run stand, and which of their rows are such."""
        collections = self._table("collection", "collection_id", "name")
        (run_id,) = self._column(
            select(collections.c.collection_id).where(collections.c.name == run)
        ) or [None]
        types = self._table("dataset_type", "id", "name", "tag_association_table")
        named = types.c.name.in_(NAMES)
        tables = self._column(select(types.c.tag_association_table).where(named).distinct())
        ids = self._column(select(types.c.id).where(named))
        for name in sorted(tables) if run_id is not None else ():
            columns = ("dataset_type_id", "dataset_id", "collection_id", "instrument", "exposure")
            places = self._table(name, *columns).alias("t")
            yield (
                places,
                and_(
                    places.c.dataset_type_id.in_(ids),
                    places.c.collection_id == run_id,
                    places.c.instrument == instrument,
                ),
            )

    def _with_files(self, datasets: Any, key: Any) -> Any:
        r, place = self._records, self._location
        is_here = and_(place.c.dataset_id == key, place.c.datastore_name == self._datastore)
        return datasets.outerjoin(r, r.c.dataset_id == key).outerjoin(place, is_here)

    @property
    def _file(self) -> Any:
        """Give the URL without the member; a dataset that was unstored has no location."""
        path = self._records.c.path
        if self._is_sqlite:
            url = func.substr(path, 1, func.instr(path.concat("#"), "#") - 1)
        else:
            url = func.split_part(path, "#", 1)
        is_stored = and_(self._location.c.dataset_id.is_not(None), path.is_not(None))
        return case((is_stored, url), else_="")

    @property
    def _sums(self) -> Any:
        if self._is_sqlite:
            return func.dbb_sums(literal_column("t.dataset_id"))
        half = "sum(('x' || {}(replace(t.dataset_id::text, '-', ''), 16))::bit(64)::bigint)::text"
        return literal_column(f"{half.format('left')} || ':' || {half.format('right')}")

    def _table(self, name: str, *columns: str) -> Any:
        return table(name, *(column(each) for each in columns), schema=self._schema)

    def _column(self, query: Any) -> list[Any]:
        return list(self._connection.execute(query).scalars())

    def _run(self, query: Any) -> Iterator[Any]:
        options = {"stream_results": True, "max_row_buffer": 5000}
        yield from self._connection.execute(query, execution_options=options)


class _Sums:
    """Sum the halves of identifiers: an aggregate function of SQLite."""

    def __init__(self) -> None:
        self.high = self.low = 0

    def step(self, digits: str) -> None:
        """Take one identifier, as 32 hexadecimal digits."""
        key = bytes.fromhex(digits)
        self.high += int.from_bytes(key[:8], "big", signed=True)
        self.low += int.from_bytes(key[8:], "big", signed=True)

    def finalize(self) -> str:
        """Give both sums."""
        return f"{self.high}:{self.low}"


def _bytes(key: Any) -> bytes:
    return key.bytes if isinstance(key, uuid.UUID) else uuid.UUID(str(key)).bytes
