"""Finding the Parquet of a release among what an endpoint has been sent and serves.

Only what is published there counts, and only the manifests say what belongs to a release: a Butler
dataset of the table's dataset type in a run of the release, or a file in a folder ``…/RELEASE/TABLE/``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from dbb.errors import CatalogUnfit
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_document, stored_name, verify_file
from dbb.flows.qserv_views import InputRow
from dbb.model.delivery import State
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.names import Did
from dbb.model.parcel import Parcel, ParcelFile
from dbb.model.qserv import Overlay


@dataclass(frozen=True, slots=True)
class Delivered:
    """Name a Parquet file that is at an endpoint, and the table that it is of."""

    table: str
    did: Did
    digest: Digest
    unit: str = ""
    """The parcel that brought it."""

    @property
    def row(self) -> InputRow:
        """Describe it for the handoff's records."""
        return InputRow(self.table, str(self.did), self.digest.sha256, self.digest.size_bytes)

    @property
    def stored_name(self) -> str:
        """Give its name in the endpoint's store."""
        return stored_name(self.did)


def find_inputs(backbone: Backbone, endpoint: str, overlay: Overlay) -> Iterator[Delivered]:
    """List the published Parquet files of a release, by day and parcel."""
    for kind in (Kind.PRODUCT, Kind.FILE):
        for day in backbone.ledger.days_of_kind(kind):
            rows = backbone.ledger.units_of_kind(kind, day)
            deliveries = backbone.ledger.deliveries([row.unit for row in rows])
            for row in rows:
                delivery = deliveries.get((row.unit, endpoint))
                if delivery is None or delivery.state is not State.PUBLISHED:
                    continue
                parcel = read_document(backbone, row, endpoint)
                if isinstance(parcel, Parcel):
                    yield from _of_parcel(parcel, overlay)


def verify_inputs(
    backbone: Backbone, endpoint: str, found: list[Delivered], tables: set[str]
) -> list[Delivered]:
    """Re-read what is handed over, and compare it with its manifest.

    Parameters
    ----------
    backbone, endpoint
        Where it is.
    found
        All of the release's files.
    tables
        Those that are wanted; empty for all.

    Raises
    ------
    CatalogUnfit
        If there is none, or the same bytes come twice.
    DigestMismatch, MissingCopy
        If a copy is not what its manifest says.
    """
    chosen = [each for each in found if not tables or each.table in tables]
    if not chosen:
        raise CatalogUnfit.for_problems(endpoint, ["no Parquet of the release is published there"])
    seen: dict[tuple[str, str], Delivered] = {}
    repeats = []
    for each in chosen:
        other = seen.setdefault((each.table, each.digest.sha256), each)
        if other is not each:
            repeats.append(f"{each.did} has the bytes of {other.did}")
    if repeats:
        raise CatalogUnfit.for_problems(endpoint, repeats)
    for each in chosen:
        verify_file(backbone, each.did, each.digest, endpoint)
    return chosen


def table_of(file: ParcelFile, overlay: Overlay) -> str:
    """Name the table that a file is of; empty if it is of none."""
    path = PurePosixPath(str(file.name))
    if path.suffix not in (".parq", ".parquet"):
        return ""
    release = overlay.release.lower()
    folders = path.parent.parts
    pairs = {(one.lower(), other) for one, other in itertools.pairwise(folders)}
    for table, rule in overlay.tables.items():
        if (release, table) in pairs:
            return table
        for ref in file.refs:
            is_release = release in str(ref["run"]).lower().split("/")
            if is_release and rule.dataset_type and ref["dataset_type"] == rule.dataset_type:
                return table
    return ""


def _of_parcel(parcel: Parcel, overlay: Overlay) -> Iterator[Delivered]:
    for file in parcel.files:
        if table := table_of(file, overlay):
            yield Delivered(table, Did(parcel.scope, file.name), file.digest, parcel.unit)
