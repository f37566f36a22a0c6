"""External programs as payloads: what they are told, what they give, and how they end."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from dbb.errors import (
    CalibrationInputsRefused,
    DigestMismatch,
    PayloadFailed,
    PayloadOutOfTime,
    PolicyUnreadable,
)
from dbb.hooks.calibration import command
from dbb.hooks.calibration.combining import CombiningPayload
from dbb.hooks.calibration.command import CommandPayload
from dbb.hooks.calibration.judging import CalibrationJudge
from dbb.hooks.calibration.payloads import PAYLOADS_FILE, load_payload
from dbb.hooks.calibration.product import read_product
from dbb.hooks.instruments import load_instruments
from support.calibration_orders import (
    DETECTORS,
    IDS,
    applied,
    bundled,
    make_order,
    names,
    raw_inputs,
    take,
)

PIPELINE = Path(__file__).parents[3] / "support/external_pipeline.py"


def python(code: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *words)


def write_payloads(folder: Path, *words: str, **given: object) -> Path:
    entry = {"name": "outside", "kind": "command", "version": "7", "time_limit_s": 60}
    document = {"default": "outside", "payloads": [entry | {"command": list(words)} | given]}
    path = folder / "payloads.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


# -- Butler in, Butler out -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def butler_payload(tmp_path_factory):
    words = ["{repository}", "{input_collection}", "{output_run}", "{kind}", "{data_query}"]
    path = write_payloads(
        tmp_path_factory.mktemp("settings"), sys.executable, str(PIPELINE), *words
    )
    return load_payload(path=path).payload


def test_a_pipeline_finds_its_images_in_butler_and_puts_its_products_there(
    tmp_path, butler_payload
):
    group = take(tmp_path, "bias", 3, amplifiers=1)
    order = make_order(tmp_path / "out", "bias", bundled(raw_inputs(group), tmp_path / "zips"))
    products = butler_payload.run(order)
    assert [product.detector for product in products] == list(IDS)
    assert (butler_payload.name, butler_payload.version) == ("outside", "7")
    for product, name in zip(products, DETECTORS, strict=True):
        wanted = {each.dataset_id for each in order.inputs if each.detector == product.detector}
        assert set(product.inputs) == wanted
        data = (order.folder / product.file).read_bytes()
        _, planes = read_product(product.file, data)
        error = planes.image - group.bank.truth(name).bias
        assert abs(np.median(error)) < 1
    assert names(order.folder) == sorted(["command", *[product.file for product in products]])
    assert names(order.folder / "command") == ["log", "order.json"]
    assert "made the bias of detector 95" in (order.folder / "command/log").read_text()
    judge = CalibrationJudge(load_instruments()["LSSTCam"], processes=1)
    judge.check_products(order, products, IDS)


def test_a_pipeline_finds_the_calibrations_to_apply(tmp_path, butler_payload):
    biases = make_order(
        tmp_path / "bias", "bias", raw_inputs(take(tmp_path, "bias", 3, amplifiers=1))
    )
    in_force = applied(biases, CombiningPayload(1).run(biases))
    darks = raw_inputs(take(tmp_path, "dark", 3, amplifiers=1, first_seq_num=50))
    order = make_order(tmp_path / "out", "dark", [*darks, *in_force])
    for product in butler_payload.run(order):
        _, planes = read_product(product.file, (order.folder / product.file).read_bytes())
        assert 0 < np.median(planes.image) < 30  # 31 s of dark current, no 24,000 of bias


def test_an_image_that_is_another_exposures_never_reaches_the_pipeline(tmp_path, butler_payload):
    from dataclasses import replace

    first, *rest = raw_inputs(take(tmp_path, "bias", 2, amplifiers=1, detectors=DETECTORS[:1]))
    order = make_order(tmp_path / "a", "bias", [replace(first, exposure_id=5), *rest])
    with pytest.raises(CalibrationInputsRefused, match="it is of exposure 2026112105001, not 5"):
        butler_payload.run(order)
    order = make_order(tmp_path / "b", "bias", [replace(first, sha256="0" * 64), *rest])
    with pytest.raises(DigestMismatch):
        butler_payload.run(order)


def test_a_pipeline_that_puts_nothing_has_failed(tmp_path):
    path = write_payloads(tmp_path, *python("pass", "{repository}", "{output_run}"))
    inputs = raw_inputs(take(tmp_path, "bias", 1, amplifiers=1))
    with pytest.raises(PayloadFailed, match="detector 94 has no product"):
        load_payload(path=path).payload.run(make_order(tmp_path / "out", "bias", inputs))


# -- an order file in, a result file out -----------------------------------------------------------

COPY = """
import json, os, pathlib, sys
order = json.loads(pathlib.Path(sys.argv[1]).read_text())
products = []
for given in order["inputs"]:
    name = f"{order['kind']}-{given['detector']}.fits"
    pathlib.Path(order["folder"], name).write_bytes(pathlib.Path(given["path"]).read_bytes())
    products.append({"detector": given["detector"], "file": name, "inputs": [given["uuid"]],
                     "statistics": {"depth": order["parameters"]["depth"]}})
