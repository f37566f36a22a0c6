"""Who shall have a unit: what policies ask about it, and what they answer."""

from __future__ import annotations

from collections.abc import Iterable

from dbb.flows.backbone import Backbone
from dbb.flows.cargo import read_document
from dbb.model.exposure import ExposureFacts
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel
from dbb.model.policy import Traits
from dbb.ports import UnitRow


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
    found = {}
    for row in rows:
        if row.kind == Kind.RAW:
            found[row.unit] = _of_exposure(backbone, facts[row.unit], looks=looks)
        else:
            document = read_document(backbone, row, backbone.policy.archive)
            found[row.unit] = traits_of_parcel(document)
    return found


def _of_exposure(backbone: Backbone, facts: ExposureFacts, *, looks: bool) -> Traits:
    return Traits(
        kind=Kind.RAW,
        instrument=facts.instrument,
        program=facts.science_program,
        day_obs=facts.day_obs,
        regions=backbone.sky.regions_touched(facts) if looks else None,
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
