"""``dbb export``: made, verified, repaired and listed from the command line."""

import json

import pytest

from dbb.cli import export
from dbb.cli.context import Context
from dbb.cli.main import main
from support.bags import make_key
from support.calibration_site import CalibrationSite
from support.exports import Exports

SET = {"DBB_LEDGER_URL": "sqlite://"}
WHAT = ("--collection", "LSSTCam/defaults", "--dataset-type", "raw", "--owner", "somebody")


@pytest.fixture
def exports(tmp_path):
    world = CalibrationSite(tmp_path / "world")
    world.observe(1)
    return Exports(world, tmp_path / "out", *make_key(tmp_path))


@pytest.fixture
def dbb(exports, capsys, monkeypatch):
    monkeypatch.setattr(export, "_open", lambda *_, **__: exports.ports)
    monkeypatch.setattr(export, "_open_rows", lambda _: exports.ports.rows)

    def run(*arguments, json_wanted=True):
        def make_context(settings, output):
            return Context(settings, output, lambda _: exports.world.backbone())

        extra = ("--json",) if json_wanted else ()
        code = main(["export", *map(str, arguments), *extra], SET, make_context)
        written = capsys.readouterr()
        return (
            code,
            json.loads(written.out) if json_wanted and written.out else written.out,
            written.err,
        )

    return run


def test_an_export_goes_its_way_from_the_command_line(dbb, exports):
    make = ("make", "night", "--to", exports.folder, *WHAT, "--ends-on", "2020-01-01")
    code, planned, _ = dbb(*make, "--plan")
    assert (code, planned["datasets"], exports.bag.exists()) == (0, 2, False)
    code, made, told = dbb(*make, "--tar", exports.folder / "night.tar")
    assert (code, made["moved_bytes"]) == (0, made["bytes"])
    assert "100 %" in told
    for what in (exports.bag, exports.folder / "night.tar"):
        code, report, _ = dbb("verify", what, "--signers", exports.signers)
        assert (code, report["verdict"]) == (0, "valid")
    code, report, _ = dbb("verify", exports.bag)
    assert (code, report["findings"][0]["code"]) == (1, "signature-unchecked")
    image = next(exports.bag.rglob("*.fits"))
    size = image.stat().st_size
    image.unlink()
    assert dbb("verify", exports.bag, "--without-signature")[0] == 1
    code, done, _ = dbb("repair", exports.bag, "--signers", exports.signers)
    assert (code, done["moved_bytes"], done["verdict"]) == (0, size, "valid")
    code, listed, _ = dbb("list")
    assert code == 0
    assert [(row["name"], row["is_over"]) for row in listed["exports"]] == [("night", True)]
    assert dbb("list", json_wanted=False)[1].splitlines()[1].startswith("night\tover\tsomebody")


def test_what_is_too_large_or_not_understood_is_refused(dbb, exports):
    make = ("make", "night", "--to", exports.folder, *WHAT)
    code, _, told = dbb(*make, "--limit-bytes", "10")
    assert code == 1
    assert "export-refused" in told
    assert dbb(*make, "--bind", "{")[0] == 1
    assert dbb("verify", "/nowhere")[0] == 2
