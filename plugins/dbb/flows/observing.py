"""Putting what headers say of exposures into the Consolidated Database, when the archive publishes them.

The rows are made of the ledger's facts and of the header document in the bundle, which never changes:
made again, they are the same, and what is the same is not written.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

from dbb.errors import BadManifest, Damaged, DigestMismatch, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo
from dbb.flows.manifests import images_of, read_manifest, spokesman
from dbb.flows.rebuilding import read_facts
from dbb.model import strict_json
from dbb.model.consdb import ConsdbPublication, Observation, ccdexposures, exposure_record
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.exposure import ExposureFacts
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

AT_ONCE = 100
"""Exposures of one publication when nights are filled."""


def observe_cargoes(backbone: Backbone, cargoes: Sequence[Cargo]) -> ConsdbPublication:
    """Publish the observing metadata of exposures that Butler has just taken."""
    found = [each.document for each in cargoes if isinstance(each.document, Manifest)]
    known = backbone.ledger.observed([str(each.unit) for each in found])
    manifests = [each for each in found if known.get(str(each.unit)) != each.sha256]
    facts = backbone.ledger.facts_of([str(each.unit) for each in manifests])
    made = [_observe(backbone, each, facts[str(each.unit)]) for each in manifests]
    return backbone.ledger.observe(made)


def fill_nights(
    backbone: Backbone, nights: Iterable[DayObs], *, again: bool = False, reason: str = ""
) -> dict[str, int]:
    """Publish the observing metadata of past nights, as far as they are not there.

    Parameters
    ----------
    backbone
        The ports.
    nights
        Which.
    again
        Translate the headers in the archive again, also of exposures that are there: a translation
        that was corrected makes new versions.
    reason
        Why, for the publication.

    Returns
    -------
    dict
        How many exposures' parts were ``read``, how many ``versions`` that made, and how many could
        not be read, hence ``wait``.
    """
    counts = {"read": 0, "versions": 0, "wait": 0}
    for night in nights:
        rows = _of_night(backbone, night, again=again)
        for first in range(0, len(rows), AT_ONCE):
            some = rows[first : first + AT_ONCE]
            facts = backbone.ledger.facts_of([row.unit for row in some])
            made = []
            for row in some:
                try:
                    manifest = read_manifest(backbone, row)
                    told = facts[row.unit]
                    if again:
                        told = read_facts(backbone, manifest, backbone.policy.archive)
                except (Damaged, BadManifest) as error:
                    log.warning("action=observe unit=%s reason=%s", row.unit, error.code)
                    counts["wait"] += 1
                else:
                    made.append(_observe(backbone, manifest, told))
            counts["read"] += len(made)
            counts["versions"] += backbone.ledger.observe(made, reason).versions
    log.info("action=observe %s", " ".join(f"{name}={number}" for name, number in counts.items()))
    return counts


def _of_night(backbone: Backbone, night: DayObs, *, again: bool) -> list[UnitRow]:
    """List the units of a night that the archive publishes; those that are there already only ``again``."""
    rows = {
        row.unit: row
        for instrument in sorted(backbone.instruments)
        for row in backbone.ledger.units_of_night(instrument, night.value)
        if row.kind == Kind.RAW
    }
    archive = backbone.policy.archive
    known = {} if again else backbone.ledger.observed(list(rows))
    return [
        rows[unit]
        for (unit, place), delivery in sorted(backbone.ledger.deliveries(list(rows)).items())
        if place == archive
        and delivery.state is State.PUBLISHED
        and known.get(unit) != rows[unit].manifest_sha256
    ]


def _observe(backbone: Backbone, manifest: Manifest, facts: ExposureFacts) -> Observation:
    detectors = [detector.id for _, detector in images_of(backbone, manifest)]
    header, is_read = ({}, True) if manifest.unit.part > 1 else _read_header(backbone, manifest)
    bands = backbone.instruments[facts.instrument].physical_filters
    record = exposure_record(facts, bands.get(facts.physical_filter), header)
    return Observation(
        unit=str(manifest.unit),
        manifest_sha256=manifest.sha256 if is_read else "",
        record=None if manifest.unit.part > 1 else record,
        detectors=ccdexposures(facts, detectors),
    )


def _read_header(backbone: Backbone, manifest: Manifest) -> tuple[dict[str, Any], bool]:
    """Read the header document beside the image that speaks for the exposure.

    Where the bundle cannot be read now the exposure is there without what only the document says,
    and the next filling of its night reads it.
    """
    entry, _ = spokesman(backbone, manifest)
    member = f"{entry.name.removesuffix('.fits')}.json"
    name = backbone.stored_name(manifest.unit.bundle_name)
    try:
        with backbone.archive.open(name) as stream, zipfile.ZipFile(stream) as bundle:
            data = bundle.read(member) if member in bundle.namelist() else b"{}"
    except (MissingCopy, DigestMismatch, zipfile.BadZipFile, EOFError) as error:
        log.warning("action=observe unit=%s reason=%s", manifest.unit, error)
        return {}, False
    document = strict_json.parse(data, member)
    return (document if isinstance(document, dict) else {}), True
