"""Addresses for others: which copy answers them, and who has none."""

import pytest

from dbb.errors import NoReadUrl, UnknownItem
from dbb.flows.reading_urls import sign_urls
from dbb.model.delivery import State
from support.tiny_camera import take_exposure
from support.world import World, run_night


@pytest.fixture
def world():
    world = World()
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    return world


@pytest.fixture
def rows(world):
    return world.ledger.units_of_night("LSSTCam", 20261121)


def gives_urls(store):
    """Let a store in memory answer as one on S3 does."""

    def read_url(name, valid_s):
        return f"https://{store.name}/{name}?valid={valid_s}"

    store.read_url = read_url


def test_each_file_has_an_address_at_the_endpoint_that_gives_them(world, rows):
    gives_urls(world.stores["usdf"])
    signed = sign_urls(world.backbone(), rows, 60)
    assert [item.did.name.rpartition(".")[2] for item in signed] == ["zip", "json"]
    for item in signed:
        assert item.endpoint == "usdf"
        assert item.url == f"https://usdf/raw/{item.did.name}?valid=60"


def test_where_no_store_gives_addresses_it_is_said(world, rows):
    with pytest.raises(NoReadUrl, match="memory"):
        sign_urls(world.backbone(), rows, 60)


def test_a_copy_that_is_not_verified_is_never_handed_out(world, rows):
    gives_urls(world.stores["frdf"])
    [row] = rows
    world.ledger.advance([row.unit], "frdf", State.PUBLISHED, State.SUSPECT, "test")
    with pytest.raises(NoReadUrl):  # only the archive is left, which has none
        sign_urls(world.backbone(), rows, 60)


def test_a_copy_that_is_gone_costs_a_look_at_the_next(world, rows):
    for name in ("frdf", "usdf"):
        gives_urls(world.stores[name])
    world.stores["frdf"].delete(world.stores["frdf"].names)
    assert {item.endpoint for item in sign_urls(world.backbone(), rows, 60)} == {"usdf"}


def test_what_is_nowhere_verified_is_unknown(world, rows):
    [row] = rows
    for place in ("usdf", "frdf"):
        world.ledger.advance([row.unit], place, State.PUBLISHED, State.SUSPECT, "test")
    with pytest.raises(UnknownItem):
        sign_urls(world.backbone(), rows, 60)
