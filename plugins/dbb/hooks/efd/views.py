"""The views that show telemetry in the shape that users know: a column for each value.

In PostgreSQL they lie in a schema of their own, ``efd_lsstcam.exposure_efd``; in SQLite, which has no
schemas, the name has an underscore, ``efd_lsstcam_exposure_efd``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from dbb.hooks.sql import naming_refused_views, statement
from dbb.model.efd_values import WIDE

_LEVELS = {"exposure": "exposure_id", "visit1": "visit_id"}
"""By level, the name of the key; a visit of this kind is one exposure."""

PER_VIEW = 1500
"""Columns of a view; PostgreSQL has 1,600 at most. What is more is in ``exposure_efd_2``, and so on."""

_CASTS = {"int": "integer", "short": "smallint", "byte": "smallint", "long": "bigint"}

_WIDE = """
select v.day_obs, v.seq_num, v.exposure_id as {key}, p.at as created_at{cells}
from efd_current v join efd_publication p on p.publication_id = v.publication_from
where v.instrument = {instrument} and v.property = ''
"""

_UNPIVOTED = """
select v.day_obs, v.seq_num, v.exposure_id as {key}, v.property, v.field, v.value
from efd_value v
join efd_column c
  on c.instrument = v.instrument and c.property = v.property and c.field = v.field
where v.instrument = {instrument} and v.property <> ''
  and c.shown_of in ('{level}', 'exposure visit1')
"""

OBSERVED = "exposure"

_OBSERVED = """
select e.exposure_name as obs_id, e.* from consdb_exposure e where e.instrument = {instrument}
"""


def make_views(connection: Connection, instrument: str) -> list[str]:
    """Make the views of an instrument, or add columns to them; give their names.

    Columns stand in the order in which they came, so that a view is only ever added to.

    Parameters
    ----------
    connection
        In whose transaction.
    instrument
        Whose; its name was checked, as were the names of columns.

    Raises
    ------
    ViewsRefused
        If the database refuses one.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    schema = f"efd_{instrument.lower()}"
    columns = list(connection.execute(statement("efd/columns"), {"instrument": instrument}))
    names = []
    with naming_refused_views(schema):
        if not is_sqlite:
            connection.exec_driver_sql(f"create schema if not exists {schema}")
        for name, query in _queries(instrument, columns, is_sqlite=is_sqlite):
            names.append(f"{schema}{'_' if is_sqlite else '.'}{name}")
            is_anew = is_sqlite or name == OBSERVED  # that one may have had other columns
            if is_anew:
                connection.exec_driver_sql(f"drop view if exists {names[-1]}")
            how = "create" if is_anew else "create or replace"
            connection.exec_driver_sql(f"{how} view {names[-1]} as {query}")
    return names


def _queries(
    instrument: str, columns: Sequence[Row[Any]], *, is_sqlite: bool
) -> Iterator[tuple[str, str]]:
    for level, key in _LEVELS.items():
        shown = [c for c in columns if c.property == WIDE and level in c.shown_of.split()]
        for first in range(0, max(1, len(shown)), PER_VIEW):
            some = shown[first : first + PER_VIEW]
            cells = "".join(f", {_cell(c, is_sqlite=is_sqlite)} as {c.field}" for c in some)
            number = f"_{first // PER_VIEW + 1}" if first else ""
            query = _WIDE.format(key=key, cells=cells, instrument=_text(instrument))
            yield f"{level}_efd{number}", query
        query = _UNPIVOTED.format(key=key, level=level, instrument=_text(instrument))
        yield f"{level}_efd_unpivoted", query
    yield OBSERVED, _OBSERVED.format(instrument=_text(instrument))


def _cell(column: Row[Any], *, is_sqlite: bool) -> str:
    place = int(column.position)
    cell = f"json_extract(v.cells, '$[{place - 1}]')" if is_sqlite else f"v.cells[{place}]"
    if column.datatype == "boolean":
        return f"({cell} <> 0)"
    kind = _CASTS.get(column.datatype)
    return f"cast({cell} as {kind})" if kind else cell


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
