"""The tables that the Consolidated Database has for telemetry, as their Felis schema says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from dbb.errors import EfdConfigWrong
from dbb.hooks.efd.config import Column, TransformConfig

PACKAGE = "lsst.sdm.schemas"
FIELD_LENGTH = 32


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """Say what a schema says of one column."""

    datatype: str
    unit: str
    ucd: str


@cache
def load_target(instrument: str) -> Mapping[str, Mapping[str, TargetColumn]]:
    """Read the columns of each table of an instrument's schema ``efd_<instrument>``.

    Raises
    ------
    EfdConfigWrong
        If there is no such schema.
    """
    name = f"efd_{instrument.lower()}.yaml"
    try:
        text = (resources.files(PACKAGE) / name).read_text(encoding="utf-8")
    except (FileNotFoundError, ModuleNotFoundError):
        raise EfdConfigWrong.for_line(name, 1, "the published schemas have no such file") from None
    document = yaml.load(text, Loader=yaml.CSafeLoader)
    return {
        table["name"]: {
            column["name"]: TargetColumn(
                column["datatype"], column.get("ivoa:unit") or "", column.get("ivoa:ucd") or ""
            )
            for column in table["columns"]
        }
        for table in document["tables"]
    }


def check_target(config: TransformConfig) -> None:
    """Hold a configuration against the schema of the tables it fills.

    Raises
    ------
    EfdConfigWrong
        Naming file, line and column: the table or column is not there, or of another type or unit.
    """
    target = load_target(config.instrument)
    for column in config.columns:
        for table in column.target_tables:
            if table not in target:
                raise config.wrong(column, f"the schema has no table {table}")
            reason = (
                _array_fault(column) if column.store_unpivoted else _fault(column, target[table])
            )
            if reason:
                raise config.wrong(column, f"{table}: {reason}")


def check_topics(config: TransformConfig, archived: Collection[str]) -> None:
    """Hold a configuration against the topics that are archived: of others there are never samples.

    Raises
    ------
    EfdConfigWrong
        Naming file, line and column.
    """
    for column in config.columns:
        if column.topic not in archived:
            raise config.wrong(column, f"the topic {column.topic} is not archived (topics.yaml)")


def _array_fault(column: Column) -> str:
    long = [name for name in column.fields if len(name) > FIELD_LENGTH]
    return f"the field {long[0]} is longer than {FIELD_LENGTH}" if long else ""


def _fault(column: Column, table: Mapping[str, TargetColumn]) -> str:
    wanted = table.get(column.name)
    if wanted is None:
        return "the schema has no such column"
    for what, ours, theirs in (
        ("type", column.datatype, wanted.datatype),
        ("unit", column.ivoa.unit, wanted.unit),
    ):
        if ours != theirs:
            return f"the {what} is {ours!r}, in the schema {theirs!r}"
    return ""
