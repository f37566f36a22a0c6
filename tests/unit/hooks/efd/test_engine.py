"""The engine: right where the public tool is right, and right where it is not."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbb.errors import EfdSchemaChanged
from dbb.hooks.efd import engine as engine_module
from dbb.hooks.efd.engine import Engine
from dbb.model.efd_values import WIDE, ExposureWindow
from support.telemetry import (
    NOON,
    MemorySamples,
    column,
    config_of,
    naive,
    table_of,
    window,
)

T = "lsst.sal.T"


def run(config, tables, *exposures):
    made = Engine(config, MemorySamples(tables)).transform(exposures)
    return {(row.exposure_id % 100000, row.property): row for row in made.rows}


def one(made_column, tables, *exposures):
    """Give the values of one wide column, by sequence number."""
    rows = run(config_of(made_column), tables, *exposures)
    return {seq: row.values[made_column.name] for (seq, _), row in rows.items()}


# -- the public tool's four confirmed faults -------------------------------------------------------


def test_an_event_published_before_the_exposure_is_found_by_its_look_back():
    offset = column(function="most_recent_value", start_offset=-1.0)
    events = {T: table_of([-3000.0, -2.0], x=[1.5, 2.5])}
    assert one(offset, events, window(1, 0, 30)) == {1: 2.5}
    # no further back than it says, and never what came after
    assert one(offset, {T: table_of([-3601.0, 31.0], x=[1.5, 2.5])}, window(1, 0, 30)) == {1: None}


def test_jitter_on_a_ramp_is_that_of_the_noise():
    rng = np.random.default_rng(1)
    times = np.arange(0, 30, 0.02)
    noise = rng.normal(0, 0.01, len(times))
    jitter = column(
        function="rms_from_polynomial_fit", function_args={"degree": 1, "fit_basis": "index"}
    )
    found = one(jitter, {T: table_of(times, x=10.0 * times + noise)}, window(1, 0, 30))[1]
    assert found == pytest.approx(0.01, rel=0.05)


def test_an_exposure_across_the_intervals_edge_is_whole_and_in_one_interval_only():
    mean = column()
    samples = {T: table_of(np.arange(-100, 200, 1.0), x=np.arange(-100.0, 200.0))}
    # worked out by itself, or together with neighbours: the same, of its whole window
    alone = one(mean, samples, window(2, -15, 15))
    among = one(mean, samples, window(1, -60, -30), window(2, -15, 15), window(3, 40, 70))
    assert alone[2] == among[2] == pytest.approx(0.0)


def test_a_mean_is_that_of_the_samples_and_not_of_means():
    aggregated = column(pre_aggregate_interval="1s")
    times = [0.1, 0.2, 0.3, 1.5, 2.9]
    values = [1.0, 1.0, 1.0, 5.0, 9.0]
    found = one(aggregated, {T: table_of(times, x=values)}, window(1, 0, 2))
    assert found[1] == 2.0  # of buckets it would be 3.0


# -- equal to working it out one by one ------------------------------------------------------------

FUNCTIONS = [
    ("mean", None),
    ("stddev", {"ddof": 1}),
    ("stddev", {"ddof": 0}),
    ("min", None),
    ("max", None),
    ("median", None),
    ("sum", None),
    ("count", None),
    ("rms", None),
    ("first", None),
    ("last", None),
    ("most_recent_value", None),
    ("logical_and", None),
    ("logical_or", None),
    ("angular_mean", {"period": 360.0}),
    ("rms_from_polynomial_fit", {"degree": 2, "fit_basis": "index"}),
]

numbers = st.one_of(
    st.none(),
    st.just(0.0),
    st.just(math.nan),
    st.floats(-1e6, 1e6, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-3),
)


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(0, 300), numbers, st.integers(1, 2)), max_size=60),
    starts=st.lists(st.tuples(st.integers(100, 200), st.integers(1, 100)), min_size=1, max_size=6),
    look_back_s=st.sampled_from([180, 36, 0]),
    cells=st.sampled_from([1, 7, 10_000]),
)
def test_every_statistic_is_equal_to_the_plain_one(points, starts, look_back_s, cells):
    points.sort(key=lambda point: point[0])
    table = table_of(
        [p[0] for p in points],
        x=[None if p[1] is None else float(p[1]) for p in points],
        salIndex=[p[2] for p in points],
    )
    table = table.set_column(1, "x", table["x"].cast("float64"))
    table = table.set_column(2, "salIndex", table["salIndex"].cast("int64"))
    columns = [
        column(
            f"c{number}_{subset}",
            function,
            fields=("x", "salIndex"),
            function_args=arguments,
            start_offset=-look_back_s / 3600,
            subset_field="salIndex",
            subset_value=[1, 2] if subset == 0 else subset,
        )
        for number, (function, arguments) in enumerate(FUNCTIONS)
        for subset in (0, 1)
    ]
    exposures = [window(n, begin, begin + long) for n, (begin, long) in enumerate(starts)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "CELLS", cells)
        rows = run(config_of(*columns), {T: table}, *exposures)
    for seq, (begin, long) in enumerate(starts):
        for each in columns:
            inside = [
                value
                for at, value, index in points
                if begin - look_back_s <= at <= begin + long and index in each.subset
            ]
            found = rows[seq, WIDE].values[each.name]
            wanted = naive(each.function, inside, each.function_args)
            if wanted is None or found is None:
                assert found == wanted, each
            elif each.function == "angular_mean":
                turn = 2 * math.pi / 360.0
                good = [v for v in inside if v is not None and math.isfinite(v)]
                if abs(np.mean(np.exp(1j * np.array(good) * turn))) > 1e-3:
                    assert math.cos((found - wanted) * turn) == pytest.approx(1.0, abs=1e-9)
            else:
                scale = max([1.0, *(abs(v) for v in inside if v is not None and math.isfinite(v))])
                assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9 * scale), each


# -- times -----------------------------------------------------------------------------------------


def test_exposures_are_tai_and_samples_utc():
    begin_tai = (NOON + dt.timedelta(seconds=37)).replace(tzinfo=None)
    exposure = ExposureWindow.of_tai(
        2026112100001, 20261121, 1, begin_tai, begin_tai + dt.timedelta(seconds=30)
    )
    assert exposure.begin == NOON
    samples = {T: table_of([0.0, 30.0, 37.0, 67.0], x=[1.0, 3.0, 100.0, 100.0])}
    assert one(column(), samples, exposure) == {1: 2.0}


def test_both_ends_of_an_exposure_belong_to_it():
    times = [-0.001, 0.0, 30.0, 30.001]
    assert one(column(function="count"), {T: table_of(times, x=[1.0] * 4)}, window(1, 0, 30)) == {
        1: 2.0
    }


def test_packed_messages_are_taken_apart_at_the_times_of_their_samples():
    packed = column(function="mean", packed_series=True, packed_length=4)
    base = NOON.timestamp() + 37.0  # the reference is TAI
    table = table_of(
        [1.3, 2.3, 9.3],  # sent late: the time stamp is not that of the samples
        cRIO_timestamp=[base + 0.0, base + 1.0, base + 8.0],
        **{f"x{n}": [0.0 + n, 4.0 + n, 100.0 + n] for n in range(4)},
    )
    # samples at 0, .25, .5, .75, 1, 1.25, 1.5, 1.75 and, after a gap, 8, 8.25, …
    assert one(packed, {T: table}, window(1, 0.5, 1.25)) == {1: 3.5}
    assert one(packed, {T: table}, window(1, 2.0, 7.9)) == {1: None}
    alone = table.slice(2, 1)
    assert one(packed, {T: alone}, window(1, 8.2, 8.6)) == {1: 101.5}


# -- what is there and what is not -----------------------------------------------------------------


def test_nothing_zero_and_not_a_number_are_told_apart():
    array = column("a", tables=["exposure_efd_unpivoted"], store_unpivoted=True, fields=("x", "y"))
    rows = run(
        config_of(array, column("n", "count")),
        {T: table_of([1.0, 2.0], x=[0.0, 0.0], y=[math.nan, None])},
        window(1, 0, 30),
        window(2, 40, 70),
    )
    assert rows[1, "a"].values == {"x": 0.0, "y": None}
    assert rows[2, WIDE].values == {"n": 0.0}
    assert rows[1, WIDE].samples == {T: 2}
    assert rows[2, WIDE].samples == {T: 0}


def test_several_fields_of_one_column_are_pooled():
    pooled = column(fields=("x", "y"))
    found = one(pooled, {T: table_of([1, 2], x=[1.0, 2.0], y=[6.0, None])}, window(1, 0, 30))
    assert found == {1: 3.0}


def test_a_topic_is_read_once_for_all_exposures_of_an_hour():
    samples = MemorySamples({T: table_of([1.0], x=[1.0], y=[2.0])})
    columns = [column("a"), column("b", "max"), column("c", fields=("y",))]
    Engine(config_of(*columns), samples).transform(
        [window(n, n * 35, n * 35 + 30) for n in range(9)]
    )
    assert [asked[:2] for asked in samples.asked] == [(T, ("x", "y"))]
    samples.asked.clear()
    Engine(config_of(*columns), samples).transform(
        [window(n, n * 1800, n * 1800 + 30) for n in range(20)]
    )
    assert len(samples.asked) > 5  # memory holds an hour, however long the interval
    assert all(end - begin <= dt.timedelta(hours=1, seconds=1) for *_, begin, end in samples.asked)


def test_samples_out_of_order_are_sorted_and_noticed():
    made = Engine(
        config_of(column(function="last")), MemorySamples({T: table_of([2.0, 1.0], x=[2.0, 1.0])})
    ).transform([window(1, 0, 30)])
    assert made.steps_back == {T: 1}
    assert made.rows[0].values == {"c": 2.0}


def test_a_field_that_became_text_is_refused():
    with pytest.raises(EfdSchemaChanged, match="x is string, no number"):
        one(column(), {T: table_of([1.0], x=["high"])}, window(1, 0, 30))
