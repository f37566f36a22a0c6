"""A small world whose nights are transferred."""

import pytest

from support.world import World


@pytest.fixture
def world():
    return World()
