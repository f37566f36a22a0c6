"""What a Butler repository promises of calibrations, over any registry."""

from __future__ import annotations

import dataclasses
import datetime as dt
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lsst.daf.butler import Butler, DatasetType

from dbb.errors import ValidityOverlap
from dbb.hooks import butler_parcel
from dbb.model.calibration import Certification, hash_of
from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile
from dbb.ports.repository import LandedParcel
from support.butler_site import NewSite, Site
from support.raw_bundles import DAY, make_fits

COLLECTION, CHAIN = "LSSTCam/calib/daily/2026B", "LSSTCam/calib"
BEGIN = dt.datetime(2026, 11, 20, 20)  # noqa: DTZ001 - TAI without a zone
LATER = dt.datetime(2030, 1, 1)  # noqa: DTZ001 - TAI without a zone


def make_parcel(site: Site, number: int, begin: dt.datetime = BEGIN) -> LandedParcel:
    """Make a flat in r_57 for each detector, as the flow files them."""
    run = f"{COLLECTION}/20261121/flatGen/{number}"
    unit = f"products/{DAY}/calib-{number}"
    files, urls = [], {}
    folder = site.root.parent / "products" / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    for detector in site.instrument.detectors:
        path = folder / f"flat-{detector.id}.fits"
        path.write_bytes(make_fits(site.maker.unit(number), detector))
        name = SafeName(f"{DAY}/calib-{number}/{path.name}")
        ref = {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run}/{detector.id}")),
            "dataset_type": "flat",
            "run": run,
            "data_id": {
                "instrument": "LSSTCam", "detector": detector.id, "physical_filter": "r_57",
            },
        }  # fmt: skip
        files.append(
            ParcelFile(
                name,
                Digest(path.stat().st_size, "0" * 64, "0" * 8, "0" * 8),
                (ref,),
                "dbb.hooks.butler_formatter.FitsFileFormatter",
                Certification(COLLECTION, CHAIN, begin).labels,
            )
        )
        urls[str(name)] = path.as_uri()
    with site.butler() as butler:
        universe = {
            "namespace": butler.dimensions.namespace, "version": butler.dimensions.version,
        }  # fmt: skip
    told = {
        "dimensions": ["instrument", "detector", "physical_filter"],
        "storage_class": "FitsHDUList",
        "is_calibration": True,
    }
    parcel = Parcel(
        unit, Kind.PRODUCT, "LSSTCam", "", DayObs.parse(DAY.value).value, tuple(files),
        {"flat": told}, universe,
    )  # fmt: skip
    return LandedParcel(parcel, urls)


def in_force(root: str, begin: str, detectors: int) -> set[str]:
    """Name the RUN collections of the flats that a user finds for an exposure's time."""
    from astropy.time import Time, TimeDelta
    from lsst.daf.butler import Timespan

    moment = Time(begin, format="isot", scale="tai")
    span = Timespan(moment, moment + TimeDelta(1, format="sec"))
    runs = set()
    with Butler.from_config(root, writeable=False) as butler:
        types = [each.name for each in butler.registry.queryDatasetTypes("flat")]
        if not types:
            return {"none"}
        with butler.registry.caching_context():
            for detector in range(detectors):
                try:
                    ref = butler.find_dataset(
                        "flat", instrument="LSSTCam", detector=detector, physical_filter="r_57",
                        collections=[CHAIN], timespan=span,
                    )  # fmt: skip
                except LookupError:
                    ref = None
                runs.add("none" if ref is None else ref.run)
    return runs


def _publish(root: str, parcel: LandedParcel) -> None:
    from dbb.hooks.butler_repository import ButlerRepository

    ButlerRepository(root).ingest_parcels([parcel])


