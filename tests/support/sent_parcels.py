"""Parcels of permanent files, brought to the archive of a world in memory and published where a test wants them."""

from dbb.flows.parcels import take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units


def send(world, unit, files, places=("usdf", "frdf")):
    """Bring a parcel to the archive, and publish it at some places."""
    for name, data in {**files, "_READY": b""}.items():
        with world.stores["usdf"].create(f"incoming/{unit}/{name}") as writer:
            writer.write(data)
    backbone = world.backbone()
    take_parcels(backbone, [unit])
    register_units(backbone, [unit])
    publish_units(backbone, [unit], "usdf")
    world.catalog.run_daemons()
    publish(world, unit, places)


def publish(world, unit, places):
    backbone = world.backbone()
    for place in places:
        if place != "usdf":
            backbone.ledger.expect([unit], place, "wanted")
            publish_units(backbone, [unit], place)
