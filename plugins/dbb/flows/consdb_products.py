"""Publishing what pipelines made of exposures: rows of the tables ``*_quicklook``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from dbb.errors import BadDocument
from dbb.flows.consdb import Consdb
from dbb.model import strict_json
from dbb.model.consdb import NO_DETECTOR, ConsdbPublication, Members, ccdexposure_id

KEYS = frozenset({"exposure_id", "visit_id", "ccdexposure_id", "ccdvisit_id", "day_obs", "seq_num"})
"""Columns that follow from the exposure and the detector; a row names the exposure by one of the first two."""


@dataclass(frozen=True)
class Product:
    """Hold rows that a pipeline made of exposures: JSON, one row a line.

    Parameters
    ----------
    instrument, table
        Of which instrument, and for which table of its schema.
    lines
        Each an object with ``exposure_id`` (or ``visit_id``), ``detector`` where the table has
        one, and columns of the table.
    name
        What to call the lines in an error.
    replace
        They are all that the exposures have in the table. A line with an exposure alone says that
        it has none.
    """

    instrument: str
    table: str
    lines: Iterable[str]
    name: str
    replace: bool = False


def deliver_product(consdb: Consdb, product: Product, reason: str = "") -> ConsdbPublication:
    """Publish rows that a pipeline made of exposures: all of them, or none.

    Raises
    ------
    BadDocument
        Naming the line: it is no such row, or of an exposure that is not published.
    """
    instrument, table, name = product.instrument, product.table, product.name
    columns = consdb.columns(instrument, table)
    if not columns:
        raise BadDocument.for_document(name, f"{instrument} has no table {table} to deliver")
    rows: dict[int, dict[int, dict[str, Any]]] = {}
    for number, line in enumerate(product.lines, start=1):
        if line.strip():
            where = f"{name}, line {number}"
            given = _parse_line(line, where)
            exposure_id = given.get("exposure_id", given.get("visit_id"))
            if not _is_int(exposure_id):
                raise BadDocument.for_document(where, "it names no exposure_id or visit_id")
            there = rows.setdefault(exposure_id, {})
            if product.replace and not set(given) - {"exposure_id", "visit_id"}:
                continue  # it has none
            row = _read_row(given, columns, where)
            if row["detector"] in there:
                raise BadDocument.for_document(where, "it is there twice")
            there[row["detector"]] = row
    keys = consdb.keys(instrument, sorted(rows)) if rows else {}
    unknown = sorted(set(rows) - set(keys))
    if unknown:
        raise BadDocument.for_document(name, f"exposure {unknown[0]} is not published")
    members = [
        Members(instrument, table, each, *keys[each], _numbered(there, keys[each], columns))
        for each, there in sorted(rows.items())
    ]
    return consdb.deliver(members, reason, replace=product.replace)


def _numbered(
    rows: Mapping[int, dict[str, Any]], key: tuple[int, int], columns: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Give the rows in the order of detectors, each with its own number where the table has one."""
    own = [name for name in ("ccdexposure_id", "ccdvisit_id") if name in columns]
    return [
        {**row, **{name: ccdexposure_id(*key, detector) for name in own}}
        for detector, row in sorted(rows.items())
    ]


def _parse_line(line: str, where: str) -> dict[str, Any]:
    given = strict_json.parse(line.encode(), where)
    if not isinstance(given, dict):
        raise BadDocument.for_document(where, "it is no object")
    return given


def _read_row(given: dict[str, Any], columns: Mapping[str, str], where: str) -> dict[str, Any]:
    detector = given.get("detector", NO_DETECTOR)
    if not _is_int(detector):
        raise BadDocument.for_document(where, "detector is no whole number")
    if ("detector" in columns) != ("detector" in given):
        raise BadDocument.for_document(where, "the table has a detector, or the row, not both")
    strange = sorted(set(given) - set(columns) - KEYS)
    if strange:
        raise BadDocument.for_document(where, f"the table has no column {strange[0][:60]!a}")
    values = {key: value for key, value in given.items() if key not in {*KEYS, "detector"}}
    for key, value in values.items():
        if not _fits(value, columns[key]):
            raise BadDocument.for_document(where, f"{key} is no {columns[key]}")
    return {"detector": detector, **values}


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _fits(value: object, datatype: str) -> bool:
    if value is None:
        return True
    if datatype in ("long", "int", "short", "byte"):
        return _is_int(value)
    if datatype in ("double", "float"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if datatype == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str)
