"""The bound on losses is exact, and what was not read claims nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dbb.model.loss import LossAccount, upper_bound


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, min(n, 50)), st.just(n))))
def test_the_bound_is_the_exact_one(case):
    lost, of = case
    exact = 1.0 if lost == of else stats.beta.ppf(0.95, lost + 1, of - lost)
    assert upper_bound(lost, of) == pytest.approx(exact, rel=1e-6)


def test_none_of_three_hundred_thousand_shows_the_goal():
    assert upper_bound(0, 300_000) < 1e-5
    assert upper_bound(0, 299_000) > 1e-5


def test_more_lost_than_there_were_is_no_answer():
    with pytest.raises(ValueError, match="3 of 2"):
        upper_bound(3, 2)


def test_suspected_images_spend_the_budget_too():
    account = LossAccount(images=200_000, lost=1, suspected=1, read_again=0, one_copy=0)
    assert account.is_kept
    assert not LossAccount(200_000, 1, 2, 0, 0).is_kept


def test_what_was_not_read_claims_nothing():
    assert LossAccount(300_000, 0, 0, 0, 0).bound is None
    assert LossAccount(300_000, 0, 0, 1000, 0).bound > 1e-3
