"""The views that show exposures in the shape of Rubin's schemas ``cdb_*``: every column, NULL where nobody tells.

In PostgreSQL they lie in a schema of their own, ``cdb_lsstcam.exposure``; in SQLite, which has no
schemas, the name has an underscore, ``cdb_lsstcam_exposure``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml
from sqlalchemy import Connection, inspect

from dbb.hooks.sql import naming_refused_views
from dbb.model.consdb import CCDEXPOSURE, EXPOSURE_COLUMNS, PRODUCTS

PACKAGE = "lsst.sdm.schemas"

_TYPES = {
    "long": "bigint", "int": "integer", "short": "smallint", "byte": "smallint",
    "double": "double precision", "float": "double precision", "boolean": "boolean",
    "timestamp": "timestamp",
}  # fmt: skip
"""SQL types by those of the schema; all else is text."""

_WHOLE = {"exposure": {}, "visit1": {"visit_id": "exposure_id"}}
"""Tables of an exposure's own row, and the names that columns have there; such a visit is one exposure."""

_OF_DETECTORS = {
    CCDEXPOSURE: (CCDEXPOSURE, {}),
    "ccdvisit1": (CCDEXPOSURE, {"ccdvisit_id": "ccdexposure_id", "visit_id": "exposure_id"}),
    **{name: (name, {"visit_id": "exposure_id"}) for name in PRODUCTS},
}
"""By table, whose members it shows, and the names that columns have there."""

_KEYS = ("day_obs", "seq_num", "exposure_id", "detector")


def make_missing_views(connection: Connection, instrument: str) -> list[str]:
    """Make the views of an instrument where there are none; give their names.

    An instrument of which Rubin has published no schema gets none.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    place = f"cdb_{instrument.lower()}"
    there = inspect(connection)
    if is_sqlite and f"{place}_exposure" in there.get_view_names():
        return []
    if not is_sqlite and "exposure" in there.get_view_names(schema=place):
        return []
    return make_views(connection, instrument)


def make_views(connection: Connection, instrument: str) -> list[str]:
    """Make the views of an instrument anew; give their names.

    Raises
    ------
    ViewsRefused
        If the database refuses one.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    place = f"cdb_{instrument.lower()}"
    tables = _load_tables(instrument)
    names = []
    with naming_refused_views(place):
        if tables and not is_sqlite:
            connection.exec_driver_sql(f"create schema if not exists {place}")
        for table, columns in tables.items():
            names.append(f"{place}{'_' if is_sqlite else '.'}{table}")
            connection.exec_driver_sql(f"drop view if exists {names[-1]}")
            query = _query(instrument, table, columns, is_sqlite=is_sqlite)
            connection.exec_driver_sql(f"create view {names[-1]} as {query}")
    return names


def product_columns(instrument: str, table: str) -> Mapping[str, str]:
    """Give the columns of a table that pipelines deliver, with their types; none where it is unknown."""
    return _load_tables(instrument).get(table, {}) if table in PRODUCTS else {}


@cache
def _load_tables(instrument: str) -> Mapping[str, Mapping[str, str]]:
    """Read the columns and types of the tables that have views; none where there is no schema."""
    file = resources.files(PACKAGE) / f"cdb_{instrument.lower()}.yaml"
    if not file.is_file():
        return {}
    document = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return {
        table["name"]: {each["name"]: each["datatype"] for each in table["columns"]}
        for table in document["tables"]
        if table["name"] in {*_WHOLE, *_OF_DETECTORS}
    }


def _query(instrument: str, table: str, columns: Mapping[str, str], *, is_sqlite: bool) -> str:
    if table in _WHOLE:
        names = _WHOLE[table]
        cells = [
            _cell(f"v.{names.get(name, name)}", kind, names.get(name, name) in EXPOSURE_COLUMNS)
            for name, kind in columns.items()
        ]
        return _select(columns, cells, f"consdb_exposure v where v.instrument = '{instrument}'")
    shown, names = _OF_DETECTORS[table]
    cells = []
    for name, kind in columns.items():
        inner = names.get(name, name)
        if inner in _KEYS:
            cells.append(f"v.{inner}")
        elif is_sqlite:
            cells.append(f"json_extract(v.cells, '$.{inner}')")
        else:
            cells.append(f"cast(v.cells ->> '{inner}' as {_TYPES.get(kind, 'text')})")
    source = f"consdb_member v where v.instrument = '{instrument}' and v.table_name = '{shown}'"
    return _select(columns, cells, source)


def _cell(name: str, kind: str, is_kept: bool) -> str:  # noqa: FBT001 - within this file
    return name if is_kept else f"cast(null as {_TYPES.get(kind, 'text')})"


def _select(columns: Mapping[str, Any], cells: list[str], source: str) -> str:
    shown = ", ".join(f"{cell} as {name}" for name, cell in zip(columns, cells, strict=True))
    return f"select {shown} from {source}"  # noqa: S608 - of the published schema's words
