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
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import InterfaceError, OperationalError

from dbb.errors import RepositoryUnavailable
from dbb.flows.reconcile_views import Served
from dbb.hooks.butler_batch import is_outage
from dbb.hooks.butler_dataset_types import NAMES
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
            span = {
                "instrument": instrument,
                "first": day_obs * SEQ_NUM_LIMIT,
                "last": (day_obs + 1) * SEQ_NUM_LIMIT - 1,
            }
            for row in tables.groups(self._run(instrument), span):
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
            raise RepositoryUnavailable.for_repository(self._root, type(error).__name__) from error
        except Exception as error:
            if is_outage(error):
                words = type(error).__name__
                raise RepositoryUnavailable.for_repository(self._root, words) from error
            raise


class _Tables:
    """Speak SQL to the tables of one repository, in either database."""

    def __init__(
        self, connection: Connection, namespace: str | None, records: str, datastore: str
    ) -> None:
        self._connection = connection
        self._datastore = datastore
        self._is_sqlite = connection.dialect.name == "sqlite"
        prefix = f'"{namespace}".' if namespace else ""
        self._names = {"p": prefix, "records": f"{prefix}{records}"}
        if self._is_sqlite:
            raw: Any = connection.connection.dbapi_connection
            raw.create_aggregate("dbb_sums", 1, _Sums)

    def groups(self, run: str, span: dict[str, Any]) -> Iterator[Any]:
        """Count and sum by exposure and file, in the database."""
        for tags, type_ids, run_id in self._raw_types(run):
            yield from self._run(
                f"select t.exposure, {self._file} as file, count(*) as number, "
                f"{self._sums} as sums {self._joined(tags)} and t.exposure between :first and :last "
                "group by 1, 2",
                span | {"types": type_ids, "run": run_id},
            )

    def rows(self, run: str, instrument: str, exposures: list[int]) -> Iterator[Served]:
        """Read each dataset of some exposures."""
        for tags, type_ids, run_id in self._raw_types(run):
            found = self._run(
                f"select t.exposure, t.dataset_id as id, {self._file} as file "
                f"{self._joined(tags)} and t.exposure in :exposures",
                {
                    "types": type_ids,
                    "run": run_id,
                    "instrument": instrument,
                    "exposures": exposures,
                },
            )
            for row in found:
                yield Served(_bytes(row.id), int(row.exposure), row.file)

    def places(self, ids: Sequence[bytes]) -> dict[bytes, str]:
        """Find the files of datasets."""
        found = self._run(
            f"select t.id, {self._file} as file from {self._names['p']}dataset t "
            f"left join {self._names['records']} r on r.dataset_id = t.id "
            f"left join {self._names['p']}dataset_location l on l.dataset_id = t.id "
            "and l.datastore_name = :datastore where t.id in :ids",
            {"ids": [self._id(each) for each in ids]},
        )
        return {_bytes(row.id): row.file for row in found}

    def _raw_types(self, run: str) -> list[tuple[str, list[int], int]]:
        """Find the tables of raw images' places, the numbers of their types and of the run."""
        p = self._names["p"]
        runs = list(
            self._run(f"select collection_id from {p}collection where name = :run", {"run": run})
        )
        types = self._run(
            f"select id, tag_association_table as tags from {p}dataset_type where name in :names",
            {"names": list(NAMES)},
        )
        by_table: dict[str, list[int]] = {}
        for row in types:
            by_table.setdefault(row.tags, []).append(int(row.id))
        run_ids = [int(row.collection_id) for row in runs]
        return [(tags, ids, run_ids[0]) for tags, ids in sorted(by_table.items()) if run_ids]

    def _joined(self, tags: str) -> str:
        return (
            f"from {self._names['p']}{tags} t "
            f"left join {self._names['records']} r on r.dataset_id = t.dataset_id "
            f"left join {self._names['p']}dataset_location l on l.dataset_id = t.dataset_id "
            "and l.datastore_name = :datastore where t.dataset_type_id in :types and t.collection_id = :run "
            "and t.instrument = :instrument"
        )

    @property
    def _file(self) -> str:
        """Give the URL without the member; a dataset that was unstored has no location."""
        path = (
            "substr(r.path, 1, instr(r.path || '#', '#') - 1)"
            if self._is_sqlite
            else "split_part(r.path, '#', 1)"
        )
        return f"case when l.dataset_id is null or r.path is null then '' else {path} end"

    @property
    def _sums(self) -> str:
        if self._is_sqlite:
            return "dbb_sums(t.dataset_id)"
        half = "('x' || {})::bit(64)::bigint"
        digits = "replace(t.dataset_id::text, '-', '')"
        high, low = (half.format(f"{side}({digits}, 16)") for side in ("left", "right"))
        return f"sum({high})::text || ':' || sum({low})::text"

    def _id(self, key: bytes) -> Any:
        return key.hex() if self._is_sqlite else uuid.UUID(bytes=key)

    def _run(self, sql: str, parameters: dict[str, Any]) -> Iterator[Any]:
        # The names in the text are Butler's own; what callers give is bound.
        if ":datastore" in sql:
            parameters = parameters | {"datastore": self._datastore}
        clause = text(sql).bindparams(
            *(
                bindparam(name, expanding=True)
                for name, value in parameters.items()
                if isinstance(value, list)
            )
        )
        options = {"stream_results": True, "max_row_buffer": 5000}
        yield from self._connection.execute(clause, parameters, execution_options=options)


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
