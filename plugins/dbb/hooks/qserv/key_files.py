"""Reading keys of Parquet files: their ranges from the footer, and themselves where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dbb.errors import CatalogUnfit
from dbb.flows.qserv_ids import KeyRange

Keys = npt.NDArray[np.int64]


class ParquetKeys:
    """Read keys a row group at a time."""

    def ranges(self, stream: BinaryIO, column: str, name: str) -> list[KeyRange]:
        """Tell the ranges of a file's row groups; one that says none, or not exactly, is read."""
        found = []
        with _opened(stream, column, name) as parquet:
            paths = [parquet.schema.column(place).path for place in range(len(parquet.schema))]
            place = paths.index(column)
            for number in range(parquet.num_row_groups):
                group = parquet.metadata.row_group(number)
                told = group.column(place).statistics
                if told is not None and told.has_min_max and told.null_count == 0:
                    found.append(
                        KeyRange(number, int(told.min), int(told.max), int(group.num_rows))
                    )
                elif len(keys := _keys(parquet, column, number)):
                    found.append(KeyRange(number, int(keys.min()), int(keys.max()), len(keys)))
        return found

    def keys(self, stream: BinaryIO, column: str, name: str, piece: int) -> Keys:
        """Read the keys of a row group."""
        with _opened(stream, column, name) as parquet:
            return _keys(parquet, column, piece)

    def common(self, one: Keys, other: Keys) -> list[int]:
        """Give the keys that both have, in order."""
        places = np.minimum(np.searchsorted(other, one), len(other) - 1)
        return [int(key) for key in one[other[places] == one]]


@contextmanager
def _opened(stream: BinaryIO, column: str, name: str) -> Iterator[pq.ParquetFile]:
    try:
        parquet = pq.ParquetFile(stream)
        if column not in parquet.schema_arrow.names:
            raise CatalogUnfit.for_problems(name, [f"it has no column {column}"])
        kind = parquet.schema_arrow.field(column).type
        if not pa.types.is_integer(kind):
            raise CatalogUnfit.for_problems(name, [f"{column} is {kind}, no whole number"])
        yield parquet
    except pa.ArrowException as error:
        raise CatalogUnfit.for_problems(name, [f"it cannot be read: {error}"]) from error


def _keys(parquet: pq.ParquetFile, column: str, group: int) -> Keys:
    """Read whole numbers as such, in order: what does not fit is told, and never rounded."""
    table: Any = parquet.read_row_group(group, columns=[column])
    values = table.column(0).drop_null().cast(pa.int64())
    return np.unique(np.asarray(values.to_numpy(), dtype=np.int64))
