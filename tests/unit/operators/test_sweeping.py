"""The step that sweeps a store of what killed writers left."""

import json

import pytest

from dbb.flows.sweeping import LEAVE_ALONE_S
from dbb.operators.sweeping import SweepStore

pytestmark = pytest.mark.filterwarnings("default")


def killed_writer(store, name):
    writer = store.create(name)
    writer.__enter__().write(b"x")
    return writer


def test_only_what_is_old_enough_goes_and_the_number_is_told(world, context):
    store = world.stores["frdf"]
    writers = [killed_writer(store, "raw/old")]
    world.clock.advance(LEAVE_ALONE_S + 1)
    writers.append(killed_writer(store, "raw/new"))
    sweep = SweepStore(task_id="sweep", endpoint="frdf")
    assert [sweep.execute(context) for _ in range(2)] == [1, 0]
    assert json.dumps(sweep.execute(context)) == "0"
    world.clock.advance(LEAVE_ALONE_S)
    assert SweepStore(task_id="now", endpoint="frdf", older_than_s=0).execute(context) == 1
    for writer in writers:
        assert not writer.__exit__(ValueError, ValueError(), None)
