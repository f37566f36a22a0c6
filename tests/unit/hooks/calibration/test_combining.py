"""The built-in payload, against the truth of the synthetic camera."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from dbb.errors import (
    CalibrationInputsRefused,
    DigestMismatch,
    MissingCopy,
    PayloadInterrupted,
    PolicyUnreadable,
    UnreadableFits,
)
from dbb.hooks.calibration import combining, detector
from dbb.hooks.calibration.clipping import Combined
from dbb.hooks.calibration.combining import CombiningPayload
from dbb.hooks.calibration.pool import work_in_processes
from dbb.hooks.calibration.product import MaskPlane, read_product
from dbb.hooks.fits_structure import read_units, verify_checksums
from dbb.model.payload import PayloadInput
from sandbox.synthetic_night.calibration_pixels import Physics
from support.calibration_orders import (
    DETECTORS,
    IDS,
    applied,
    bundled,
    digest,
    make_order,
    names,
    raw_inputs,
    take,
)

PLUGINS = Path(combining.__file__).parents[3]
HERE = CombiningPayload(processes=1)


def planes_of(order, product):
    return read_product(product.file, (order.folder / product.file).read_bytes())


def chain(folder: Path, counts: dict[str, int], **given: object):
    """Make a bias, a dark and a flat, each with those before; give group, order and products."""
    made, calibrations = {}, []
    for number, (kind, count) in enumerate(counts.items()):
        group = take(folder, kind, count, first_seq_num=1000 * (number + 1), **given)
        order = make_order(folder / f"{kind}-out", kind, [*raw_inputs(group), *calibrations])
        products = HERE.run(order)
        calibrations += applied(order, products)
        made[kind] = (group, order, products)
    return made


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    counts = {"bias": 15, "dark": 10, "flat": 12}
    return chain(tmp_path_factory.mktemp("chain"), counts)


def truth_of(group, kind, name):
    truth = group.bank.truth(name)
    return {"bias": truth.bias, "dark": truth.dark_rate, "flat": truth.response}[kind]


# -- the truth is found ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bias", "dark", "flat"])
def test_what_the_detector_is_like_is_found_within_the_statistical_error(chained, kind):
    group, order, products = chained[kind]
    assert [product.detector for product in products] == list(IDS)
    for product, name in zip(products, DETECTORS, strict=True):
        _, planes = planes_of(order, product)
        bad = np.uint8(MaskPlane.HOT | MaskPlane.DEAD | MaskPlane.NO_DATA)
        good = (planes.mask & bad) == 0
        pull = ((planes.image - truth_of(group, kind, name)) / np.sqrt(planes.variance))[good]
        assert abs(np.median(pull)) < 0.25  # a bias has a second's dark current in it
        assert 1.4826 * np.median(np.abs(pull)) == pytest.approx(1, abs=0.12)
        assert np.mean(np.abs(pull) > 5) < 0.002


def test_the_planted_bad_pixels_are_marked_and_no_others(chained):
    for kind in ("bias", "dark", "flat"):
        group, order, products = chained[kind]
        for product, name in zip(products, DETECTORS, strict=True):
            truth, (_, planes) = group.bank.truth(name), planes_of(order, product)
            np.testing.assert_array_equal((planes.mask & MaskPlane.HOT) > 0, truth.hot)
            if kind == "flat":
                np.testing.assert_array_equal((planes.mask & MaskPlane.DEAD) > 0, truth.dead)


def cosmic_errors(folder: Path) -> tuple[int, float]:
    """Give how many pixels were hit by bright rays, and the worst error there in sigmas."""
    physics = Physics(cosmic_rays=3.0)
    group = take(folder, "bias", 9, physics=physics)
    order = make_order(folder / "out", "bias", raw_inputs(group))
    worst, hit = 0.0, 0
    for product, name in zip(HERE.run(order), DETECTORS, strict=True):
        truth, (_, planes) = group.bank.truth(name), planes_of(order, product)
        charge = sum(
            group.bank.cosmic_rays(f"{exposure.shot.obs_id}:{name}") for exposure in group.exposures
        )
        places = (charge > 0) & ~truth.hot & ~truth.dead
        assert np.all((planes.mask[places] & MaskPlane.CLIPPED) > 0)
        error = np.abs(planes.image - truth.bias) / (physics.read_noise / np.sqrt(8))
        worst, hit = max(worst, float(error[places].max())), hit + int(places.sum())
    return hit, worst


def test_cosmic_rays_leave_no_trace(tmp_path):
    hit, worst = cosmic_errors(tmp_path)
    assert hit > 50
    assert worst < 6


def test_a_payload_that_does_not_clip_is_found_out(tmp_path, monkeypatch):
    def plain_mean(stack, noise, *_):
        shape = stack.shape[1:]
        return Combined(
            stack.mean(axis=0),
            np.full(shape, noise.mean() ** 2 / len(stack), np.float32),
            np.full(shape, len(stack) - 1, np.uint16),
            np.zeros(len(stack), np.int64),
        )

    monkeypatch.setattr(detector, "combine", plain_mean)
    _, worst = cosmic_errors(tmp_path)
    assert worst > 10


def test_the_overscan_is_taken_off_where_there_is_one(tmp_path):
    made = chain(tmp_path, {"bias": 9, "flat": 5}, overscan=16)
    group, order, products = made["bias"]
    for product, name in zip(products, DETECTORS, strict=True):
        header, planes = planes_of(order, product)
        assert header["OVERSCAN"] is True
        slope = group.bank.truth(name).bias
        assert abs(np.median(planes.image)) < 2
        assert np.std(np.median(planes.image, axis=1)) < np.std(slope[:, 0])
        assert "residual_adu" in product.statistics
    group, order, products = made["flat"]
    _, planes = planes_of(order, products[0])
    good = (planes.mask & 11) == 0
    pull = (planes.image - group.bank.truth(DETECTORS[0]).response) / np.sqrt(planes.variance)
    assert 1.4826 * np.median(np.abs(pull[good])) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("count", [1, 2, 3, 26, 50])
def test_a_group_may_have_any_number_of_images(tmp_path, count):
    group = take(tmp_path, "bias", count, detectors=DETECTORS[:1], pixels=24)
    order = make_order(tmp_path / "out", "bias", raw_inputs(group), band_mebibytes=0.05)
    (product,) = HERE.run(order)
    header, planes = planes_of(order, product)
    assert header["NCOMBINE"] == count
    error = (planes.image - group.bank.truth(DETECTORS[0]).bias) / np.sqrt(planes.variance)
    good = (planes.mask & MaskPlane.HOT) == 0
    assert abs(np.median(error[good])) < 0.5
    assert 1.4826 * np.median(np.abs(error[good])) == pytest.approx(1, abs=0.3)


# -- what is written -------------------------------------------------------------------------------


def test_a_product_is_whole_fits_with_its_provenance(chained):
    _, order, products = chained["flat"]
    for product in products:
        data = (order.folder / product.file).read_bytes()
        assert verify_checksums(product.file, data, read_units(product.file, data))
        given = [each for each in order.inputs if each.detector == product.detector]
        assert sorted(product.inputs) == sorted(each.dataset_id for each in given)
        header, _ = planes_of(order, product)
        assert header["LSST BUTLER N_INPUTS"] == len(given) == 14
        named = [header[f"LSST BUTLER INPUT {number} ID"] for number in range(14)]
        assert tuple(named) == product.inputs
        assert (header["PAYLOAD"], header["PAYLVERS"]) == (HERE.name, HERE.version)
        assert (header["INSTRUME"], header["DETECTOR"]) == ("LSSTCam", product.detector)
        assert (header["OBSTYPE"], header["FILTER"]) == ("flat", "u_24")
        assert (header["BIASSUB"], header["DARKSUB"], header["OVERSCAN"]) == (True, True, False)
        assert header["DBB PARAMETER CLIP_SIGMA"] == 4.0
        assert header["DATE-BEG"] < header["DATE-END"]
        with fits.open(order.folder / product.file) as units:
            table = units["INPUTS"].data
            assert set(table["sha256"]) == {each.sha256 for each in given}
            assert table["rejected"].sum() == header["NREJECT"] > 0
            assert units["MASK"].header["MP_HOT"] == 0


def test_what_is_written_is_what_was_made_to_the_last_bit(tmp_path, monkeypatch):
    written = []

    def keep(path, header, planes, *rest):
        written.append(planes)
        return original(path, header, planes, *rest)

    original = detector.write_product
    monkeypatch.setattr(detector, "write_product", keep)
    group = take(tmp_path, "bias", 4)
    order = make_order(tmp_path / "out", "bias", raw_inputs(group))
    for made, product in zip(written, HERE.run(order), strict=False):
        _, read = planes_of(order, product)
        for plane in ("image", "variance", "mask"):
            np.testing.assert_array_equal(getattr(read, plane), getattr(made, plane))
    assert written


def test_tiles_are_compressed_fast_and_have_no_time(chained):
    _, order, products = chained["bias"]
    data = (order.folder / products[0].file).read_bytes()
    headers = [data[place : place + 10] for place in find_all(data, b"\x1f\x8b\x08")]
    assert len(headers) >= 6
    assert {header[4:8] for header in headers} == {bytes(4)}
    assert {header[8] for header in headers} == {4}  # the fastest level


def find_all(data: bytes, word: bytes) -> list[int]:
    return [place for place in range(len(data)) if data.startswith(word, place)]


def test_the_same_order_makes_the_same_bytes_whenever_and_by_how_many(tmp_path, monkeypatch):
    inputs = raw_inputs(take(tmp_path, "bias", 5))
    orders = [make_order(tmp_path / name, "bias", inputs) for name in "ab"]
    orders.append(make_order(tmp_path / "c", "bias", bundled(inputs, tmp_path / "zips")))
    digests = []
    for order, processes in zip(orders, (1, 1, 2), strict=True):
        products = CombiningPayload(processes).run(order)
        now = time.time() + 100_000  # gzip writes the time into every tile
        monkeypatch.setattr(time, "time", lambda now=now: now)
        digests.append([digest(order.folder / product.file) for product in products])
    assert digests[0] == digests[1] == digests[2]


def test_the_memory_for_a_band_does_not_change_the_pixels(tmp_path):
    inputs = raw_inputs(take(tmp_path, "bias", 5))
    found = []
    for name, mebibytes in (("a", 0.01), ("b", 64)):
        order = make_order(tmp_path / name, "bias", inputs, band_mebibytes=mebibytes)
        found.append(planes_of(order, HERE.run(order)[0])[1])
    np.testing.assert_array_equal(found[0].image, found[1].image)
    np.testing.assert_array_equal(found[0].variance, found[1].variance)


# -- what goes wrong -------------------------------------------------------------------------------


def damage(inputs, folder):
    data = bytearray(inputs[-1].path.read_bytes())
    data[-3000] ^= 4
    (folder / "damaged.fits").write_bytes(data)
    return [*inputs[:-1], replace(inputs[-1], path=folder / "damaged.fits")]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (damage, DigestMismatch),
        (lambda inputs, folder: [replace(each, path=folder / "gone") for each in inputs], MissingCopy),
        (lambda inputs, _: [replace(each, member="x") for each in inputs], UnreadableFits),
        (lambda *_: [], CalibrationInputsRefused),
        (
            lambda inputs, _: [*inputs, replace(inputs[0], kind="dark")],
            CalibrationInputsRefused,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("processes", [1, 2])
def test_a_bad_input_stops_it_and_nothing_is_left(tmp_path, spoil, error, processes):
    inputs = spoil(raw_inputs(take(tmp_path, "bias", 3)), tmp_path)
    order = make_order(tmp_path / "out", "bias", inputs)
    with pytest.raises(error):
        CombiningPayload(processes).run(order)
    assert names(order.folder) == []


def test_a_dark_without_bias_or_overscan_is_refused(tmp_path):
    order = make_order(tmp_path / "out", "dark", raw_inputs(take(tmp_path, "dark", 3)))
    with pytest.raises(CalibrationInputsRefused, match="needs a bias, and none is in force"):
        HERE.run(order)


def test_a_bias_with_its_overscan_off_is_not_applied_to_images_without(tmp_path):
    group = take(tmp_path, "bias", 3, overscan=16)
    biases = make_order(tmp_path / "bias", "bias", raw_inputs(group))
    in_force = applied(biases, HERE.run(biases))
    darks = raw_inputs(take(tmp_path, "dark", 3, first_seq_num=20))
    with pytest.raises(CalibrationInputsRefused, match="either it or the bias in force, not both"):
        HERE.run(make_order(tmp_path / "out", "dark", [*darks, *in_force]))


def test_another_detectors_bias_is_refused(tmp_path):
    biases = make_order(tmp_path / "bias", "bias", raw_inputs(take(tmp_path, "bias", 3)))
    first, second = applied(biases, HERE.run(biases))
    swapped = [replace(first, detector=second.detector), replace(second, detector=first.detector)]
    darks = raw_inputs(take(tmp_path, "dark", 3, first_seq_num=20))
    order = make_order(tmp_path / "out", "dark", [*darks, *swapped])
    with pytest.raises(CalibrationInputsRefused, match="it is the bias of detector 95"):
        HERE.run(order)


def test_images_of_another_size_are_refused(tmp_path):
    inputs = raw_inputs(take(tmp_path, "bias", 2))
    inputs += raw_inputs(take(tmp_path / "b", "bias", 1, pixels=32, first_seq_num=77))
    with pytest.raises(CalibrationInputsRefused, match="not those of the rest"):
        HERE.run(make_order(tmp_path / "out", "bias", inputs))


@pytest.mark.parametrize("parameters", [{"clip_sgima": 4}, {"clip_sigma": 0}, {"clip_sigma": -1}])
def test_a_parameter_that_is_not_known_is_refused(tmp_path, parameters):
    given = PayloadInput("x", "y", tmp_path, "", 1, 2)
    with pytest.raises(PolicyUnreadable, match="clip_s"):
        HERE.run(make_order(tmp_path / "out", "bias", [given], **parameters))


def die_at_second(jobs):
    if 3 in jobs:
        os.kill(os.getpid(), signal.SIGKILL)
    return list(jobs)


def test_a_killed_process_is_an_interruption():
    with pytest.raises(PayloadInterrupted):
        work_in_processes("trial", die_at_second, [1, 2, 3, 4], 2)


WORK = """
import sys, pickle, pathlib
sys.path[:0] = [{plugins!r}]
from dbb.hooks.calibration import detector
from dbb.hooks.calibration.combining import CombiningPayload
if __name__ == "__main__":
    order = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
    if sys.argv[2] == "1":  # in this process: stop just before the last product is whole
        original = detector.write_product
        def slow(path, *rest):
            original(path, *rest)
            if path.name.endswith("095.fits"):
                print("ready", flush=True)
                import time; time.sleep(60)
        detector.write_product = slow
    else:
        print("ready", flush=True)
    CombiningPayload(int(sys.argv[2])).run(order)
