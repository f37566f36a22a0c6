"""What policies ask about an exposure: the geometry is done once, and anew when a region changes."""

from dbb.flows.wanting import traits_of
from support.tiny_camera import take_exposure, unit_name
from support.world import World, run_night


def test_the_sky_is_looked_at_once_for_each_exposure_and_version_of_the_regions():
    world = World()
    for number in (1, 2):
        take_exposure(world.summit, number)
    world.settle()
    world.sky.touched = {"MC_O_20261121_000001": frozenset({"uk"})}
    run_night(world)
    asked = []
    real = world.sky.regions_touched

    def counting(facts):
        asked.append(facts.obs_id)
        return real(facts)

    world.sky.regions_touched = counting
    rows = world.ledger.units_of_night("LSSTCam", 20261121)
    traits = traits_of(world.backbone(), rows)
    assert asked == []  # the night's run has kept the answers
    assert traits[unit_name(1)].regions == {"uk"}
    assert traits[unit_name(2)].regions == frozenset()
    world.sky.touched["MC_O_20261121_000002"] = frozenset({"uk"})
    assert traits_of(world.backbone(), rows)[unit_name(2)].regions == {"uk"}
    assert sorted(asked) == ["MC_O_20261121_000001", "MC_O_20261121_000002"]
