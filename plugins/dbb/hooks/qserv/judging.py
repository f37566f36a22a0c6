"""Judging a Parquet file before it is cut up: a profile of few numbers, then Great Expectations.

The profile is made by one pass of DuckDB; the library sees a row a number and never the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dbb.errors import CatalogUnfit
from dbb.hooks.expectations import Suite, validate_rows
from dbb.hooks.qserv.spilling import open_duckdb
from dbb.model.qserv import OnBadPosition, TableKind, TablePlan
from dbb.settings import INCLUDE

SUITE_FILE = INCLUDE / "expectations" / "catalog_numbers.yaml"


def judge_input(table: TablePlan, source: Path, staging: Path) -> int:
    """Hold a file against the suite; give how many numbers were judged.

    Raises
    ------
    CatalogUnfit
        Naming each number that is not within its limits.
    """
    rows = profile(table, source, staging)
    if not rows:
        return 0
    failed = validate_rows(Suite.load(SUITE_FILE), rows, {}, SUITE_FILE)
    values = {row["unit"]: row for row in rows}
    problems = [
        f"{unit} is {values[unit]['value']}: {title}"
        for title, units in failed.items()
        for unit in units
    ]
    if problems:
        raise CatalogUnfit.for_problems(f"{table.name} {source.name}", problems)
    return len(rows)


def profile(table: TablePlan, source: Path, staging: Path) -> list[dict[str, Any]]:
    """Make the numbers of a file that the overlay asks for, each with its limits."""
    wanted = list(_numbers(table))
    if not wanted:
        return []
    query = f"select {', '.join(sql for _, sql, _, _ in wanted)} from read_parquet($source)"  # noqa: S608 - columns of the schema
    with open_duckdb(staging) as connection:
        found = connection.execute(query, {"source": str(source)}).fetchone()
    return [
        {"unit": name, "value": None if value is None else float(value), "low": low, "high": high}
        for (name, _, low, high), value in zip(wanted, found or (), strict=True)
    ]


def _numbers(table: TablePlan) -> Iterator[tuple[str, str, float, float]]:
    """Name each number, how it is computed, and its limits."""
    rule = table.rule
    keys = [rule.key] if rule.kind is TableKind.DIRECTOR else list(rule.unique)
    for key in filter(None, [*keys, rule.director_key if rule.kind is TableKind.CHILD else ""]):
        yield f"{key}: rows without it", f'count(*) - count("{key}")', 0, 0
    if rule.kind is TableKind.REF_MATCH:
        both = f'coalesce("{rule.director_key}", "{rule.director_key2}")'
        yield "matches without any partner", f"count(*) - count({both})", 0, 0
    if keys:
        columns = ", ".join(f'"{key}"' for key in keys)
        yield (
            f"{', '.join(keys)}: rows that come again",
            f"count(*) - count(distinct ({columns}))",
            0,
            0,
        )
    if rule.kind is TableKind.DIRECTOR and rule.on_bad_position is OnBadPosition.FAIL:
        on_sky = f'"{rule.ra}" >= 0 and "{rule.ra}" < 360 and "{rule.dec}" between -90 and 90'
        yield (
            "rows that are not on the sky",
            f"count(*) filter (not coalesce({on_sky}, false))",
            0,
            0,
        )
    for each in table.columns:
        if each.type.startswith("CHAR") and each.name not in rule.optional:
            blank = f"count(*) filter (ends_with(\"{each.name}\"::varchar, ' '))"
            yield f"{each.name}: values that end with a blank", blank, 0, 0
    for column, (low, high) in rule.ranges.items():
        finite = f'min("{column}") filter (isfinite("{column}"::double))'
        yield f"{column}: least", f"coalesce({finite}, {low})", float(low), float(high)
        yield (
            f"{column}: most",
            f"coalesce({finite.replace('min', 'max', 1)}, {low})",
            float(low),
            float(high),
        )
