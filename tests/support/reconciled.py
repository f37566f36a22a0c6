"""A night that is over, and what a scan of it sees."""

from __future__ import annotations

from dbb.flows.reconciling import reconcile_night
from support.fake_nights import open_sources
from support.staged_units import bring
from support.world import NIGHT, World

DAY_S = 24 * 3600


def settled(stage="done"):
    """A world in which a night is over: three exposures done, a fourth as far as a stage."""
    world = World()
    world.sky.touched["MC_O_20261121_000001"] = frozenset({"uk"})
    bring(world, range(1, 4))
    (unit,) = bring(world, range(4, 5), stage)
    world.clock.advance(DAY_S)
    return world, unit


def scan(world, sources=None):
    scans = reconcile_night(sources or open_sources(world), NIGHT)
    assert all(not each.silent for each in scans)
    return {
        (seen.endpoint, seen.discrepancy, seen.subject) for each in scans for seen in each.sightings
    }
