"""An endpoint's Butler repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dbb.model.calibration import Validity
from dbb.model.manifest import Manifest

if TYPE_CHECKING:
    from dbb.model.parcel import Parcel


@dataclass(frozen=True, slots=True)
class LandedBundle:
    """Name a verified bundle at an endpoint: its manifest, and the URL of the zip."""

    manifest: Manifest
    url: str


@dataclass(frozen=True, slots=True)
class LandedParcel:
    """Name a verified parcel at an endpoint: its manifest, and the URL of each file by name.

    Parameters
    ----------
    certify
        Whether calibrations in it are put in force; not those that were withdrawn meanwhile.
    """

    parcel: Parcel
    urls: Mapping[str, str] = field(hash=False)
    certify: bool = True


class Repository(Protocol):
    """Serve datasets to users: one Butler repository."""

    def ingest(self, bundles: Sequence[LandedBundle]) -> dict[str, Exception]:
        """Insert dimension records, then ingest every bundle whole, in as few calls as can be.

        Each exposure appears whole or not at all. Bundles that are there already are no-ops.

        Returns
        -------
        dict
            By unit name, the error of each bundle that Butler refused (``IngestRefused``); the
            others are in. At most two extra ingest calls are spent on one refused
            bundle that the checks, Butler or its database name; an unnamed one is found by halving.
        """

    def find_ingested(self, manifests: Sequence[Manifest]) -> set[str]:
        """Name the units all of whose datasets the repository has."""

    def ingest_parcels(self, parcels: Sequence[LandedParcel]) -> dict[str, Exception]:
        """Insert dimension records, then ingest the datasets of parcels; as ``ingest`` does.

        Each parcel appears whole or not at all. Calibrations are in force from the same moment on:
        a reader sees the old set or the new one.
        """

    def validities(self, collection: str) -> list[Validity]:
        """List the validity ranges of a CALIBRATION collection; none where there is no such one."""

    def chain(self, name: str) -> list[str]:
        """List the collections of a CHAINED one, in order; none where there is no such one."""

    def locate(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Give the URL of each dataset's file; those that are not there are left out."""

    def decertify(self, collection: str, dataset_ids: Sequence[str]) -> int:
        """Take calibrations out of force, at once; the previous ones are in force again.

        The datasets stay in their RUN collection. Gives how many were in force.
        """

    def withdraw(self, documents: Sequence[Manifest | Parcel]) -> None:
        """Take the datasets of units out of the registry; the files stay where they are."""

    def suspend(self, documents: Sequence[Manifest | Parcel]) -> None:
        """Serve the datasets of units no more; who asks for one is told that it is not stored.

        The registry goes on knowing them, with their tags and validity ranges. Ingesting the units
        again serves them again.
        """

    def memberships(self, documents: Sequence[Manifest | Parcel]) -> dict[str, frozenset[str]]:
        """Name, by unit, the TAGGED and CALIBRATION collections that any dataset of it is in.

        Units in none are left out.
        """
