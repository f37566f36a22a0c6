"""What is made of telemetry: ``include/efd/transform_<instrument>.yaml``, read strictly.

The shape is that of the public tool's configuration, so that its users bring their files. A key that is
not known is refused, not passed over: that is how the tool's look-back offsets were lost.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dbb.errors import BadDocument, EfdConfigWrong
from dbb.hooks.strict_yaml import parse_yaml
from dbb.settings import INCLUDE

FOLDER = INCLUDE / "efd"

EXPOSURE, VISIT = "exposure_efd", "visit1_efd"
WIDE_TABLES = (EXPOSURE, VISIT)
ARRAY_TABLES = ("exposure_efd_unpivoted", "visit1_efd_unpivoted")
PACKED_LENGTH = 100
"""Samples in a packed message: one second at 100 Hz."""
PACKED_MARGIN = dt.timedelta(seconds=10)
"""What is read around packed messages, so that each has its neighbours."""
END_INCLUDED = dt.timedelta(microseconds=1)
"""A sample at the end of an exposure belongs to it."""

Function = Literal[
    "mean", "stddev", "min", "max", "median", "sum", "count", "rms", "first", "last",
    "most_recent_value", "rms_from_polynomial_fit", "angular_mean", "logical_and", "logical_or",
]  # fmt: skip
ARGUMENTS: Mapping[str, Mapping[str, type | tuple[object, ...]]] = {
    "stddev": {"ddof": int},
    "rms_from_polynomial_fit": {"degree": int, "fit_basis": ("index", "time")},
    "angular_mean": {"period": float},
}
"""The arguments that each function takes; the others take none."""


def _unquote(text: str) -> str:
    """Take off the quotes that the tool's own files have within the text of a unit."""
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FieldOfTopic(_Strict):
    """Name a field of a topic; of a packed one, without the sample's number."""

    name: str = Field(min_length=1)


class Topic(_Strict):
    """Name a topic and its fields."""

    name: str = Field(pattern=r"^[\w.\-]+$")
    fields: list[FieldOfTopic] = Field(min_length=1)


class Ivoa(_Strict):
    """Give a column's unit and UCD."""

    unit: Annotated[str, AfterValidator(_unquote)] = ""
    ucd: str = ""


class Column(_Strict):
    """Say how one column, or one array, is made."""

    name: str = Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=64)
    tables: list[str] = Field(default=[*WIDE_TABLES, *ARRAY_TABLES], min_length=1)
    store_unpivoted: bool = False
    function: Function
    function_args: dict[str, Any] | None = None
    pre_aggregate_interval: str | None = Field(default=None, pattern=r"^\d+(ms|s|m|h)$")
    start_offset: float = Field(default=0.0, le=0.0, ge=-24.0)
    datatype: Literal["float", "double", "int", "short", "byte", "long", "boolean"]
    ivoa: Ivoa = Ivoa()
    description: str
    packed_series: bool
    packed_length: int = Field(default=PACKED_LENGTH, ge=1)
    subset_field: str | None = None
    subset_value: str | int | list[str | int] | None = None
    topics: list[Topic] = Field(min_length=1, max_length=1)

    @model_validator(mode="after")
    def _check(self) -> Column:
        allowed = ARRAY_TABLES if self.store_unpivoted else WIDE_TABLES
        if "tables" in self.model_fields_set and set(self.tables) - set(allowed):
            raise ValueError(f"its tables can be {' and '.join(allowed)}")
        if (self.subset_field is None) != (self.subset_value is None):
            raise ValueError("subset_field and subset_value go together")
        if self.subset_field and not self.fields:
            raise ValueError("it has no field beside the subset's")
        if self.packed_series and (self.store_unpivoted or len(self.fields) != 1):
            raise ValueError("a packed series is one field and one column")
        is_fit = self.function == "rms_from_polynomial_fit"
        if is_fit and not self.store_unpivoted and len(self.fields) != 1:
            raise ValueError("a polynomial is fitted to one field")
        self._check_arguments()
        return self

    def _check_arguments(self) -> None:
        known = ARGUMENTS.get(self.function, {})
        for name, value in (self.function_args or {}).items():
            kind = known.get(name)
            if kind is None:
                raise ValueError(f"{self.function} has no argument {name!r}")
            if not (value in kind if isinstance(kind, tuple) else _is_number(value, kind)):
                raise ValueError(f"the argument {name} cannot be {value!r}")

    @property
    def topic(self) -> str:
        """Name its topic."""
        return self.topics[0].name

    @property
    def fields(self) -> list[str]:
        """Name the fields of its values: those of the topic without the subset's."""
        return [f.name for f in self.topics[0].fields if f.name != self.subset_field]

    @property
    def subset(self) -> tuple[str | int, ...]:
        """Give the values of the subset's field that count; empty for all."""
        given = self.subset_value
        if given is None:
            return ()
        return tuple(given) if isinstance(given, list) else (given,)

    @property
    def look_back(self) -> dt.timedelta:
        """Say how long before the exposure its window begins."""
        return dt.timedelta(hours=-self.start_offset)

    @property
    def target_tables(self) -> list[str]:
        """Name the tables it goes to."""
        allowed = ARRAY_TABLES if self.store_unpivoted else WIDE_TABLES
        return [name for name in self.tables if name in allowed]