class CalibrationConformance:
    """Run by each kind of registry, which gives the fixture ``new_site``."""

    def test_a_user_finds_the_calibration_valid_at_the_time_of_the_exposure(
        self, new_site: NewSite
    ) -> None:
        site = new_site()
        site.repository.ingest([site.maker.make(5)])
        exposure = site.maker.unit(5).obs_id.exposure_id
        old = make_parcel(site, 1)
        late = make_parcel(site, 2, LATER)
        assert site.repository.ingest_parcels([old, late]) == {}
        with site.butler() as butler:
            found = butler.get(
                "flat", instrument="LSSTCam", detector=1, exposure=exposure, collections=CHAIN
            )
            assert len(found)
        assert in_force(str(site.root), "2026-11-21T12:00:00", 4) == {
            f"{COLLECTION}/20261121/flatGen/1"
        }
        assert in_force(str(site.root), "2031-01-01T00:00:00", 4) == {
            f"{COLLECTION}/20261121/flatGen/2"
        }

    def test_the_order_in_which_parcels_come_does_not_matter(self, new_site: NewSite) -> None:
        here, there = new_site(), new_site()
        parcels = [(n, BEGIN + dt.timedelta(days=n)) for n in (1, 2, 3)]
        for site, order in ((here, parcels), (there, parcels[::-1])):
            for number, begin in order:
                assert site.repository.ingest_parcels([make_parcel(site, number, begin)]) == {}
        found = here.repository.validities(COLLECTION)
        assert len(found) == 12
        assert hash_of(found) == hash_of(there.repository.validities(COLLECTION))
        assert here.repository.chain(CHAIN) == [COLLECTION] == there.repository.chain(CHAIN)

    def test_a_second_one_with_the_same_begin_is_refused_whole(self, new_site: NewSite) -> None:
        site = new_site()
        first, second = make_parcel(site, 1), make_parcel(site, 2)
        assert site.repository.ingest_parcels([first]) == {}
        before = site.repository.validities(COLLECTION)
        errors = site.repository.ingest_parcels([second])
        assert [type(error) for error in errors.values()] == [ValidityOverlap]
        assert site.repository.validities(COLLECTION) == before
        ids = [file.refs[0]["id"] for file in second.parcel.files]
        assert site.repository.locate(ids) == {}
        assert site.repository.ingest_parcels([first]) == {}  # again is a no-op
        assert site.repository.validities(COLLECTION) == before

    def test_what_is_taken_out_of_force_stays_retrievable(self, new_site: NewSite) -> None:
        site = new_site()
        parcels = [make_parcel(site, n, BEGIN + dt.timedelta(days=n)) for n in (1, 2, 3)]
        site.repository.ingest_parcels(parcels)
        ids = [file.refs[0]["id"] for file in parcels[1].parcel.files]
        assert site.repository.decertify(COLLECTION, ids) == 4
        left = site.repository.validities(COLLECTION)
        assert sorted({(v.begin_tai, v.end_tai) for v in left}) == [
            ("2026-11-21T20:00:00", "2026-11-23T20:00:00"), ("2026-11-23T20:00:00", "")
        ]  # fmt: skip
        assert len(site.repository.locate(ids)) == 4
        assert site.repository.decertify(COLLECTION, ids) == 0
        withheld = dataclasses.replace(parcels[1], certify=False)
        assert site.repository.ingest_parcels([withheld]) == {}
        assert site.repository.validities(COLLECTION) == left

    def test_two_publishers_of_what_is_new_at_the_same_moment_both_succeed(
        self, new_site: NewSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = new_site()
        parcels = [make_parcel(site, n, BEGIN + dt.timedelta(hours=n)) for n in (1, 2)]
        register, before, waited = butler_parcel._dataset_types, threading.Barrier(2), set()

        def at_once(butler: Butler, parcel: Parcel) -> dict[str, DatasetType]:
            if parcel.unit not in waited:  # the first time
                waited.add(parcel.unit)
                before.wait(60)
            return register(butler, parcel)

        monkeypatch.setattr(butler_parcel, "_dataset_types", at_once)
        with ThreadPoolExecutor(2) as publishers:
            refused = publishers.map(lambda one: site.repository.ingest_parcels([one]), parcels)
            assert list(refused) == [{}, {}]
        assert len(site.repository.validities(COLLECTION)) == 2 * len(site.instrument.detectors)

    def test_an_observer_never_sees_a_mixture_also_when_the_publisher_is_killed(
        self, new_site: NewSite, tmp_path: Path
    ) -> None:
        site = new_site()
        site.repository.ingest_parcels([make_parcel(site, 1)])
        new = make_parcel(site, 2, BEGIN + dt.timedelta(hours=1))
        spawn = multiprocessing.get_context("spawn")
        log = tmp_path / "seen"
        observer = spawn.Process(target=_observe, args=(str(site.root), log, 4))
        observer.start()
        try:
            _wait(lambda: log.exists() and log.read_text().count("\n") >= 2)
            for delay_s in (0.05, 0.15, 0.3):
                publisher = spawn.Process(
                    target=_publish_slowly, args=(str(site.root), new, tmp_path)
                )
                publisher.start()
                _wait((tmp_path / "go").exists)
                time.sleep(delay_s)  # a moment within the transaction, another one each time
                os.kill(publisher.pid or 0, signal.SIGKILL)
                publisher.join()
                (tmp_path / "go").unlink()
                assert len(in_force(str(site.root), "2026-11-21T12:00:00", 4)) == 1
            assert site.repository.ingest_parcels([new]) == {}
            seen = log.read_text().count("\n")
            _wait(lambda: log.read_text().count("\n") >= seen + 2)
        finally:
            observer.terminate()
            observer.join()
        looks = log.read_text().split()
        assert all("," not in look for look in looks), looks
        assert {look.rpartition("/")[2] for look in looks} == {"1", "2"}

    def test_a_user_who_gets_detector_after_detector_finds_one_set_and_never_none(
        self, new_site: NewSite, tmp_path: Path
    ) -> None:
        """What one `get` sees is whole; a set is what has one RUN, and who wants one compares that."""
        site = new_site()
        site.repository.ingest([site.maker.make(5)])
        sets = [make_parcel(site, n, BEGIN + dt.timedelta(hours=n)) for n in (1, 2, 3, 4)]
        site.repository.ingest_parcels(sets[:1])
        with _reader(site, tmp_path / "read") as passes:
            for one in sets[1:]:
                assert site.repository.ingest_parcels([one]) == {}
                passes(1)
            for one in sets[:0:-1]:  # rolled back, the last one first
                ids = [file.refs[0]["id"] for file in one.parcel.files]
                assert site.repository.decertify(COLLECTION, ids) == 4
                passes(1)
            looks = passes(2)
        assert {look for look in looks if look not in {"1", "2", "3", "4"}} <= {"again"}
        assert looks[-1] == "1"
        assert {"1", "4"} <= set(looks)

    def test_that_look_is_red_when_a_set_is_replaced_in_steps(
        self, new_site: NewSite, tmp_path: Path
    ) -> None:
        from lsst.daf.butler import Timespan

        site = new_site()
        site.repository.ingest([site.maker.make(5)])
        site.repository.ingest_parcels([make_parcel(site, 1)])
        with (
            _reader(site, tmp_path / "read") as passes,
            Butler.from_config(str(site.root), writeable=True) as butler,
        ):
            passes(1)
            refs = butler.registry.queryDatasets("flat", collections=COLLECTION).expanded()
            refs = sorted(refs, key=lambda ref: ref.dataId["detector"])
            butler.registry.decertify(COLLECTION, "flat", Timespan(None, None))
            assert "none" in passes(2)
            butler.registry.certify(COLLECTION, refs[:2], Timespan(None, None))
            assert "torn" in passes(4)[-2:]


@contextmanager
def _reader(site: Site, log: Path) -> Iterator[Callable[[int], list[str]]]:
    """Have a user read in a process of its own; give what waits for more passes and lists all."""
    reader = multiprocessing.get_context("spawn").Process(
        target=_read, args=(str(site.root), log, site.maker.unit(5).obs_id.exposure_id, 4)
    )

    def looks() -> list[str]:
        return log.read_text().split() if log.exists() else []

    def more(number: int) -> list[str]:
        before = len(looks())
        # The pass that is under way may have begun before: it does not count.
        _wait(lambda: len(looks()) > before + number or not reader.is_alive())
        assert reader.is_alive()
        return looks()

    reader.start()
    try:
        yield more
    finally:
        reader.terminate()
        reader.join()


def _read(root: str, log: Path, exposure: int, detectors: int) -> None:
    """Get the flat of each detector through the chain, again and again, and write which set it was.

    The identity of the set is in the bytes. A pass in which it changed is to be made again. After each
    pass the set is looked up in one query, too: that one is never torn.
    """
    from dbb.hooks.butler_calibration import read_validities
    from dbb.model.calibration import in_force as valid

    with log.open("a") as out, Butler.from_config(root, writeable=False) as butler:
        while True:
            found = set()
            for detector in range(detectors):
                try:
                    image = butler.get(
                        "flat", instrument="LSSTCam", detector=detector, exposure=exposure,
                        collections=CHAIN,
                    )  # fmt: skip
                except LookupError:
                    found.add("none")
                else:
                    found.add(str(int(image[0].header["OBSID"].rpartition("_")[2])))
            out.write((min(found) if len(found) == 1 or "none" in found else "again") + "\n")
            whole = list(valid(read_validities(butler, COLLECTION), "2026-11-21T12:00:00"))
            runs = {butler.get_dataset(uuid.UUID(each.dataset_id)).run for each in whole}
            if len(runs) != 1 or len(whole) != detectors:
                out.write("torn\n")
            out.flush()


def _observe(root: str, log: Path, detectors: int) -> None:
    """Look as a user does, one query for all detectors, until ended."""
    from dbb.hooks.butler_calibration import read_validities
    from dbb.model.calibration import in_force as valid

    with log.open("a") as out:
        while True:
            with Butler.from_config(root, writeable=False) as butler:
                found = list(valid(read_validities(butler, COLLECTION), "2026-11-21T12:00:00"))
                runs = {butler.get_dataset(uuid.UUID(each.dataset_id)).run for each in found}
            whole = runs if len(found) == detectors else {*runs, "incomplete"}
            out.write(",".join(sorted(whole)) + "\n")
            out.flush()


def _publish_slowly(root: str, parcel: LandedParcel, folder: Path) -> None:
    """Publish, with a pause between the calls that make a calibration valid."""
    from lsst.daf.butler.registry.sql_registry import SqlRegistry

    for name in ("decertify", "certify"):
        original = getattr(SqlRegistry, name)

        def slow(self: Any, *args: Any, original: Any = original, **options: Any) -> Any:
            (folder / "go").touch()
            result = original(self, *args, **options)
            time.sleep(0.2)
            return result

        setattr(SqlRegistry, name, slow)
    _publish(root, parcel)


def _wait(condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
