"""A Butler repository in memory: whole exposures or nothing, and a count of what it was asked."""

from __future__ import annotations

from collections.abc import Sequence

from dbb.errors import IngestRefused, ValidityOverlap
from dbb.model.calibration import (
    Certification,
    Change,
    Validity,
    certify,
    daily_of,
    order_chain,
    withdraw,
)
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel
from dbb.ports.repository import LandedBundle, LandedParcel
from dbb.ports.store import Store


class MemoryRepository:
    """Serve datasets, each known by its ``DatasetRef`` id.

    Parameters
    ----------
    stores
        Where bundles may lie. With none, nobody looks whether their bytes are there.
    """

    def __init__(self, *stores: Store) -> None:
        self.stores = stores
        self.refused: dict[str, str] = {}
        """By unit, the words in which its bundle will be refused; tests fill it."""
        self.ingest_calls = 0
        self.datasets: dict[str, str] = {}
        """What a reader sees: by dataset id, the URL of its bundle and the member's name."""
        self.ranges: dict[str, list[Validity]] = {}
        self.chains: dict[str, list[str]] = {}
        self.tags: dict[str, set[str]] = {}
        """Dataset ids by TAGGED collection; tests fill it."""

    def ingest(self, bundles: Sequence[LandedBundle]) -> dict[str, Exception]:
        """Insert every bundle whole; give the error of each that is refused, by unit."""
        self.ingest_calls += 1
        errors: dict[str, Exception] = {}
        for bundle in bundles:
            unit = str(bundle.manifest.unit)
            why = self.refused.get(unit) or self._why_not(bundle)
            if why:
                errors[unit] = IngestRefused.for_bundle(bundle.url, why)
                continue
            self.datasets.update(_datasets(bundle))
        return errors

    def find_ingested(self, manifests: Sequence[Manifest]) -> set[str]:
        """Name the units all of whose datasets are here."""
        return {
            str(manifest.unit)
            for manifest in manifests
            if all(entry.ref and entry.ref["id"] in self.datasets for entry in manifest.images)
        }

    def ingest_parcels(self, parcels: Sequence[LandedParcel]) -> dict[str, Exception]:
        """Insert the datasets of every parcel whole; give the error of each that is refused."""
        self.ingest_calls += 1
        errors: dict[str, Exception] = {}
        for landed in parcels:
            unit = landed.parcel.unit
            places = {
                ref["id"]: f"{landed.urls[file.name]}#{number}"
                for file in landed.parcel.files
                for number, ref in enumerate(file.refs)
            }
            if unit in self.refused:
                errors[unit] = IngestRefused.for_bundle(unit, self.refused[unit])
            elif any(self.datasets.get(key, place) != place for key, place in places.items()):
                errors[unit] = IngestRefused.for_bundle(unit, "a dataset is here from elsewhere")
            else:
                try:
                    self._certify(landed)
                except ValidityOverlap as error:
                    errors[unit] = error
                else:
                    self.datasets.update(places)
        return errors

    def _certify(self, landed: LandedParcel) -> None:
        if not landed.certify:
            return
        for file in landed.parcel.files:
            wanted = Certification.of(file.labels)
            if wanted is None:
                continue
            ranges = [
                Validity(
                    ref["dataset_type"],
                    tuple(sorted((key, str(value)) for key, value in ref["data_id"].items())),
                    wanted.begin_tai.isoformat(),
                    "",
                    ref["id"],
                )
                for ref in file.refs
            ]
            self._change(wanted.collection, certify(self.validities(wanted.collection), ranges))
            daily = daily_of(landed.parcel.instrument)
            self.chains[wanted.chain] = order_chain(
                self.chain(wanted.chain), wanted.collection, daily
            )

    def _change(self, collection: str, change: Change) -> None:
        left = set(self.validities(collection)) - set(change.gone)
        self.ranges[collection] = sorted(left | set(change.new))

    def validities(self, collection: str) -> list[Validity]:
        """List the validity ranges of a collection."""
        return list(self.ranges.get(collection, ()))

    def chain(self, name: str) -> list[str]:
        """List the collections of a chain."""
        return list(self.chains.get(name, ()))

    def locate(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Give the URL of each dataset's file."""
        return {
            each: self.datasets[each].partition("#")[0]
            for each in dataset_ids
            if each in self.datasets
        }

    def decertify(self, collection: str, dataset_ids: Sequence[str]) -> int:
        """Take calibrations out of force."""
        known = self.validities(collection)
        self._change(collection, withdraw(known, dataset_ids))
        return sum(each.dataset_id in dataset_ids for each in known)

    def withdraw(self, documents: Sequence[Manifest | Parcel]) -> None:
        """Take the datasets of units out."""
        for document in documents:
            for key in _dataset_ids(document):
                self.datasets.pop(key, None)

    def suspend(self, documents: Sequence[Manifest | Parcel]) -> None:
        """Serve the datasets of units no more."""
        self.withdraw(documents)

    def memberships(self, documents: Sequence[Manifest | Parcel]) -> dict[str, frozenset[str]]:
        """Name the tags and validity ranges that datasets of units are in."""
        found = {}
        for document in documents:
            keys = set(_dataset_ids(document))
            names = {name for name, members in self.tags.items() if keys & members}
            names |= {
                name
                for name, ranges in self.ranges.items()
                if any(each.dataset_id in keys for each in ranges)
            }
            if names:
                found[str(document.unit)] = frozenset(names)
        return found

    def _why_not(self, bundle: LandedBundle) -> str:
        """Find what is wrong with a bundle; a wrong one changes nothing."""
        if not bundle.manifest.images:
            return "it holds no image"
        for dataset_id, place in _datasets(bundle).items():
            if self.datasets.get(dataset_id, place) != place:
                return f"dataset {dataset_id} is here from {self.datasets[dataset_id]}"
        for store in self.stores:
            if bundle.url.startswith(store.url + "/"):
                found = store.stat(bundle.url.removeprefix(store.url + "/"))
                size_bytes = found.size_bytes if found else None
                expected = bundle.manifest.bundle.size_bytes
                return "" if size_bytes == expected else f"it has {size_bytes} bytes"
        return "no store of the repository has it" if self.stores else ""


def _datasets(bundle: LandedBundle) -> dict[str, str]:
    return {
        entry.ref["id"]: f"{bundle.url}#{entry.name}"
        for entry in bundle.manifest.images
        if entry.ref is not None
    }


def _dataset_ids(document: Manifest | Parcel) -> list[str]:
    if isinstance(document, Manifest):
        return [entry.ref["id"] for entry in document.images if entry.ref is not None]
    return [ref["id"] for file in document.files for ref in file.refs]
