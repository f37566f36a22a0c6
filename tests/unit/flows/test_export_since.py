"""Increments: only what is new since a moment or an earlier export, and objects of the annex among it."""

import io

import numpy as np
import pytest
from astropy.io import fits
from lsst.daf.butler import Butler

from dbb.errors import BadDocument, ExportRefused
from dbb.flows.export_repairing import repair_export
from dbb.flows.exporting import Making
from dbb.flows.lfa import announce
from dbb.model.delivery import State
from dbb.model.export import Pinned
from dbb.verify_bag import verify
from support.annex import event, lay, make_annex, run, state_of
from support.bags import make_key
from support.calibration_site import CalibrationSite
from support.exports import Exports, import_bag

RAW = {"dataset_types": ["raw"], "collections": ["LSSTCam/raw/all"]}
LEAF = "FiberSpectrograph:Red_2026-11-21T23:01:02.fits"
SPECTRUM = f"FiberSpectrograph:Red/fits/2026/11/21/{LEAF}"
TOPIC = "lsst.sal.FiberSpectrograph.logevent_largeFileObjectAvailable"
SPECTRA = {"dataset_types": ["rawSpectrum"], "collections": ["FiberSpec/raw/all"], "where": ""}


@pytest.fixture
def exports(tmp_path):
    world = CalibrationSite(tmp_path / "world")
    world.observe(1)
    return Exports(world, tmp_path / "out", *make_key(tmp_path))


def later(exports, seed=1):
    """Let an hour pass, and observe more; give the moment between."""
    exports.world.clock.advance(1800)
    moment = exports.world.clock.now().isoformat()
    exports.world.clock.advance(1800)
    exports.world.take("bias", 5001 + 100 * seed)
    return moment


def snapshot(exports, name):
    lines = (exports.folder / name / "snapshot.jsonl").read_bytes().splitlines()
    return {Pinned.from_line(line).dataset_id for line in lines}


def test_an_increment_has_what_the_earlier_one_has_not_and_no_more(exports, tmp_path):
    exports.make(**RAW, name="first")
    later(exports)
    exports.make(**RAW, name="second", since_export="first")
    later(exports, seed=2)
    exports.make(**RAW, name="third", since_export="second")
    exports.make(**RAW, name="whole")
    parts = [snapshot(exports, name) for name in ("first", "second", "third")]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert set().union(*parts) == snapshot(exports, "whole")
    for name in ("second", "third"):
        report = verify(str(exports.folder / name), signers=str(exports.signers))
        assert report.verdict == "valid"
    # They open one after the other in the same repository.
    import_bag(exports.folder / "first", tmp_path / "elsewhere")
    with Butler.from_config(str(tmp_path / "elsewhere"), writeable=True) as butler:
        for name in ("second", "third"):
            for path in sorted((exports.folder / name / "data/butler").glob("*.yaml")):
                butler.import_(directory=str(path.parents[1]), filename=str(path), transfer="copy")
        with butler.query() as query:
            found = {str(ref.id) for ref in query.datasets("raw", RAW["collections"])}
    assert found == set().union(*parts)


def test_since_a_moment_only_what_is_served_since_then_goes_out(exports):
    exports.make(**RAW, name="first")
    moment = later(exports)
    made = exports.make(**RAW, name="second", since=moment)
    exports.make(**RAW, name="whole")
    assert made.datasets == 6
    assert snapshot(exports, "second") == snapshot(exports, "whole") - snapshot(exports, "first")


def test_what_an_earlier_one_left_out_comes_with_the_next(exports):
    later(exports)
    ledger = exports.world.ledger
    unit = min(row.unit for row in ledger.units_of_night("LSSTCam", 20261121))
    ledger.advance([unit], "usdf", State.PUBLISHED, State.SUSPECT, "a test")
    assert exports.make(**RAW, name="first", leave_out=True).left_out == 2
    ledger.advance([unit], "usdf", State.SUSPECT, State.PUBLISHED, "a test")
    made = exports.make(**RAW, name="second", since_export="first")
    assert (made.datasets, made.left_out) == (2, 0)


def test_where_nothing_is_new_it_says_so(exports):
    exports.make(**RAW, name="first")
    with pytest.raises(ExportRefused, match="that fits the order is new"):
        exports.make(**RAW, name="second", since_export="first")


def test_an_increment_is_built_on_nothing_that_is_not_known_and_whole(exports):
    with pytest.raises(ExportRefused, match="knows no such export"):
        exports.make(**RAW, name="second", since_export="first")
    exports.make(**RAW, name="first")
    record = Making(exports.folder, "first").record
    data = record.read_bytes()
    at = data.index(b'"id":"', data.index(b'"dataset_type":"raw"')) + 6
    record.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(ExportRefused, match=r"snapshot.jsonl is damaged"):
        exports.make(**RAW, name="second", since_export="first")
    record.write_bytes(data[: len(data) // 4])
    with pytest.raises(ExportRefused, match="cannot be read"):
        exports.make(**RAW, name="second", since_export="first")
    record.unlink()
    with pytest.raises(ExportRefused, match="is not there"):
        exports.make(**RAW, name="second", since_export="first")
    with pytest.raises(BadDocument):
        exports.make(**RAW, name="second", since="yesterday")


def test_objects_of_the_annex_go_out_as_what_butler_serves_and_are_repaired(exports, tmp_path):
    world = exports.world
    annex = make_annex(world)
    image = io.BytesIO()
    fits.PrimaryHDU(np.arange(6, dtype=np.int16)).writeto(image)
    lay(annex, SPECTRUM, image.getvalue())
    announce(annex, [event(SPECTRUM, TOPIC)])
    assert run(world, annex) == {"checked": 1}
    made = exports.make(**SPECTRA)
    assert made.datasets == 1
    assert verify(str(exports.bag), signers=str(exports.signers)).verdict == "valid"
    (row,) = map(Pinned.from_line, (exports.bag / "snapshot.jsonl").read_bytes().splitlines())
    assert row.unit == state_of(annex, SPECTRUM).unit
    assert (exports.bag / row.path).read_bytes() == image.getvalue()
    import_bag(exports.bag, tmp_path / "elsewhere")
    with Butler.from_config(str(tmp_path / "elsewhere")) as butler:
        assert butler.get(butler.get_dataset(row.dataset_id))[0].data.tolist() == list(range(6))
    (exports.bag / row.path).unlink()
    done = repair_export(world.backbone(), exports.ports, exports.bag, signers=str(exports.signers))
    assert (done.report.verdict, done.moved_files) == ("valid", 1)
