"""What tests do to a unit, so that two records differ about it; each gives the subject of the finding."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from dbb.flows.cargo import stored_name
from dbb.model.exposure import Unit
from dbb.model.names import Did, SafeName
from dbb.ports.catalog import RuleWish
from dbb.ports.repository import LandedBundle
from support.fake_catalog import _Dataset
from support.fake_nights import UNSTORED
from support.fake_store import MemoryStore
from support.staged_units import bundle, dataset, document, image_keys, manifest
from support.tiny_camera import DETECTORS, image_name
from support.world import NIGHT, World

Plant = Callable[[World, str], str]
"""Do damage to a unit; name the subject of the finding."""


def delete(name: str, endpoint: str) -> Plant:
    def plant(world: World, unit: str) -> str:
        did = bundle(unit) if name == "bundle" else manifest(unit)
        world.stores[endpoint].delete([stored_name(did)])
        return unit

    return plant


def cut(world: World, unit: str) -> str:
    name = stored_name(bundle(unit))
    world.stores["frdf"].put(name, world.stores["frdf"].data(name)[:-7])
    return unit


def copy_where_unwanted(world: World, unit: str) -> str:
    name = stored_name(bundle(unit))
    world.stores["ukdf"].put(name, world.stores["usdf"].data(name))
    return unit


def stray_file(world: World, unit: str) -> str:
    name = f"raw/{Unit.parse(unit).folder}/core.4711"
    world.stores["frdf"].put(name, b"nobody's")
    return name


def stray_at_source(world: World, unit: str) -> str:
    name = f"LSSTCam/{NIGHT}/lost+found/{unit.rpartition('/')[2]}.fits"
    world.summit.put(name, b"nobody's")
    return name


def empty_source(world: World, unit: str) -> str:
    store: MemoryStore = world.summit
    folder = f"{Unit.parse(unit).folder}/"
    store.delete([name for name in store.names if name.startswith(folder)])
    return unit


def bring_back_to_source(world: World, unit: str) -> str:
    detector = DETECTORS[0]
    world.summit.put(image_name(unit, detector), b"as it was")
    return unit


def forget_dataset(world: World, unit: str) -> str:
    del world.catalog.datasets[dataset(unit)]
    return unit


def stray_dataset(world: World, unit: str) -> str:
    did = Did("raw", SafeName(f"{Unit.parse(unit).rucio_dataset}-again"))
    world.catalog.datasets[did] = _Dataset()
    return str(did)


def forget_replica(endpoint: str) -> Plant:
    def plant(world: World, unit: str) -> str:
        world.catalog.files[bundle(unit)].rses.discard(world.backbone().rses[endpoint])
        return unit

    return plant


def stray_replica(world: World, unit: str) -> str:
    world.catalog.files[manifest(unit)].rses.add("UKDF")
    return unit


def forget_rule(world: World, unit: str) -> str:
    world.catalog.remove_rule(world.catalog.locks([dataset(unit)])[dataset(unit)]["FRDF"].rule_id)
    return unit


def stray_rule(world: World, unit: str) -> str:
    world.catalog.ensure_rules([dataset(unit)], RuleWish("UKDF", "Nightly"))
    return unit


def widen_policy(world: World, unit: str) -> str:
    world.sky.touched[str(Unit.parse(unit).obs_id)] = frozenset({"uk"})
    return unit


def bring_unseen(world: World, unit: str) -> str:
    world.catalog.run_daemons()
    return unit


def drop_dataset(world: World, unit: str) -> str:
    del world.repositories["frdf"].datasets[image_keys(world, unit)[0]]
    return unit


def move_dataset(world: World, unit: str) -> str:
    key = image_keys(world, unit)[0]
    world.repositories["frdf"].datasets[key] = _other_file(world, unit, "frdf")
    return unit


def _other_file(world: World, unit: str, endpoint: str) -> str:
    name = stored_name(bundle(unit)).replace(".zip", ".9.zip")
    return f"{world.stores[endpoint].url_of(name)}#image.fits"


def unstore_dataset(world: World, unit: str) -> str:
    datasets = world.repositories["frdf"].datasets
    key = image_keys(world, unit)[0]
    datasets[key] = UNSTORED + datasets[key]
    return unit


def serve_unpublished(world: World, unit: str) -> str:
    url = world.stores["ukdf"].url_of(stored_name(bundle(unit)))
    world.repositories["ukdf"].datasets[image_keys(world, unit)[0]] = f"{url}#image.fits"
    return unit


def serve_stranger(world: World, unit: str) -> str:
    url = _other_file(world, unit, "frdf")
    world.repositories["frdf"].datasets[str(uuid.uuid5(uuid.NAMESPACE_URL, url))] = url
    return url.partition("#")[0]


def ingest_untold(world: World, unit: str) -> str:
    url = world.stores["usdf"].url_of(stored_name(bundle(unit)))
    world.repositories["usdf"].ingest([LandedBundle(document(world, unit), url)])
    return unit


def spoil_manifests(world: World, unit: str) -> str:
    name = stored_name(manifest(unit))
    for endpoint in ("usdf", "frdf"):
        data = world.stores[endpoint].data(name)
        world.stores[endpoint].put(name, data[::-1])
    return unit


def drop_dataset_and_spoil_manifests(world: World, unit: str) -> str:
    drop_dataset(world, unit)
    return spoil_manifests(world, unit)
