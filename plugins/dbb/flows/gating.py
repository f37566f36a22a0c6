"""The gate of a night's exposure records: who passes goes on, who fails goes to quarantine."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from dbb.errors import ExpectationFailed
from dbb.flows.backbone import Backbone
from dbb.flows.refusing import refuse_unit
from dbb.model.delivery import State
from dbb.model.exposure import ExposureFacts
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)


def find_ungated(backbone: Backbone, units: Sequence[str]) -> list[tuple[UnitRow, ExposureFacts]]:
    """List the units whose records the expectations have not judged yet, with their facts."""
    archive = backbone.policy.archive
    deliveries = backbone.ledger.deliveries(units)
    rows = [
        row
        for name, row in sorted(backbone.ledger.units(units).items())
        if row.manifest_sha256
        and not row.gate
        and (name, archive) in deliveries
        and deliveries[name, archive].state is State.VERIFIED
    ]
    facts = backbone.ledger.facts_of([row.unit for row in rows])
    return [(row, facts[row.unit]) for row in rows]


def apply_gate(
    backbone: Backbone, units: Sequence[str], failures: Mapping[str, str]
) -> dict[str, int]:
    """Let units pass, except those that failed an expectation.

    Parameters
    ----------
    backbone
        The ports.
    units
        The units that were judged.
    failures
        By unit, the expectations that it fails.

    Returns
    -------
    dict
        How many ``passed`` and were ``refused``.
    """
    rows = backbone.ledger.units(sorted(failures))
    for name, row in rows.items():
        error = ExpectationFailed.for_exposure(row.obs_id, failures[name])
        refuse_unit(backbone, name, row.day_obs, backbone.policy.archive, error)
    refused = sorted(failures)
    backbone.ledger.advance(
        refused,
        backbone.policy.archive,
        State.VERIFIED,
        State.QUARANTINED,
        "an expectation of its exposure record failed",
    )
    backbone.ledger.set_gate({unit: unit not in failures for unit in units})
    log.info("action=gate passed=%d refused=%d", len(units) - len(refused), len(refused))
    return {"passed": len(units) - len(refused), "refused": len(refused)}
