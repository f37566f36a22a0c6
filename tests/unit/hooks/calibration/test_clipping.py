"""The average without outliers, against one that is written slowly and plainly."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dbb.hooks.calibration.clipping import OWN_NOISE_FROM, combine, row_noise

STACKS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3)),
    elements=st.one_of(
        st.integers(-50, 50).map(float),
        st.integers(20_000, 60_000).map(float),
        st.just(math.nan),
    ),
)


def slow_keep(values: list[float], noise: float, clip_sigma: float) -> list[bool]:
    """Decide for one pixel, value by value, as the module's docstring says it."""
    finite = [value for value in values if not math.isnan(value)]
    if not finite:
        return [False] * len(values)
    if len(values) == 1:
        return [True]
    if len(values) == 2:
        limit = np.float32(clip_sigma * np.sqrt(2)) * np.float32(noise)
        low = min(finite)
        return [
            not math.isnan(value) and not (np.float32(value) - np.float32(low) > limit)
            for value in values
        ]
    middle = np.float32(statistics.median(finite))
    scale = np.float32(noise)
    if len(values) >= OWN_NOISE_FROM:
        ordered = sorted(middle if math.isnan(value) else np.float32(value) for value in values)
        below = middle - ordered[len(values) // 4]
        scale = max(scale, below * np.float32(1 / 0.6745))
    return [abs(np.float32(value) - middle) <= np.float32(clip_sigma) * scale for value in values]


@settings(max_examples=300, deadline=None)
@given(STACKS, st.sampled_from([1.0, 6.0, 150.0]), st.sampled_from([3.0, 4.0, 5.0]))
def test_it_keeps_and_averages_what_the_slow_one_does(stack, sigma, clip_sigma):
    noise = np.full(stack.shape[1:], sigma, dtype=np.float32)
    found = combine(stack, noise, clip_sigma, 1.0)
    rejected = np.zeros(len(stack), dtype=int)
    for row, column in np.ndindex(*stack.shape[1:]):
        values = [float(value) for value in stack[:, row, column]]
        keep = slow_keep(values, sigma, clip_sigma)
        kept = [value for value, good in zip(values, keep, strict=True) if good]
        rejected += ~np.array(keep)
        assert found.kept[row, column] == len(kept)
        if not kept:
            assert math.isnan(found.mean[row, column])
            assert math.isnan(found.variance[row, column])
            continue
        assert found.mean[row, column] == pytest.approx(statistics.fmean(kept), rel=1e-6, abs=1e-6)
        single = sigma**2
        if len(values) >= OWN_NOISE_FROM and len(kept) > 1:
            single = max(statistics.variance(kept), 1 / 12)
        assert found.variance[row, column] == pytest.approx(single / len(kept), rel=1e-3, abs=1e-3)
    assert found.rejected.tolist() == rejected.tolist()


@settings(max_examples=100, deadline=None)
@given(STACKS, st.randoms())
def test_the_order_of_the_images_does_not_matter(stack, random):
    noise = np.full(stack.shape[1:], 6.0, dtype=np.float32)
    order = list(range(len(stack)))
    random.shuffle(order)
    first, second = combine(stack, noise, 4.0, 1.0), combine(stack[order], noise, 4.0, 1.0)
    np.testing.assert_array_equal(first.kept, second.kept)
    np.testing.assert_allclose(first.mean, second.mean, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3, 5, 9, 25, 50])
def test_one_cosmic_ray_is_left_out_and_good_values_stay(count):
    rng = np.random.default_rng(count)
    stack = rng.normal(1000, 6, (count, 40, 60)).astype(np.float32)
    stack[count // 2, 7, 9] += 900
    noise = row_noise(stack, [(0, 40, 0, 60)], 0)
    found = combine(stack, noise, 5.0, 1.0)
    assert found.kept[7, 9] == count - 1
    assert found.rejected.sum() <= 1 + 1e-3 * stack.size
    assert abs(found.mean[7, 9] - 1000) < 6 * 6 / math.sqrt(count - 1)


def test_rays_in_four_of_ten_images_are_left_out_of_a_pixel():
    stack = np.random.default_rng(1).normal(1000, 6, (10, 40, 60)).astype(np.float32)
    stack[:4, 7, 9] += [300, 900, 2000, 5000]
    found = combine(stack, row_noise(stack, [(0, 40, 0, 60)], 0), 4.0, 1.0)
    assert found.kept[7, 9] == 6
    assert abs(found.mean[7, 9] - 1000) < 12


@pytest.mark.parametrize("count", [1, 2, 3, 8, 30])
def test_the_noise_is_that_of_a_single_image_and_each_amplifier(count):
    rng = np.random.default_rng(count)
    stack = rng.normal(20_000, 5, (count, 30, 400)).astype(np.float32)
    stack[:, :, 200:] = rng.normal(21_000, 15, (count, 30, 200))
    stack += np.linspace(0, 40, count, dtype=np.float32)[:, None, None]  # the level drifts
    noise = row_noise(stack, [(0, 30, 0, 200), (0, 30, 200, 400)], 0)
    assert noise[:, :200].mean() == pytest.approx(5, rel=0.1)
    assert noise[:, 200:].mean() == pytest.approx(15, rel=0.1)


def test_a_band_of_rows_has_the_noise_that_the_whole_image_has_there():
    stack = np.random.default_rng(5).normal(0, 5, (4, 20, 30)).astype(np.float32)
    amplifiers = [(0, 10, 0, 30), (10, 20, 0, 30)]
    whole = row_noise(stack, amplifiers, 0)
    parts = [row_noise(stack[:, first : first + 7], amplifiers, first) for first in (0, 7, 14)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("count", [3, 8, 25])
def test_the_average_and_its_variance_are_right_on_many_pixels(count):
    stack = np.random.default_rng(count).normal(500, 6, (count, 200, 200)).astype(np.float32)
    found = combine(stack, row_noise(stack, [(0, 200, 0, 200)], 0), 5.0, 1.0)
    assert found.mean.mean() == pytest.approx(500, abs=4 * 6 / math.sqrt(stack.size))
    assert found.mean.std() == pytest.approx(6 / math.sqrt(count), rel=0.02)
    assert found.variance.mean() == pytest.approx(36 / count, rel=0.03)
