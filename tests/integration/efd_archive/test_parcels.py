"""An hour's files are sealed in a parcel, and travel."""

from __future__ import annotations

import pytest

from dbb.flows.copies import look_for_copies
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.delivery import State
from dbb.model.efd import CellState
from support.efd_world import BEGIN_NS, EVENT, MOUNT


def test_an_hours_files_are_a_parcel_that_rucio_and_the_endpoints_get(efd):
    efd.fill()
    efd.write(EVENT, BEGIN_NS, aggregatedDoF0=1.0, private_seqNum=1)
    efd.run()
    (unit,) = efd.seal()
    assert unit.startswith("files/20261121/efd-20261122T00-")
    assert efd.seal() == []
    world, backbone = efd.world, efd.world.backbone()
    register_units(backbone, [unit])
    publish_units(backbone, [unit], "usdf")
    assert world.state(unit, "usdf") is State.PUBLISHED
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")
    assert world.state(unit, "frdf") is State.PUBLISHED
    name = f"files/{efd.file().name}"
    assert world.stores["frdf"].data(name) == world.stores["usdf"].data(name)
    efd.write(MOUNT, BEGIN_NS + 1, azimuth0=1.0, private_seqNum=400)
    efd.run()
    (later,) = efd.seal()
    assert later != unit
    assert world.ledger.units([later])[later].expected == 1


def test_a_run_that_is_killed_between_deciding_and_sealing_makes_the_same_parcel(efd, monkeypatch):
    efd.fill()
    efd.run()
    with monkeypatch.context() as patch:
        patch.setattr("dbb.flows.efd_sealing._parcel", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            efd.seal()
    ((decided,),) = efd.rows("select unit from efd_file")
    assert efd.seal() == [decided]


def test_a_file_that_rots_before_it_travels_is_extracted_again(efd):
    efd.fill()
    efd.run()
    rotten = efd.file().name
    efd.efd.store.rot(f"files/{rotten}")
    assert efd.seal() == []
    assert (efd.cell().state, efd.cell().code) == (CellState.OPEN, "digest-mismatch")
    efd.run()
    assert efd.file().version == 2
    (unit,) = efd.seal()
    assert efd.world.ledger.units([unit])[unit].expected == 1
