"""Who gives signs of life, and who has fallen silent, over a ledger in SQLite."""

import pytest

from dbb.flows.now import Pulse, now_report
from dbb.flows.reconciling import reconcile_night
from dbb.hooks.canary_rows import SqlCanaries
from dbb.hooks.page_views import SqlViews
from support.fake_nights import open_sources
from support.staged_units import bring
from support.world import NIGHT, World

DAY_S = 24 * 3600


@pytest.fixture
def world():
    made = World()
    bring(made, range(1, 3))
    made.clock.advance(DAY_S)
    return made


def pulses(world):
    report = now_report(world.backbone(), SqlViews(world.ledger), SqlCanaries(world.ledger))
    return {each.part: each.pulse(report.as_of) for each in report.heartbeats}


def test_an_endpoint_that_is_compared_no_more_is_silent_and_no_other_speaks_for_it(world):
    assert pulses(world)["comparing at frdf"] is Pulse.NEVER
    reconcile_night(open_sources(world), NIGHT)
    assert pulses(world)["comparing at frdf"] is Pulse.ALIVE
    world.clock.advance(2 * 3600)
    reconcile_night(open_sources(world), NIGHT, ["usdf"])
    found = pulses(world)
    assert found["comparing at usdf"] is Pulse.ALIVE
    assert found["comparing at frdf"] is Pulse.SILENT
