"""Recovery drills over the real parts: a place and the ledger come back from peers and manifests."""

from __future__ import annotations

import json

import pytest
from lsst.daf.butler import Butler

from dbb.cli.main import main
from dbb.hooks.drills import SqlDrills
from dbb.model.drill import DrillKind
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.base import open_ledger
from support.held_dags import held
from support.night_parts import *  # noqa: F403
from support.real_night import finished_night, store_folder

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
EXPOSURES = 3


@pytest.fixture(scope="module", autouse=True)
def nobody_else(sandbox):
    """Let no drill of the clock's burn the scratch place meanwhile."""
    with held(sandbox, "dr_drill"):
        yield


@pytest.fixture(scope="module")
def night(environment):
    backbone = open_backbone(Settings.load(environment=environment), "integration test")
    return finished_night(backbone, environment, EXPOSURES)


def dbb(environment, capsys, *words):
    capsys.readouterr()
    code = main([*words, "--json"], environment)
    told = capsys.readouterr()
    return code, json.loads(told.out) if told.out else None, told.err


def files_below(root, night):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in (root / f"raw/LSSTCam/{night}").rglob("*.*")
    }


def test_a_scratch_endpoint_comes_back_whole_and_butler_serves_it(environment, night, capsys):
    day, _ = night
    span = ("--from", str(day), "--to", str(day))
    scratch = store_folder(environment, "scratch")
    for turn in range(2):  # the second one burns what the first has brought
        code, told, _ = dbb(environment, capsys, "drill", "endpoint", "scratch", *span)
        assert code == 0
        (drill,) = told["drills"]
        assert (drill["units"], drill["files"], drill["wrong"]) == (EXPOSURES, 2 * EXPOSURES, [])
        if turn == 0:
            (scratch / "raw/left-over").write_bytes(b"burns with the rest")
    assert not (scratch / "raw/left-over").exists()
    assert files_below(scratch, day) == files_below(store_folder(environment, "usdf"), day)
    with Butler.from_config(
        environment["DBB_BUTLER_SCRATCH"], collections="LSSTCam/raw/all"
    ) as butler:
        refs = butler.query_datasets("raw", limit=None)
        assert len(refs) == EXPOSURES * 197
        butler.get(refs[-1])
    ledger = open_ledger(Settings.load(environment=environment), "test")
    kept = SqlDrills(ledger).newest(DrillKind.ENDPOINT)[0]
    assert kept.is_passed
    with capsys.disabled():
        print(  # noqa: T201 - the figure
            f" {kept.units} exposures, {kept.size_bytes / 1e6:.0f} MB, "
            f"wiped, rebuilt and read in {kept.seconds:.1f} s"
        )


@pytest.mark.parametrize("name", ["usdf", "frdf", "summit", "oods"])
def test_a_real_endpoint_is_refused_and_keeps_everything(environment, night, capsys, name):
    day, _ = night
    before = files_below(store_folder(environment, "usdf"), day)
    code, _, told = dbb(environment, capsys, "drill", "endpoint", name)
    assert code == 5
    assert "not-scratch" in told
    assert files_below(store_folder(environment, "usdf"), day) == before


@pytest.mark.parametrize("setting", ["DBB_STORE_SCRATCH", "DBB_BUTLER_SCRATCH"])
def test_an_address_that_was_mistyped_wipes_nothing(environment, night, capsys, setting, tmp_path):
    day, _ = night
    before = files_below(store_folder(environment, "usdf"), day)
    real = setting.replace("SCRATCH", "USDF")
    code, _, told = dbb(environment | {setting: environment[real]}, capsys, "drill", "endpoint", "scratch")  # fmt: skip
    assert (code, "not-scratch" in told) == (5, True)
    other = tmp_path / "of-somebody"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    value = other.as_uri() if "STORE" in setting else str(other)
    code, _, told = dbb(environment | {setting: value}, capsys, "drill", "endpoint", "scratch")
    assert (code, "not-scratch" in told) == (5, True)
    assert (other / "thesis.tex").read_text() == "years of work"
    assert files_below(store_folder(environment, "usdf"), day) == before


def test_the_ledger_rebuilt_from_the_stores_says_what_the_real_one_says(environment, night, capsys):
    day, _ = night
    span = ("--from", str(day), "--to", str(day))
    code, told, _ = dbb(environment, capsys, "drill", "ledger", *span)
    (drill,) = told["drills"]
    assert (code, drill["wrong"]) == (0, [])
    assert (drill["units"], drill["files"]) == (EXPOSURES, 2 * EXPOSURES)
    path = next((store_folder(environment, "frdf") / f"raw/LSSTCam/{day}").rglob("*.zip"))
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    try:
        code, told, _ = dbb(environment, capsys, "drill", "ledger", *span)
    finally:
        path.write_bytes(data)
    assert code == 4
    (wrong,) = told["drills"][0]["wrong"]
    assert wrong.endswith("at frdf is bad copy and was a copy")
    assert dbb(environment, capsys, "drill", "list")[0] == 0
