"""What the listing of a Butler repository promises: what Butler's own query interface says."""

from __future__ import annotations

import uuid
from collections import defaultdict

import pytest
from lsst.daf.butler import Butler, CollectionType, DatasetRef

from dbb.errors import RepositoryUnavailable
from dbb.hooks import butler_listing
from dbb.hooks.butler_listing import ButlerListing
from dbb.model.fingerprint import Fingerprint, fingerprint_of, image_ids
from support.butler_site import Site
from support.raw_bundles import DAY, RUN

NIGHT = DAY.value


class ListingConformance:
    """Compare the listing with the query interface; subclasses give ``site``."""

    @pytest.fixture
    def bundles(self, site: Site):
        found = [site.maker.make(number) for number in (1, 2, 3, 4)]
        assert site.repository.ingest(found) == {}
        return found

    @pytest.fixture
    def listing(self, site: Site) -> ButlerListing:
        return ButlerListing(str(site.root), lambda each: f"{each}/raw/all")

    def test_the_sums_are_those_of_the_manifests(self, listing, bundles):
        expected = {
            (each.manifest.unit.obs_id.exposure_id, each.url): fingerprint_of(each.manifest)
            for each in bundles
        }
        assert listing.served("LSSTCam", NIGHT) == expected

    def test_every_answer_is_that_of_the_query_interface(self, site, listing, bundles):
        told = defaultdict(set)
        with site.butler() as butler:
            for ref in _refs(butler):
                file = str(butler.getURI(ref)).partition("#")[0]
                told[int(ref.dataId["exposure"]), file].add(ref.id.bytes)
        assert listing.served("LSSTCam", NIGHT) == {
            key: Fingerprint.of(ids) for key, ids in told.items()
        }
        exposures = [each.manifest.unit.obs_id.exposure_id for each in bundles[:2]]
        found = defaultdict(set)
        for each in listing.datasets("LSSTCam", exposures):
            found[each.exposure, each.file].add(each.dataset_id)
        assert found == {key: ids for key, ids in told.items() if key[0] in exposures}
        keys = [key for ids in told.values() for key in ids]
        places = {key: file for (_, file), ids in told.items() for key in ids}
        assert listing.places([*keys, uuid.uuid4().bytes]) == places

    def test_other_nights_instruments_and_collections_are_left_out(self, site, listing, bundles):
        assert listing.served("LSSTCam", DAY.next().value) == {}
        assert listing.served("LATISS", NIGHT) == {}
        with site.butler(writeable=True) as butler:
            butler.collections.register("u/somebody", CollectionType.TAGGED)
            butler.registry.associate("u/somebody", _refs(butler))
        assert len(listing.served("LSSTCam", NIGHT)) == len(bundles)

    def test_what_is_purged_is_gone_and_what_is_unstored_has_no_file(self, site, listing, bundles):
        first, second = image_ids(bundles[0].manifest)[:2]
        url = bundles[0].url
        exposure = bundles[0].manifest.unit.obs_id.exposure_id
        with site.butler(writeable=True) as butler:
            refs = {ref.id.bytes: ref for ref in _refs(butler)}
            butler.pruneDatasets([refs[first]], purge=True, unstore=True, disassociate=True)
            butler.pruneDatasets([refs[second]], disassociate=False, unstore=True)
        rest = image_ids(bundles[0].manifest)[2:]
        served = listing.served("LSSTCam", NIGHT)
        assert served[exposure, url] == Fingerprint.of(rest)
        assert served[exposure, ""] == Fingerprint.of([second])
        assert listing.places([first, second]) == {second: ""}

    def test_trashed_datasets_have_no_file_before_the_trash_is_emptied(
        self, site, listing, bundles
    ):
        with site.butler(writeable=True) as butler:
            (ref,) = [
                ref for ref in _refs(butler) if ref.id.bytes == image_ids(bundles[0].manifest)[0]
            ]
            butler._datastore.trash(ref)
        assert listing.places([ref.id.bytes]) == {ref.id.bytes: ""}

    def test_an_empty_repository_serves_nothing(self, listing):
        assert listing.served("LSSTCam", NIGHT) == {}
        assert list(listing.datasets("LSSTCam", [1])) == []
        assert listing.places([uuid.uuid4().bytes]) == {}

    def test_a_repository_that_is_not_there_is_unavailable(self, tmp_path):
        with pytest.raises(RepositoryUnavailable):
            ButlerListing(str(tmp_path / "nowhere"), str).served("LSSTCam", NIGHT)

    def test_a_listing_that_sums_wrongly_is_caught(self, site, listing, bundles, monkeypatch):
        monkeypatch.setattr(butler_listing, "NAMES", ("raw",))  # without guiders
        with pytest.raises(AssertionError):
            self.test_every_answer_is_that_of_the_query_interface(site, listing, bundles)


def _refs(butler: Butler) -> list[DatasetRef]:
    found = []
    for name in ("raw", "guider_raw"):
        found += butler.query_datasets(name, collections=RUN, limit=None, explain=False)
    return found
