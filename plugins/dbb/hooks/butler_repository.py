"""One Butler repository, as the flows see it: whole bundles in, or the reason why not."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lsst.daf.butler import Butler
from sqlalchemy.exc import InterfaceError, OperationalError

from dbb.errors import IngestRefused, RepositoryUnavailable
from dbb.hooks import butler_calibration, butler_parcel
from dbb.hooks.butler_batch import REFUSALS, Batch, ingest_batch, is_outage, suspects_of
from dbb.hooks.butler_checks import check_bundle
from dbb.hooks.butler_contents import (
    Contents,
    Place,
    find_refs,
    find_whole,
    read_contents,
    registered_instruments,
)
from dbb.hooks.butler_files import find_missing
from dbb.hooks.certificates import BUTLER_CA, made_clear
from dbb.model.calibration import Validity
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel
from dbb.ports.repository import LandedBundle, LandedParcel

log = logging.getLogger(__name__)


class ButlerRepository:
    """Ingest bundles in place, by URL, and say which are there.

    A Butler is opened for each call and closed after it: its connections survive neither a fork
    nor use by two threads.

    Parameters
    ----------
    root
        The folder or URL of ``butler.yaml``.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def ingest(self, bundles: Sequence[LandedBundle]) -> dict[str, Exception]:
        """Insert dimension records, then ingest every bundle whole, in one call where all is well.

        A bundle that does not fit is found by looking, without an ingest call. One that only Butler
        itself finds fault with costs one or two more calls, where its words or the database name
        the bundle; where nothing does, the batch is halved until it is found.

        Returns
        -------
        dict
            By unit name, the ``IngestRefused`` of each bundle that is not in; the others are.

        Raises
        ------
        RepositoryUnavailable
            If the registry does not answer. Nothing or whole exposures are in then.
        StoreUnavailable
            If a store does not say whether it has the bundles. The same holds then.
        """
        if not bundles:
            return {}
        by_unit = {str(bundle.manifest.unit): bundle for bundle in bundles}
        with self._open(writeable=True) as butler:
            work = _Work(butler)
            # In one order everywhere: two writers then wait for each other and never deadlock.
            work.ingest([by_unit[unit] for unit in sorted(by_unit)])
        return work.refused

    def find_ingested(self, manifests: Sequence[Manifest]) -> set[str]:
        """Name the units all of whose datasets the registry has, and the datastore too."""
        if not manifests:
            return set()
        with self._open(writeable=False) as butler:
            refs = find_refs(butler, manifests, registered_instruments(butler))
            return find_whole(butler, manifests, refs)

    def ingest_parcels(self, parcels: Sequence[LandedParcel]) -> dict[str, Exception]:
        """Insert dimension records, then ingest the datasets of parcels, each whole or not at all.

        Raises
        ------
        RepositoryUnavailable
            If the registry does not answer. Whole parcels are in then, and no part of one.
        """
        with self._open(writeable=True) as butler:
            return butler_parcel.ingest_parcels(butler, parcels)

    def withdraw(self, documents: Sequence[Manifest | Parcel]) -> None:
        """Take the datasets of units out of the registry; the files stay where they are."""
        if documents:
            with self._open(writeable=True) as butler:
                butler_parcel.withdraw(butler, documents)

    def suspend(self, documents: Sequence[Manifest | Parcel]) -> None:
        """Take the datasets of units out of the datastore alone; they are served no more."""
        if documents:
            with self._open(writeable=True) as butler:
                butler_parcel.suspend(butler, documents)

    def memberships(self, documents: Sequence[Manifest | Parcel]) -> dict[str, frozenset[str]]:
        """Name the TAGGED and CALIBRATION collections that datasets of units are in."""
        if not documents:
            return {}
        with self._open(writeable=False) as butler:
            return butler_parcel.memberships(butler, documents)

    def validities(self, collection: str) -> list[Validity]:
        """List the validity ranges of a CALIBRATION collection; none where there is no such one."""
        with self._open(writeable=False) as butler:
            return butler_calibration.read_validities(butler, collection)

    def chain(self, name: str) -> list[str]:
        """List the collections of a CHAINED one, in order; none where there is no such one."""
        with self._open(writeable=False) as butler:
            return butler_calibration.read_chain(butler, name)

    def locate(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Give the URL of each dataset's file; those that are not there are left out."""
        with self._open(writeable=False) as butler:
            return butler_calibration.locate(butler, dataset_ids)

    def decertify(self, collection: str, dataset_ids: Sequence[str]) -> int:
        """Take calibrations out of force in one transaction; the previous ones are again."""
        with self._open(writeable=True) as butler:
            return butler_calibration.decertify(butler, collection, dataset_ids)

    @contextlib.contextmanager
    def _open(self, *, writeable: bool) -> Iterator[Butler]:
        try:
            butler = Butler.from_config(self._root, writeable=writeable)
        except (OSError, OperationalError, InterfaceError) as error:
            failure = RepositoryUnavailable.for_repository(self._root, _first_line(error))
            raise made_clear(failure, error, BUTLER_CA) from error
        try:
            with butler:
                yield butler
        except Exception as error:
            if is_outage(error):
                raise RepositoryUnavailable.for_repository(
                    self._root, _first_line(error)
                ) from error
            raise


@dataclass
class _Work:
    """Hold one call of ``ingest``: the open repository and what it refused so far."""

    butler: Butler
    refused: dict[str, Exception] = field(default_factory=dict)

    def ingest(self, bundles: Sequence[LandedBundle]) -> None:
        batch = self._select(bundles)
        if not batch.bundles:
            return
        try:
            ingest_batch(self.butler, batch)
        except REFUSALS as error:
            if is_outage(error):
                raise
            self._ingest_without_culprit(batch, error)

    def _ingest_without_culprit(self, failed: Batch, error: Exception) -> None:
        # Somebody else may have written meanwhile: look again before blaming anyone.
        batch = self._select(failed.bundles)
        bundles = list(batch.bundles)
        if batch != failed:
            self.ingest(bundles)
            return
        suspects = suspects_of(self.butler, batch, error)
        if not suspects and len(bundles) > 1:
            log.warning("action=ingest bundles=%d reason=nobody named, halved", len(bundles))
            self.ingest(bundles[: len(bundles) // 2])
            self.ingest(bundles[len(bundles) // 2 :])
            return
        for bundle in suspects or bundles:
            self._refuse(bundle, IngestRefused.for_bundle(bundle.url, _first_line(error)))
        self.ingest([bundle for bundle in bundles if str(bundle.manifest.unit) not in self.refused])

    def _select(self, bundles: Sequence[LandedBundle]) -> Batch:
        """Choose what is to be ingested: not refused, and not there already."""
        if not bundles:
            return Batch([], frozenset())
        contents = read_contents(self.butler, [bundle.manifest for bundle in bundles])
        sound = list(self._without_unsound(bundles, contents))
        if contents.refs:
            manifests = [bundle.manifest for bundle in sound]
            whole = find_whole(self.butler, manifests, contents.refs)
            sound = [bundle for bundle in sound if str(bundle.manifest.unit) not in whole]
        return Batch(
            self._without_missing(sound),
            frozenset(contents.exposures),
            frozenset(contents.visits),
        )

    def _without_unsound(
        self, bundles: Sequence[LandedBundle], contents: Contents
    ) -> Iterator[LandedBundle]:
        taken: set[Place] = set()
        for bundle in bundles:
            try:
                places = check_bundle(bundle, contents, self.butler.dimensions)
            except IngestRefused as error:
                self._refuse(bundle, error)
                continue
            if not taken.isdisjoint(places):
                why = "another bundle of the same call has some of its datasets"
                self._refuse(bundle, IngestRefused.for_bundle(bundle.url, why))
                continue
            taken.update(places)
            yield bundle

    def _without_missing(self, bundles: Sequence[LandedBundle]) -> list[LandedBundle]:
        # Butler itself looks only at a sample of the files.
        missing = find_missing(bundle.url for bundle in bundles)
        for bundle in bundles:
            if bundle.url in missing:
                self._refuse(bundle, IngestRefused.for_bundle(bundle.url, "it is not there"))
        return [bundle for bundle in bundles if bundle.url not in missing]

    def _refuse(self, bundle: LandedBundle, error: IngestRefused) -> None:
        log.warning("action=refuse unit=%s reason=%s", bundle.manifest.unit, error.message)
        self.refused[str(bundle.manifest.unit)] = error


def _first_line(error: Exception) -> str:
    # The database's address may stand in the lines that follow, with SQL and its parameters.
    return str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