EDIT
pathlib.Path(sys.argv[2]).write_text(
    json.dumps({"schema": "dbb-calibration-result/1", "products": products}))
print({key for key in os.environ if key.startswith(("DBB_", "AIRFLOW", "RUCIO_"))})
"""


def copying(edit: str = "", limit_s: float = 60, **parameters: float) -> CommandPayload:
    code = COPY.replace("EDIT", edit)
    return CommandPayload(
        "outside", "1", python(code, "{order}", "{result}"), limit_s, {"depth": 2} | parameters
    )


@pytest.fixture
def order(tmp_path):
    return make_order(tmp_path / "out", "bias", raw_inputs(take(tmp_path, "bias", 1)))


def test_a_program_reads_an_order_and_names_its_products(order, monkeypatch):
    monkeypatch.setenv("DBB_LEDGER_URL", "postgresql://secret")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "secret")
    products = copying().run(order)
    assert [(each.detector, each.file) for each in products] == [
        (94, "bias-94.fits"), (95, "bias-95.fits"),
    ]  # fmt: skip
    assert products[0].statistics == {"depth": 2.0}
    for product, given in zip(products, order.inputs, strict=True):
        assert (order.folder / product.file).read_bytes() == given.path.read_bytes()
    assert (order.folder / "command/log").read_text() == "set()\n"
    document = json.loads((order.folder / "command/order.json").read_text())
    assert document["schema"] == "dbb-calibration-order/1"
    assert document["inputs"][0]["sha256"] == order.inputs[0].sha256


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ("sys.exit(3)", "exit status 3"),
        ("os.kill(os.getpid(), 9)", "signal 9"),
        ("os._exit(0)", "it left no result.json"),
        ("del products[0]", "detector 94 has no product"),
        ("products.append(products[0])", "detector 94 has 2 products"),
        ("products[0]['file'] = '../order.json'", "is no file in the folder of products"),
        ("products[0]['file'] = 'gone.fits'", "is no file in the folder of products"),
        ("products[0]['inputs'] = ['made-up']", "has inputs not ordered: 'made-up'"),
        ("products[0]['inputs'] = []", "names no input"),
        ("products[0]['detector'] = '94'", "result.json is refused"),
        ("products[0]['more'] = 1", "result.json is refused"),
        ("products[0] = 5", "result.json is refused"),
        ("products[0]['statistics']['a'] = float('nan')", "result.json is refused"),
        (
            "os.symlink('/etc/passwd', order['folder'] + '/x'); products[0]['file'] = 'x'",
            "is no file in the folder of products",
        ),
    ],
)
def test_a_program_that_does_not_do_as_ordered_has_failed(order, edit, words):
    with pytest.raises(PayloadFailed) as caught:
        copying(edit).run(order)
    assert words in caught.value.message
    assert str(order.folder / "command/log") in caught.value.message
    assert names(order.folder) == ["command"]
    copying().run(order)  # and the next run begins anew


def test_a_program_that_is_not_there_has_failed(order):
    payload = CommandPayload("outside", "1", ("/nowhere/pipetask", "{result}"), 5, {})
    with pytest.raises(PayloadFailed, match="/nowhere/pipetask: No such file"):
        payload.run(order)


SLEEPERS = (
    "import subprocess\n"
    "subprocess.Popen(['sleep', '600'])\n"
    "print('asleep', flush=True)\n"
    "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
)


def in_folder(folder: Path) -> list[int]:
    """Find processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "cwd").readlink()) == str(folder):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_until(condition, limit_s=60.0):
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_a_program_that_takes_too_long_is_ended_with_its_children(order, monkeypatch):
    monkeypatch.setattr(command, "GRACE_S", 0.3)
    for limit_s in (1, 4, 16, 64):  # on a machine that is full a program may need one to begin
        with pytest.raises(PayloadOutOfTime, match=f"after {limit_s} s"):
            copying(SLEEPERS, limit_s=limit_s).run(order)
        said = (order.folder / "command/log").read_text()
        if "asleep" in said:
            break
    assert "asleep" in said
    wait_until(lambda: not in_folder(order.folder / "command"))


