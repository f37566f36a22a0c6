"""Calibration groups of the synthetic camera: as the camera writes them, and the same again."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from astropy.io import fits

from dbb.hooks.fits_inspector import FitsInspector
from dbb.hooks.instruments import load_instruments
from dbb.model.exposure import Unit
from sandbox.synthetic_night import make_calibration_group
from sandbox.synthetic_night.__main__ import main

INSPECTOR = FitsInspector(load_instruments())


def files(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
def test_the_backbone_takes_every_image_of_a_group(tmp_path, kind):
    group = make_calibration_group(
        tmp_path, kind, exposures=2, detectors=("R22_S11", "R44_SW0"), amplifiers=2, overscan=8
    )
    assert len(group.images) == 4
    for exposure in group.exposures:
        unit = Unit.parse(exposure.unit)
        for detector in exposure.detectors:
            name = exposure.image_name(detector)
            data = (tmp_path / name).read_bytes()
            found = INSPECTOR.inspect_image(name, data, unit, detector)
            facts = INSPECTOR.translate(name, found.header, unit)
            assert facts.observation_type == kind
            assert facts.exposure_id == exposure.shot.obs_id.exposure_id
            assert (tmp_path / exposure.document_name(detector)).exists()


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_calibration_group(
            tmp_path / name, "flat", exposures=2, detectors=("R22_S11",), seed=seed
        )
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_the_pixels_have_the_level_and_noise_of_the_truth(tmp_path):
    group = make_calibration_group(tmp_path, "bias", exposures=1, detectors=("R22_S11",))
    (path,) = group.images.values()
    with fits.open(path) as units:
        error = units[1].data - group.bank.truth("R22_S11").bias
    good = ~group.bank.truth("R22_S11").hot
    assert abs(np.median(error[good])) < 0.5
    assert 1.4826 * np.median(np.abs(error[good])) == pytest.approx(6.0, rel=0.05)


def test_the_command_line_writes_a_group(tmp_path, capsys):
    words = ["calibrations", str(tmp_path / "n"), "--day-obs", "20261121", "--kind", "dark"]
    assert main([*words, "--exposures", "2", "--detector", "R22_S11", "--fault", "all-zero"]) == 0
    assert len(list((tmp_path / "n").rglob("*.fits"))) == 2
    assert "2 exposures" in capsys.readouterr().out
