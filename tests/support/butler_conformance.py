"""What a Butler repository must do for the backbone, whichever database is behind it.

A test module subclasses ``RepositoryConformance`` and gives the fixture ``new_site``.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from click.testing import CliRunner
from lsst.daf.butler import CollectionType
from lsst.daf.butler.cli.butler import cli
from lsst.daf.butler.datastores.fileDatastore import FileDatastore
from lsst.daf.butler.direct_butler import DirectButler
from lsst.sphgeom import ConvexPolygon, LonLat

from dbb.errors import IngestRefused, RepositoryUnavailable
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_visits import VISIT_ELEMENTS
from dbb.hooks.visit_regions import Pointing, detector_corners, polygon
from dbb.model.manifest import Manifest
from support.butler_faults import BAD, FAULTS, without_visit
from support.butler_site import IngestCalls, NewSite, Site
from support.raw_bundles import make_facts, make_pixels

GOOD = (1, 2, 4, 5)


class RepositoryConformance:
    """State the contract of ``ports.Repository`` as tests."""

    @pytest.fixture
    def site(self, new_site: NewSite) -> Site:
        """Make one site."""
        return new_site()

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> IngestCalls:
        """Count ingest calls from here on."""
        return IngestCalls(monkeypatch)

    def test_a_suspended_unit_is_not_served_and_keeps_its_tags_until_it_is_served_again(
        self, site: Site
    ) -> None:
        bundle, other = site.maker.make(1), site.maker.make(2)
        assert site.repository.ingest([bundle, other]) == {}
        unit = str(bundle.manifest.unit)
        ids = [entry.ref["id"] for entry in bundle.manifest.images if entry.ref]
        with site.butler(writeable=True) as butler:
            butler.collections.register("u/me/kept", CollectionType.TAGGED)
            butler.registry.associate("u/me/kept", [butler.get_dataset(ids[0])])
        for _ in range(2):
            site.repository.suspend([bundle.manifest])
            assert site.repository.find_ingested([bundle.manifest, other.manifest]) == {
                str(other.manifest.unit)
            }
        with site.butler() as butler:
            ref = butler.get_dataset(ids[0])
            assert not butler.stored(ref)
            with pytest.raises(FileNotFoundError):
                butler.get(ref)
        assert site.repository.memberships([bundle.manifest, other.manifest]) == {
            unit: {"u/me/kept"}
        }
        assert (site.maker.folder / bundle.url.partition(f"{site.maker.folder}/")[2]).exists()
        assert site.repository.ingest([bundle]) == {}
        assert unit in site.repository.find_ingested([bundle.manifest])
        assert site.count(1) == len(ids)
        with site.butler() as butler:
            butler.get(butler.get_dataset(ids[0]))
        assert site.repository.memberships([bundle.manifest]) == {unit: {"u/me/kept"}}

    def test_an_ingested_image_reads_back_pixel_for_pixel(self, site: Site) -> None:
        bundle = site.maker.make(1)
        assert site.repository.ingest([bundle]) == {}
        exposure = bundle.manifest.unit.obs_id.exposure_id
        with site.butler() as butler:
            for detector in site.instrument.detectors:
                data_id = {"instrument": "LSSTCam", "exposure": exposure, "detector": detector.id}
                images = butler.get(detector.dataset_type, data_id)
                expected = make_pixels(exposure * 1000 + detector.id)
                assert np.array_equal(images["SEGMENT10"].data, expected)
                header = butler.get(f"{detector.dataset_type}.metadata", data_id)
                assert header["DETECTOR"] == detector.full_name

    def test_the_artifacts_of_a_bundle_can_be_retrieved(self, site: Site, tmp_path: Path) -> None:
        bundle = site.maker.make(1)
        site.repository.ingest([bundle])
        with site.butler() as butler:
            refs = butler.query_datasets("raw")
            files = butler.retrieveArtifacts(refs, f"{tmp_path}/", transfer="copy")
        digests = {e.digest.sha256 for e in bundle.manifest.images if "guider" not in e.name}
        assert {hashlib.sha256(file.read()).hexdigest() for file in files} == digests

    def test_the_dimension_records_come_with_the_bundle(self, site: Site) -> None:
        site.repository.ingest([site.maker.make(1)])
        with site.butler() as butler:
            (record,) = butler.query_dimension_records("exposure", instrument="LSSTCam")
            (day,) = butler.query_dimension_records("day_obs", instrument="LSSTCam")
        assert record.obs_id == "MC_O_20261121_000001"
        assert record.timespan.begin == Time("2026-11-22T00:01:11", scale="tai")
        assert day.timespan.begin == Time("2026-11-21T12:00:00", scale="tai")

    def test_the_command_line_shows_the_exposure(self, site: Site) -> None:
        site.repository.ingest([site.maker.make(1)])
        options = ["--collections", "LSSTCam/defaults"]
        result = CliRunner().invoke(cli, ["query-datasets", str(site.root), "raw", *options])
        assert result.exit_code == 0, result.output
        assert result.output.count("2026112100001") == 3

    def test_an_address_is_the_one_that_ingest_zip_gives(self, new_site: NewSite) -> None:
        ours, theirs = new_site(), new_site()
        bundle = ours.maker.make(1)
        ours.repository.ingest([bundle])
        with theirs.butler(writeable=True) as butler:
            butler.ingest_zip(bundle.url, transfer="direct", transfer_dimensions=True)
        with ours.butler() as one, theirs.butler() as other:
            for dataset_type in ("raw", "guider_raw"):
                refs = one.query_datasets(dataset_type, with_dimension_records=True)
                assert refs
                for ref in refs:
                    twin = other.find_dataset(dataset_type, ref.dataId, dimension_records=True)
                    assert twin is not None
                    assert (twin.id, twin.run) == (ref.id, ref.run)
                    assert dict(twin.dataId.records) == dict(ref.dataId.records)
                    assert one.getURI(ref) == other.getURI(twin)

    def test_a_repeated_ingest_adds_nothing_and_asks_nothing(
        self, site: Site, calls: IngestCalls
    ) -> None:
        bundles = [site.maker.make(seq_num) for seq_num in GOOD]
        assert site.repository.ingest(bundles) == {}
        assert calls.number == 1
        before = site.count()
        assert site.repository.ingest([*bundles, bundles[0]]) == {}
        assert site.count() == before == 4 * len(GOOD)
        assert calls.number == 1

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_bad_bundle_costs_only_itself(
        self, site: Site, fault: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_bad, words = FAULTS[fault]
        bad = make_bad(site)
        good = [site.maker.make(seq_num) for seq_num in GOOD]
        calls = IngestCalls(monkeypatch)
        refused = site.repository.ingest([*good[:2], bad, *good[2:]])
        assert list(refused) == [str(bad.manifest.unit)]
        with pytest.raises(IngestRefused, match=words):
            raise refused[str(bad.manifest.unit)]
        assert site.count(*GOOD) == 4 * len(GOOD)
        assert calls.number <= 1 + 2

    def test_a_fault_that_nobody_names_is_found_by_halving(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundles = [site.maker.make(seq_num) for seq_num in (*GOOD, BAD)]
        original = DirectButler.ingest

        def fail(butler: DirectButler, *datasets: Any, **kwargs: Any) -> None:
            if any("000003" in str(dataset.path) for dataset in datasets):
                raise ValueError("something is wrong")
            original(butler, *datasets, **kwargs)

        monkeypatch.setattr(DirectButler, "ingest", fail)
        refused = site.repository.ingest(bundles)
        assert list(refused) == [str(site.maker.unit(BAD))]
        assert site.count(*GOOD) == 4 * len(GOOD)
        assert site.count(BAD) == 0

    def test_late_detectors_join_their_exposure(self, site: Site) -> None:
        first = site.maker.make(1, detectors=["R00_S00", "R00_S01"])
        late = site.maker.make(1, part=2, detectors=["R00_S02", "R00_S10"])
        assert site.repository.ingest([first]) == {}
        assert site.repository.ingest([first, late]) == {}
        assert site.count(1) == 4

    def test_only_whole_bundles_count_as_ingested(self, site: Site) -> None:
        whole, half, absent = (site.maker.make(seq_num) for seq_num in (1, 2, 3))
        part = site.maker.make(2, detectors=["R00_S00", "R00_S01"])
        site.repository.ingest([whole, part])
        manifests = [bundle.manifest for bundle in (whole, half, absent)]
        assert site.repository.find_ingested(manifests) == {str(whole.manifest.unit)}

    def test_a_bundle_that_was_unstored_is_not_ingested_and_can_come_back(self, site: Site) -> None:
        bundle = site.maker.make(1)
        site.repository.ingest([bundle])
        with site.butler(writeable=True) as butler:
            refs = butler.query_datasets("raw")
            butler.pruneDatasets(refs, disassociate=False, unstore=True)
        assert site.repository.find_ingested([bundle.manifest]) == set()
        assert site.repository.ingest([bundle]) == {}
        assert site.repository.find_ingested([bundle.manifest]) == {str(bundle.manifest.unit)}

    def test_a_science_exposure_is_a_visit_in_both_systems(self, site: Site) -> None:
        bundle = site.maker.make(1)
        exposure = bundle.manifest.unit.obs_id.exposure_id
        assert site.repository.ingest([bundle]) == {}
        with site.butler() as butler:
            (visit,) = butler.query_dimension_records("visit", instrument="LSSTCam")
            key = {"instrument": "LSSTCam", "visit": exposure}
            where = f"instrument = 'LSSTCam' AND visit = {exposure}"
            systems = butler.query_dimension_records("visit_system_membership", **key)
            regions = butler.query_dimension_records("visit_detector_region", **key)
            refs = butler.query_datasets("raw", where=where, with_dimension_records=True)
        assert (visit.id, visit.name) == (exposure, "MC_O_20261121_000001")
        assert visit.timespan.begin == Time("2026-11-22T00:01:11", scale="tai")
        assert (visit.exposure_time, visit.physical_filter) == (30.0, "r_57")
        assert {record.visit_system for record in systems} == {0, 2}
        assert {record.detector for record in regions} == {0, 1, 2, 3}
        assert {ref.dataId["exposure"] for ref in refs} == {exposure}
        assert len(refs) == 3

    def test_a_place_on_the_sky_leads_to_the_detectors_that_saw_it(self, site: Site) -> None:
        site.repository.ingest([site.maker.make(1), site.maker.make(2)])
        seen = (
            "instrument = 'LSSTCam' AND visit_detector_region.region OVERLAPS POINT({}, {})"
            " AND visit = {}"
        )
        facts = make_facts(site.maker.unit(1))
        assert facts.tracking_ra_deg is not None
        assert facts.tracking_dec_deg is not None
        plane = site.instrument.focal_plane
        assert plane is not None
        there = Pointing(facts.tracking_ra_deg, facts.tracking_dec_deg, facts.sky_angle_deg)
        corners = detector_corners(plane, there)
        with site.butler() as butler:
            for detector in site.instrument.detectors:
                middle = LonLat(polygon(corners[detector.full_name]).getCentroid())
                ra, dec = middle.getLon().asDegrees(), middle.getLat().asDegrees()
                where = seen.format(ra, dec, facts.exposure_id)
                refs = butler.query_datasets(detector.dataset_type, where=where)
                assert [ref.dataId["detector"] for ref in refs] == [detector.id]
            away = seen.format(there.ra_deg, there.dec_deg + 10, facts.exposure_id)
            assert butler.query_datasets("raw", where=away, explain=False) == []
            visits = butler.query_dimension_records(
                "visit",
                where="instrument = 'LSSTCam' AND visit.region OVERLAPS POINT(ra, dec)",
                bind={"ra": ra, "dec": dec},
            )
        assert len(visits) == 2

    def test_a_bias_is_no_visit(self, site: Site) -> None:
        facts = replace(
            make_facts(site.maker.unit(1)),
            observation_type="bias",
            tracking_ra_deg=None,
            tracking_dec_deg=None,
            sky_angle_deg=None,
            can_see_sky=False,
        )
        assert site.repository.ingest([site.maker.make(1, facts=facts)]) == {}
        assert site.count(1) == 4
        assert site.count_records() == dict.fromkeys(VISIT_ELEMENTS, 0)

    def test_repeated_and_late_parts_add_nothing_to_a_visit(self, site: Site) -> None:
        first = site.maker.make(1, detectors=["R00_S00", "R00_S01"])
        late = site.maker.make(1, part=2, detectors=["R00_S02", "R00_S10"])
        together = site.maker.make(2, detectors=["R00_S00"])
        rest = site.maker.make(2, part=2, detectors=["R00_S01"])
        assert site.repository.ingest([first, together, rest]) == {}
        before = site.count_records()
        assert before == dict(zip(VISIT_ELEMENTS, (2, 2, 4, 8), strict=True))
        assert site.repository.ingest([first, late]) == {}
        assert site.repository.ingest([late]) == {}
        assert site.count_records() == before
        assert site.count() == 6

    def test_a_visit_whose_region_somebody_measured_better_stays_as_it_is(self, site: Site) -> None:
        site.repository.ingest([site.maker.make(1, detectors=["R00_S00"])])
        with site.butler(writeable=True) as butler:
            (visit,) = butler.query_dimension_records("visit", instrument="LSSTCam")
            better = ConvexPolygon(list(visit.region.getVertices())[:3])
            fields = {**visit.toDict(), "region": better}
            butler.registry.syncDimensionData("visit", fields, update=True)
        late = site.maker.make(1, part=2, detectors=["R00_S01"])
        assert site.repository.ingest([late]) == {}
        with site.butler() as butler:
            (visit,) = butler.query_dimension_records("visit", instrument="LSSTCam")
        assert visit.region == better

    def test_an_exposure_that_is_there_without_a_visit_gets_it(self, site: Site) -> None:
        site.repository.ingest([without_visit(site.maker.make(1, detectors=["R00_S00"]))])
        assert site.count_records()["visit"] == 0
        late = site.maker.make(1, part=2, detectors=["R00_S01"])
        assert site.repository.ingest([late]) == {}
        assert site.count_records() == dict(zip(VISIT_ELEMENTS, (1, 1, 2, 4), strict=True))

    def test_a_manifest_from_its_bytes_is_as_good(self, site: Site) -> None:
        bundle = site.maker.make(1)
        again = replace(bundle, manifest=Manifest.parse(bundle.manifest.data))
        assert site.repository.ingest([bundle]) == site.repository.ingest([again]) == {}

    def test_two_processes_may_ingest_the_same_bundles_at_once(self, site: Site) -> None:
        bundles = [site.maker.make(seq_num) for seq_num in range(1, 7)]
        context = multiprocessing.get_context("fork")
        barrier, results = context.Barrier(2), context.SimpleQueue()

        def work() -> None:
            barrier.wait(60)
            results.put(sorted(map(str, site.repository.ingest(bundles).items())))

        workers = [context.Process(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        assert [worker.exitcode for worker in workers] == [0, 0]
        assert [results.get(), results.get()] == [[], []]
        assert site.count() == 4 * len(bundles)

    @pytest.mark.parametrize("moment", ["before the datastore's rows", "before the commit"])
    def test_a_kill_in_the_middle_leaves_no_part_of_an_exposure(
        self, site: Site, moment: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundles = [site.maker.make(seq_num) for seq_num in GOOD]
        owner = FileDatastore if moment == "before the datastore's rows" else DirectButler
        original = owner.ingest

        def ingest_and_die(self: Any, *args: Any, **kwargs: Any) -> None:
            if owner is DirectButler:
                original(self, *args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        with monkeypatch.context() as patch:
            patch.setattr(owner, "ingest", ingest_and_die)
            context = multiprocessing.get_context("fork")
            worker = context.Process(target=site.repository.ingest, args=(bundles,))
            worker.start()
            worker.join(120)
        assert worker.exitcode == -signal.SIGKILL
        assert site.count() == 0
        assert site.repository.ingest(bundles) == {}
        assert site.count() == 4 * len(bundles)

    def test_a_repository_that_is_not_there_is_unavailable(self, site: Site) -> None:
        bundle = site.maker.make(1)
        nowhere = ButlerRepository(str(site.root / "nowhere"))
        with pytest.raises(RepositoryUnavailable, match="nowhere"):
            nowhere.ingest([bundle])
        with pytest.raises(RepositoryUnavailable, match="nowhere"):
            nowhere.find_ingested([bundle.manifest])
