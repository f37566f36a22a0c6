"""Who shall have a unit: what policies ask about it, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_document
from dbb.model.exposure import ExposureFacts
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel
from dbb.model.policy import Traits
from dbb.ports.ledger import UnitRow


def traits_of(backbone: Backbone, rows: Iterable[UnitRow]) -> dict[str, Traits]:
    """Gather what policies ask about sealed units.

    An exposure's come from its facts in the ledger, a parcel's from its manifest at the archive.

    Raises
    ------
    MissingCopy, DigestMismatch
        If the manifest of a parcel is gone or damaged at the archive.
    """
    rows = list(rows)
    facts = backbone.ledger.facts_of([row.unit for row in rows if row.kind == Kind.RAW])
    looks = any(policy.what.region for policy in backbone.policies.of_kind(Kind.RAW))
    regions = _regions_of(backbone, facts) if looks else {}
    found = {}
    for row in rows:
        if row.kind == Kind.RAW:
            found[row.unit] = _of_exposure(facts[row.unit], regions.get(row.unit))
        else:
            document = read_document(backbone, row, backbone.policy.archive)
            found[row.unit] = traits_of_parcel(document)
    return found


def _regions_of(
    backbone: Backbone, facts: Mapping[str, ExposureFacts]
) -> dict[str, frozenset[str] | None]:
    """Say which regions exposures touch; the geometry is done once for each, and kept."""
    version = backbone.sky.version
    known = backbone.ledger.regions_of(list(facts), version)
    new = {
        unit: backbone.sky.regions_touched(each)
        for unit, each in facts.items()
        if unit not in known
    }
    backbone.ledger.note_regions(new, version)
    return known | new


def _of_exposure(facts: ExposureFacts, regions: frozenset[str] | None) -> Traits:
    return Traits(
        kind=Kind.RAW,
        instrument=facts.instrument,
        program=facts.science_program,
        day_obs=facts.day_obs,
        regions=regions,
    )


def traits_of_parcel(document: Manifest | Parcel) -> Traits:
    """Gather what policies ask about a parcel."""
    if isinstance(document, Manifest):
        raise TypeError(document.unit)  # its row would say that it is raw
    return Traits(
        kind=document.kind,
        instrument=document.instrument,
        program=document.program,
        day_obs=document.day_obs,
        tracts=document.tracts,
    )
