"""A delivery takes only legal steps."""

import itertools

import pytest

from dbb.errors import ForbiddenTransition
from dbb.model.delivery import State, check_transition

ROAD = [
    State.EXPECTED,
    State.ARRIVED,
    State.VERIFIED,
    State.REGISTERED,
    State.PUBLISHED,
    State.RELEASED,
]


@pytest.mark.parametrize(("old", "new"), list(itertools.pairwise(ROAD)))
def test_the_road_of_a_delivery_is_open(old, new):
    check_transition(old, new)


@pytest.mark.parametrize("old", ROAD[:4])
def test_nothing_is_published_that_is_not_registered(old):
    if old is not State.REGISTERED:
        with pytest.raises(ForbiddenTransition):
            check_transition(old, State.PUBLISHED)


@pytest.mark.parametrize("old", [State.EXPECTED, State.QUARANTINED, State.MISSING, State.LOST])
def test_nothing_is_verified_before_it_arrived_again(old):
    if old is not State.QUARANTINED:
        with pytest.raises(ForbiddenTransition):
            check_transition(old, State.VERIFIED)


@pytest.mark.parametrize("old", [State.ARRIVED, State.REGISTERED, State.MISSING, State.SUSPECT])
def test_nothing_is_released_that_came_and_was_not_verified(old):
    with pytest.raises(ForbiddenTransition):
        check_transition(old, State.RELEASED)
