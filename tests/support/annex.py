"""The annex over a backbone in memory."""

from __future__ import annotations

from sqlalchemy import text

from dbb.flows.copies import look_for_copies
from dbb.flows.lfa import Annex
from dbb.flows.lfa_copying import copy_objects, find_objects
from dbb.flows.lfa_sealing import open_units, seal_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.lfa import SqlLfaObjects
from dbb.hooks.lfa_classes import load_classes
from dbb.hooks.lfa_datasets import describe_object
from dbb.model.day_obs import DayObs
from dbb.model.lfa import Announcement
from dbb.settings import INCLUDE
from support.fake_store import MemoryStore

TOPIC = "summit.lsst.sal.DREAM.logevent_largeFileObjectAvailable"
KEY = "DREAM:1/dream/2026/11/21/DREAM:1_2026-11-21T23:01:02.000.fits"
OTHER = "DREAM:1/dream/2026/11/21/DREAM:1_2026-11-21T23:02:00.000.fits"
DAY = DayObs(20261121)
BUCKET = "rubinobs-lfa-cp"


def make_annex(world):
    classes, datasets = load_classes(INCLUDE / "lfa" / "classes.yaml")
    return Annex(
        source=MemoryStore("lfa", world.clock),
        bucket=BUCKET,
        objects=SqlLfaObjects(world.ledger),
        inbox=world.inbox,
        classes=classes,
        datasets=datasets,
        describe=describe_object,
    )


def event(key=KEY, topic=TOPIC, **fields):
    return Announcement.of_event(topic, {"url": f"s3://{BUCKET}/{key}", **fields})


def lay(annex, key=KEY, data=b"SIMPLE"):
    annex.source.put(key, data)


def run(world, annex):
    """Do what one run of the DAG does, and what delivers."""
    backbone = world.backbone()
    counts = copy_objects(backbone, annex, find_objects(annex))
    seal_parcels(backbone, annex)
    units = open_units(backbone)
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")
    return {name: number for name, number in counts.items() if number}


def state_of(annex, key=KEY):
    (found,) = annex.objects.by_key([key])
    return found


def available(world, endpoint):
    with world.ledger.engine.begin() as connection:
        found = connection.execute(
            text("select key from lfa_available where endpoint = :e order by key"), {"e": endpoint}
        )
        return [row.key for row in found]


def poison(world):
    return [(each.code, each.payload) for each in world.inbox.find("poison", "", 99)]
