"""A small world with an annex."""

import pytest

from support.annex import make_annex
from support.world import World


@pytest.fixture
def world():
    return World()


@pytest.fixture
def annex(world):
    return make_annex(world)
