"""The gate: what cannot be is not published, and says why."""

import math

import pyarrow as pa
import pytest

from dbb.errors import PolicyUnreadable
from dbb.hooks.efd.engine import Engine
from dbb.hooks.efd.gate import Gate, Limits, load_gate
from dbb.model.efd_values import Severity
from dbb.settings import Settings
from support.telemetry import MemorySamples, column, config_of, table_of, window

T, OTHER = "lsst.sal.T", "lsst.sal.Other"
LIMITS = Limits({"m/s": (0.0, 100.0)}, {T: (1.0, Severity.BLOCK), OTHER: (1.0, Severity.WARN)})
CONFIG = config_of(
    column("wind", ivoa={"unit": "m/s"}),
    column("spread", "stddev", ivoa={"unit": "m/s"}),
    column("other", topic=OTHER),
)


def judge(times, values, before=None, table=None, other=30):
    tables = {
        T: table if table is not None else table_of(times, x=values),
        OTHER: table_of(range(other), x=[1.0] * other),
    }
    made = Engine(CONFIG, MemorySamples(tables)).transform([window(1, 0, 30)])
    return Gate(CONFIG, LIMITS).judge(made, made.rows, before or {})


def test_what_is_well_passes():
    assert judge(range(30), [5.0] * 30) == []


@pytest.mark.parametrize(
    ("times", "values", "what", "title"),
    [
        (range(30), [-5.0] * 30, "wind: lowest", "it is not below its limit"),
        (range(30), [500.0] * 30, "wind: highest", "it is not above its limit"),
        (range(5), [5.0] * 5, f"samples of {T} in exposure 2026112100001", "it is not below"),
        ([3, 2, *range(4, 30)], [5.0] * 28, f"steps back in time of {T}", "it is not above"),
    ],
)
def test_what_cannot_be_blocks_and_is_named(times, values, what, title):
    violations = judge(times, values)
    assert any(what in each.subjects and each.expectation.startswith(title) for each in violations)
    assert {each.severity for each in violations} == {Severity.BLOCK}


def test_a_topic_that_may_be_silent_is_only_told_of():
    [violation] = judge(range(30), [5.0] * 30, other=3)
    assert violation.severity is Severity.WARN
    assert violation.subjects == (f"samples of {OTHER} in exposure 2026112100001",)


def test_fewer_samples_than_were_published_never_replace_them():
    [violation] = judge(range(30), [5.0] * 30, {2026112100001: {T: 31}})
    assert violation.severity is Severity.BLOCK
    assert violation.subjects == (f"samples of {T} in exposure 2026112100001 since published",)
    assert judge(range(30), [5.0] * 30, {2026112100001: {T: 30}}) == []


def test_samples_in_another_unit_block():
    table = table_of(range(30), x=[5.0] * 30)
    kmh = pa.field("x", pa.float64(), metadata={"unit": "km/h"})
    [violation] = judge([], [], table=table.cast(pa.schema([table.schema.field("time"), kmh])))
    assert violation.subjects == ("spread of x", "wind of x")
    same = pa.field("x", pa.float64(), metadata={"unit": "m/s"})
    assert judge([], [], table=table.cast(pa.schema([table.schema.field("time"), same]))) == []


def test_the_gate_of_every_instrument_can_be_read():
    for name in Settings.load().raw.instruments:
        assert load_gate(name).units


@pytest.mark.parametrize(
    "words",
    [
        "units: {}\n",
        "units: {m/s: [1]}\ntopics: {}\n",
        "units: {m/s: [2, 1]}\ntopics: {}\n",
        "units: {}\ntopics: {t: {per_s: 1, otherwise: shrug}}\n",
    ],
)
def test_a_gate_that_is_wrong_is_refused(tmp_path, words):
    (tmp_path / "gate_latiss.yaml").write_text(words)
    with pytest.raises(PolicyUnreadable):
        load_gate("LATISS", tmp_path)


def test_infinite_limits_are_understood():
    assert math.isinf(Gate(CONFIG, LIMITS)._of(CONFIG.columns[1])[1])


def test_the_files_know_the_misprints_of_the_published_schema(tmp_path):
    for name in ("LSSTCam", "LATISS"):
        limits = load_gate(name)
        assert any("airflow_direction" in column for column in limits.misprints)
        assert len(limits.sha256) == 64
    (tmp_path / "gate_x.yaml").write_text("units: {}\ntopics: {}\nmisprints: {a: 1}\n")
    with pytest.raises(PolicyUnreadable, match="misprints"):
        load_gate("x", tmp_path)
