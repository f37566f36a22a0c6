"""Objects of the annex that are Butler datasets."""

import pytest

from dbb.flows.lfa import announce
from dbb.flows.lfa_listing import list_bucket
from support.annex import KEY, available, event, lay, run, state_of

CARDS = ("SIMPLE  =                    T", "DATE-BEG= '2026-11-21T23:01:02.000'", "END")
FITS = "".join(f"{card:80}" for card in CARDS).ljust(2880)
SPECTRUM = (
    "FiberSpectrograph:Broad/fits/2026/11/21/FiberSpectrograph:Broad_2026-11-21T23:01:02.000.fits"
)
CAMERA = "GenericCamera:101/GC101/2026/11/21/GC101_O_20261121_000012.fits"


def fiber(key=SPECTRUM):
    topic = "lsst.sal.FiberSpectrograph.logevent_largeFileObjectAvailable"
    return event(key, topic=topic)


def parcels(world, annex, keys):
    units = {state_of(annex, key).unit for key in keys}
    return {row.instrument for row in world.ledger.units(sorted(units)).values()}


def test_objects_that_are_datasets_are_served_wherever_they_come(world, annex):
    for key in (SPECTRUM, CAMERA):
        lay(annex, key, FITS.encode())
    lay(annex)
    list_bucket(annex)
    assert run(world, annex) == {"checked": 3}
    assert available(world, "frdf") == sorted([KEY, SPECTRUM, CAMERA])
    ids = {state_of(annex, key).dataset_id for key in (SPECTRUM, CAMERA)}
    for endpoint in ("usdf", "frdf"):
        assert set(world.repositories[endpoint].datasets) == ids
    assert parcels(world, annex, [SPECTRUM, CAMERA, KEY]) == {"FiberSpec", "GenericCamera101", ""}
    assert state_of(annex).dataset_id == ""


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (SPECTRUM, b"no FITS"),
        (SPECTRUM, FITS.encode()[:100]),
        (SPECTRUM.replace("Broad_", "Mauve_"), FITS.encode()),
        ("FiberSpectrograph:Broad/fits/2026/11/21/odd.fits", FITS.encode()),
    ],
)
def test_an_object_that_does_not_say_which_dataset_it_is_is_replicated_and_told_of(
    world, annex, key, data
):
    lay(annex, key, data)
    lay(annex, SPECTRUM.replace("23:01", "23:05"), FITS.encode())
    list_bucket(annex)
    run(world, annex)
    assert len(available(world, "frdf")) == 2
    assert state_of(annex, key).code == "lfa-not-ingested"
    assert world.codes() == ["lfa-not-ingested"]
    assert len(world.repositories["frdf"].datasets) == 1


def test_of_two_objects_that_say_the_same_dataset_one_is_it_and_the_other_is_told_of(world, annex):
    twin = SPECTRUM.replace("/fits/", "/other/")
    for key in (SPECTRUM, twin):
        lay(annex, key, FITS.encode())
        announce(annex, [fiber(key)])
        run(world, annex)
    assert available(world, "frdf") == [SPECTRUM, twin]
    assert state_of(annex, twin).code == "lfa-not-ingested"
    assert state_of(annex, SPECTRUM).dataset_id
    assert len(world.repositories["frdf"].datasets) == 1