class Cancelled(BaseException):
    """Stand for what Airflow raises in a task that is told to end."""


def test_a_cancelled_task_takes_its_program_with_it(order, monkeypatch):
    import ctypes

    monkeypatch.setattr(command, "GRACE_S", 0.3)
    work, seen = order.folder / "command", []

    def run():
        try:
            copying(SLEEPERS).run(order)
        except Cancelled:
            seen.append("cancelled")

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: (work / "log").exists() and "asleep" in (work / "log").read_text())
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(Cancelled)
    )
    thread.join(20)
    assert seen == ["cancelled"]
    wait_until(lambda: not in_folder(work))


RUN = """
import os, pickle, pathlib, sys
sys.path[:0] = [{plugins!r}, {tests!r}]
payload, order = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
payload.run(order)
"""


def test_a_killed_worker_takes_its_program_with_it(order, tmp_path):
    import pickle
    import subprocess

    pinned = tmp_path / "order.pickle"
    pinned.write_bytes(pickle.dumps((copying(SLEEPERS), order)))
    paths = {"plugins": str(Path(command.__file__).parents[3]), "tests": str(PIPELINE.parents[1])}
    work = order.folder / "command"
    with subprocess.Popen([sys.executable, "-c", RUN.format(**paths), str(pinned)]) as worker:
        wait_until(lambda: (work / "log").exists() and "asleep" in (work / "log").read_text())
        assert len(in_folder(work)) == 2
        worker.kill()
    wait_until(lambda: not in_folder(work))


def test_what_a_program_leaves_running_is_ended_too(order):
    copying("import subprocess; subprocess.Popen(['sleep', '600'])").run(order)
    wait_until(lambda: not in_folder(order.folder / "command"))


# -- which payload ---------------------------------------------------------------------------------


def test_the_default_payload_is_the_built_in_one():
    configured = load_payload()
    assert isinstance(configured.payload, CombiningPayload)
    assert configured.payload.processes == len(os.sched_getaffinity(0))
    assert configured.parameters["clip_sigma"] == 4.0


@pytest.mark.parametrize(
    "given",
    [
        {"name": "dbb-combine"},
        {"name": "A name"},
        {"version": ""},
        {"command": []},
        {"time_limit_s": 0},
        {"time_limit_s": -5},
        {"command": ["x", "{result}", "{password}"]},
        {"command": ["x"]},
        {"command": ["x", "{result}", "{repository}", "{output_run}"]},
        {"command": ["x", "{result}", "{repository}"]},
        {"command": ["x", "{repository}"]},
        {"shell": "x"},
        {"kind": "builtin"},
        {"parameters": {"a": [1]}},
        {"parameters": [1]},
    ],
)
def test_payloads_are_read_strictly(tmp_path, given):
    path = write_payloads(tmp_path, "x", "{order}", "{result}")
    load_payload(path=path)
    with pytest.raises(PolicyUnreadable):
        load_payload(path=write_payloads(tmp_path, **({"command": ["x", "{result}"]} | given)))


@pytest.mark.parametrize(
    "change",
    [
        {"default": "other"},
        {"payloads": []},
        {"more": 1},
        {"payloads": "x"},
        {"payloads": ["x"]},
        {"payloads": [{"name": "dbb-combine", "kind": "builtin", "parameters": {"clip": 1}}]},
        {"payloads": [{"name": "dbb-combine", "kind": "builtin"}] * 2},
    ],
)
def test_the_file_of_payloads_is_read_strictly(tmp_path, change):
    path = tmp_path / "payloads.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(PAYLOADS_FILE.read_text()) | change))
    with pytest.raises(PolicyUnreadable):
        load_payload(path=path)
