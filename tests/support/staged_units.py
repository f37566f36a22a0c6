"""Units of a world that are brought as far as a stage, and what there is of each."""

from __future__ import annotations

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.manifests import read_manifest
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.exposure import Unit
from dbb.model.manifest import Manifest
from dbb.model.names import Did
from support.tiny_camera import take_exposure, unit_name
from support.world import NIGHT, World


def bring(world: World, numbers: range, stage: str = "done") -> list[str]:
    """Take exposures and bring them as far as a stage."""
    for number in numbers:
        take_exposure(world.summit, number)
    world.settle()
    units = [unit_name(number) for number in numbers]
    backbone = world.backbone()
    receive_arrivals(backbone, NIGHT)
    for name, step in _STAGES.items():
        step(world, backbone, units)
        if name == stage:
            break
    return units


def _registered(world: World, backbone: Backbone, units: list[str]) -> None:
    land_units(backbone, units)
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, units)], {})
    register_units(backbone, units)
    world.catalog._match_subscriptions()


def _archived(_world: World, backbone: Backbone, units: list[str]) -> None:
    publish_units(backbone, units, "usdf")


def _published(world: World, backbone: Backbone, _units: list[str]) -> None:
    for endpoint in world.policy.receivers:
        world.catalog.run_daemons()
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)


def _done(_world: World, backbone: Backbone, units: list[str]) -> None:
    from dbb.flows.releasing import read_again, release_units

    read_again(backbone, units)
    release_units(backbone, units)


_STAGES = {
    "registered": _registered,
    "archived": _archived,
    "published": _published,
    "done": _done,
}


# -- what there is of a unit -----------------------------------------------------------------------


def bundle(unit: str) -> Did:
    return Did("raw", Unit.parse(unit).bundle_name)


def manifest(unit: str) -> Did:
    return Did("raw", Unit.parse(unit).manifest_name)


def dataset(unit: str) -> Did:
    return Did("raw", Unit.parse(unit).rucio_dataset)


def document(world: World, unit: str) -> Manifest:
    return read_manifest(world.backbone(), world.ledger.units([unit])[unit])


def image_keys(world: World, unit: str) -> list[str]:
    return [entry.ref["id"] for entry in document(world, unit).images if entry.ref]
