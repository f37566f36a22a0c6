"""The Great Expectations suite of exposure records: the only file that imports the library.

The library takes 4 CPU-seconds to import and logs hundreds of lines meanwhile, so it is imported
when there is something to judge, and told to be quiet first. Nothing is written to disk and
nothing is sent anywhere.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dbb.errors import PolicyUnreadable
from dbb.model.exposure import SEQ_NUM_LIMIT, ExposureFacts, Unit
from dbb.model.instrument import Instrument
from dbb.ports.ledger import UnitRow
from dbb.settings import INCLUDE

SUITE_FILE = INCLUDE / "expectations" / "exposure_record.yaml"

EXPECTATIONS = frozenset(
    {
        "ExpectColumnPairValuesAToBeGreaterThanB",
        "ExpectColumnPairValuesToBeEqual",
        "ExpectColumnValuesToBeBetween",
        "ExpectColumnValuesToBeInSet",
        "ExpectColumnValuesToNotBeNull",
    }
)
"""Expectations that look at one row at a time: only such can name the exposures that fail."""

Record = tuple[UnitRow, ExposureFacts]


@dataclass(frozen=True)
class Suite:
    """Hold a suite file: its name, and the title, class and arguments of each expectation."""

    name: str
    expectations: tuple[tuple[str, str, dict[str, Any]], ...]

    @classmethod
    def load(cls, path: Path = SUITE_FILE) -> Suite:
        """Read a suite strictly.

        Raises
        ------
        PolicyUnreadable
            If it is no YAML of the right shape or names an expectation outside the closed set.
        """
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            expectations = []
            for given in document["expectations"]:
                arguments = dict(given)
                title, kind = arguments.pop("title"), arguments.pop("expectation")
                expectations.append((str(title), str(kind), arguments))
            suite = cls(str(document["suite"]), tuple(expectations))
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise PolicyUnreadable.for_file(path.name, repr(error)) from None
        unknown = sorted({kind for _, kind, _ in suite.expectations} - EXPECTATIONS)
        titles = {title for title, _, _ in suite.expectations}
        if set(document) != {"suite", "expectations"} or unknown:
            raise PolicyUnreadable.for_file(path.name, f"unknown: {', '.join(unknown) or 'keys'}")
        if not titles or len(titles) != len(suite.expectations):
            raise PolicyUnreadable.for_file(path.name, "titles are not unique")
        return suite


@dataclass(frozen=True)
class Judgement:
    """Say how the records of one night and instrument met the suite.

    Parameters
    ----------
    day_obs, instrument, suite, exposures
        What was judged, by what, and how many.
    failures
        By unit, the titles of the expectations that it fails.
    detail
        JSON: for each expectation its title, class, columns and the units that fail it.
    """

    day_obs: int
    instrument: str
    suite: str
    exposures: int
    failures: dict[str, str]
    detail: str


def judge_records(
    records: Sequence[Record], instruments: Mapping[str, Instrument], path: Path = SUITE_FILE
) -> list[Judgement]:
    """Hold exposure records against the suite: one judgement for each night and instrument.

    Raises
    ------
    PolicyUnreadable
        If the suite file is wrong, or one of its expectations cannot be evaluated.
    """
    suite = Suite.load(path)
    judgements = []
    ordered = sorted(records, key=lambda record: record[0].unit)
    for (instrument, day_obs), group in itertools.groupby(
        ordered, key=lambda record: (record[0].instrument, record[0].day_obs)
    ):
        rows = [_columns(row, facts, instruments[instrument]) for row, facts in group]
        failed = validate_rows(suite, rows, sets_of(instruments[instrument]), path)
        judgements.append(
            Judgement(
                day_obs=day_obs,
                instrument=instrument,
                suite=suite.name,
                exposures=len(rows),
                failures=_by_unit(failed),
                detail=_detail(suite, failed),
            )
        )
    return judgements


def _columns(row: UnitRow, facts: ExposureFacts, instrument: Instrument) -> dict[str, Any]:
    """Make one line of the table: the facts, the unit, and what is derived of both."""
    named = Unit.parse(row.unit).obs_id
    noon = dt.datetime.combine(named.day_obs.date, dt.time(12))
    begin = facts.begin_tai
    return {
        **asdict(facts),
        "unit": row.unit,
        "expected": row.expected,
        "arrived": row.arrived,
        "obs_id_of_name": str(named),
        "day_obs_of_name": named.day_obs.value,
        "expected_exposure_id": facts.day_obs * SEQ_NUM_LIMIT + facts.seq_num,
        "detectors_accounted": row.arrived + len(row.missing),
        "detectors_of_camera": len(instrument.detectors),
        "dark_beyond_exposure_s": facts.dark_time_s - facts.exposure_time_s,
        "since_rollover_s": (begin - noon).total_seconds() if begin else None,
    }


@cache
def load_library() -> Any:
    """Import Great Expectations, quietly and without its reports home."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations

    # this one module sets its own level while it is imported
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    return great_expectations