class _Document(_Strict):
    version: str
    columns: list[Column] = Field(min_length=1)


def _is_number(value: object, kind: type) -> bool:
    """Say whether a value is a number that is not negative; a whole one, where that is wanted."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (kind is float or isinstance(value, int)) and math.isfinite(value) and value >= 0


class TransformConfig:
    """Hold what is made of the telemetry of one instrument.

    Parameters
    ----------
    instrument
        Whose exposures.
    version
        The file's own.
    columns
        The columns and arrays.
    sha256
        Of the file's bytes; every publication names it.
    lines
        By column, the line of the file where it begins; for errors.
    file
        The file's name.
    """

    def __init__(
        self,
        instrument: str,
        version: str,
        columns: list[Column],
        *,
        sha256: str = "",
        lines: Mapping[str, int] | None = None,
        file: str = "",
    ) -> None:
        self.instrument = instrument
        self.version = version
        self.columns = columns
        self.sha256 = sha256
        self.lines = lines or {}
        self.file = file

    @property
    def wide(self) -> list[Column]:
        """List the columns with a column of their own."""
        return [column for column in self.columns if not column.store_unpivoted]

    @property
    def arrays(self) -> list[Column]:
        """List the arrays."""
        return [column for column in self.columns if column.store_unpivoted]

    @property
    def topics(self) -> list[str]:
        """Name the topics that it needs, sorted."""
        return sorted({column.topic for column in self.columns})

    def reach(self) -> dict[str, tuple[dt.timedelta, dt.timedelta]]:
        """Say by topic how long before the begin of an exposure its samples are read, and after its end."""
        found: dict[str, tuple[dt.timedelta, dt.timedelta]] = {}
        for column in self.columns:
            margin = PACKED_MARGIN if column.packed_series else dt.timedelta(0)
            before, after = found.get(column.topic, (dt.timedelta(0), END_INCLUDED))
            before = max(before, column.look_back + margin)
            found[column.topic] = before, max(after, margin + END_INCLUDED)
        return found

    def wrong(self, column: Column, reason: str) -> EfdConfigWrong:
        """Make the error of one column, with its line."""
        line = self.lines.get(column.name, 1)
        return EfdConfigWrong.for_line(self.file, line, f"{column.name}: {reason}")


def load_config(instrument: str, path: Path | None = None) -> TransformConfig:
    """Read the configuration of an instrument.

    Raises
    ------
    EfdConfigWrong
        If a key is unknown, missing or of another type, or a column comes twice; names file and line.
    """
    path = path or FOLDER / f"transform_{instrument.lower()}.yaml"
    try:
        data = path.read_bytes()
        document = parse_yaml(data, path.name)
    except OSError as error:
        raise EfdConfigWrong.for_line(path.name, 1, str(error.strerror)) from None
    except BadDocument as error:
        raise EfdConfigWrong.for_line(path.name, 1, error.message) from None
    root = yaml.compose(data, Loader=yaml.SafeLoader)
    try:
        read = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        line = _line_of(root, first["loc"])
        named = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise EfdConfigWrong.for_line(path.name, line, f"{named}: {message}") from None
    lines: dict[str, int] = {}
    for number, column in enumerate(read.columns):
        line = _line_of(root, ("columns", number))
        if column.name in lines:
            reason = f"{column.name}: it was there already, in line {lines[column.name]}"
            raise EfdConfigWrong.for_line(path.name, line, reason)
        lines[column.name] = line
    return TransformConfig(
        instrument,
        read.version,
        read.columns,
        sha256=hashlib.sha256(data).hexdigest(),
        lines=lines,
        file=path.name,
    )


def _line_of(node: Any, place: tuple[int | str, ...]) -> int:
    """Find the line of a place in a document; of the nearest thing that is there."""
    line = 1
    for found in _walk(node, place):
        line = found.start_mark.line + 1
    return line


def _walk(node: Any, place: tuple[int | str, ...]) -> Iterator[Any]:
    for part in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            yield node
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    yield key
                    node = value
                    break
            else:
                return