"""


def kill_in_the_middle(folder: Path, order, processes: int) -> None:
    import pickle

    script = folder / "work.py"
    script.write_text(WORK.format(plugins=str(PLUGINS)))
    pinned = folder / "order.pickle"
    pinned.write_bytes(pickle.dumps(order))
    command = [sys.executable, str(script), str(pinned), str(processes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        if processes > 1:
            time.sleep(1.0)  # its own processes are starting or at work
        process.kill()


def test_killed_in_the_middle_it_leaves_no_product_and_a_second_run_makes_all(tmp_path):
    inputs = raw_inputs(take(tmp_path, "bias", 3))
    order = make_order(tmp_path / "out", "bias", inputs)
    kill_in_the_middle(tmp_path, order, 1)
    assert {Path(name).suffix for name in names(order.folder)} == {".part"}
    products = HERE.run(order)
    assert names(order.folder) == sorted(product.file for product in products)


def test_its_processes_end_when_it_is_killed(tmp_path):
    inputs = raw_inputs(take(tmp_path, "bias", 40, pixels=100))
    order = make_order(tmp_path / "out", "bias", inputs)
    kill_in_the_middle(tmp_path, order, 2)
    deadline = time.monotonic() + 60
    while (left := running(str(order.folder.parent))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def running(words: str) -> list[int]:
    """Find processes that have a file below a folder open, or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in (process / "fd").iterdir()]
            links.append((process / "cmdline").read_text())
        except OSError:
            continue
        if any(words in link for link in links):
            found.append(int(process.name))
    return found


FORKED = """
import multiprocessing, os, sys
sys.path[:0] = [{plugins!r}]
from dbb.hooks.calibration.pool import work_in_processes

if __name__ == "__mp_main__":
    os._exit(3)  # Airflow's program, run again in a process of a task, fails for want of a database

def run():
    child = os.fork()  # as Airflow's supervisor starts a task
    if child == 0:
        found = work_in_processes("trial", sorted, [3, 1, 2, 4], 2)
        os._exit(0 if sorted(found) == [1, 2, 3, 4] else 1)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

if __name__ == "__main__":
    worker = multiprocessing.get_context("fork").Process(target=run)  # as LocalExecutor does
    worker.start()
    worker.join()
    sys.exit(worker.exitcode)
"""


def test_processes_can_be_started_in_a_task_that_was_forked(tmp_path):
    script = tmp_path / "forked.py"
    script.write_text(FORKED.format(plugins=str(PLUGINS)))
    assert subprocess.run([sys.executable, str(script)], timeout=60, check=False).returncode == 0