def sets_of(instrument: Instrument) -> dict[str, list[str]]:
    """Give the sets of values that suites name and the instrument's file has."""
    return {
        "physical_filters": sorted(instrument.physical_filters),
        "detectors": sorted(instrument.by_name),
    }


def validate_rows(
    suite: Suite, rows: Sequence[dict[str, Any]], sets: Mapping[str, list[str]], path: Path
) -> dict[str, list[str]]:
    """Run a suite over a table; give, by title, the units that fail.

    Parameters
    ----------
    suite, path
        The suite and its file.
    rows
        The table's lines; the column ``unit`` names each.
    sets
        Sets of values by the names that the suite uses.

    Raises
    ------
    PolicyUnreadable
        If an expectation cannot be evaluated.
    """
    library = load_library()
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from pandas import DataFrame

    context = library.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    table = context.data_sources.add_pandas("ledger").add_dataframe_asset("exposures")
    batch = table.add_batch_definition_whole_dataframe("chunk").get_batch(
        {"dataframe": DataFrame(rows)}
    )
    result = batch.validate(
        library.ExpectationSuite(
            name=suite.name, expectations=list(_expectations(suite, sets, path))
        ),
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["unit"],
        },
    )
    failed = {}
    for outcome in result.results:
        title = outcome.expectation_config.meta["title"]
        failed[title] = sorted(
            str(line["unit"]) for line in outcome.result.get("unexpected_index_list") or ()
        )
        if not outcome.success and not failed[title]:
            raise PolicyUnreadable.for_file(path.name, f"'{title}' cannot be evaluated")
    return failed


def _expectations(suite: Suite, sets: Mapping[str, list[str]], path: Path) -> Iterable[Any]:
    for title, kind, given in suite.expectations:
        arguments = {**given, "meta": {"title": title}}
        if isinstance(arguments.get("value_set"), str):
            arguments["value_set"] = sets.get(arguments["value_set"])
        if "column_A" in arguments:
            arguments["ignore_row_if"] = "either_value_is_missing"
        try:
            yield getattr(load_library().expectations, kind)(**arguments)
        except ValueError as error:
            raise PolicyUnreadable.for_file(path.name, f"'{title}': {error}") from None


def _by_unit(failed: Mapping[str, Sequence[str]]) -> dict[str, str]:
    titles: dict[str, list[str]] = {}
    for title, units in sorted(failed.items()):
        for unit in units:
            titles.setdefault(unit, []).append(title)
    return {unit: "; ".join(words) for unit, words in sorted(titles.items())}


def _detail(suite: Suite, failed: Mapping[str, Sequence[str]]) -> str:
    lines = [
        {
            "expectation": title,
            "kind": kind,
            "columns": [arguments[name] for name in _COLUMN_NAMES if name in arguments],
            "failed": list(failed[title]),
        }
        for title, kind, arguments in suite.expectations
    ]
    return json.dumps({"suite": suite.name, "expectations": lines}, sort_keys=True)


_COLUMN_NAMES = ("column", "column_A", "column_B")
