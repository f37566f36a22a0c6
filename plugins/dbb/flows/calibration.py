"""From a complete group of exposures to calibrations that are in force at the archive.

The products travel as a parcel. Its files say into which collection they are certified and from when
on, so that every endpoint that publishes the parcel certifies the same, at the moment of publishing.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dbb.errors import (
    BrokenContract,
    CalibrationProductRefused,
    Damaged,
    DbbError,
    PayloadFailed,
    PayloadOutOfTime,
    UnknownItem,
)
from dbb.flows.backbone import Backbone
from dbb.flows.calibration_filing import file_products
from dbb.flows.calibration_inputs import APPLIED, Inputs
from dbb.flows.parcels import INCOMING, READY, take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.refusing import refuse_unit
from dbb.flows.registration import register_units
from dbb.model.calibration import (
    SUPERSEDED,
    Attempt,
    AttemptState,
    CalibrationGroup,
    Step,
    run_of,
    unit_of,
)
from dbb.model.delivery import State
from dbb.model.payload import Payload, PayloadInput, PayloadOrder, Product

_INPUTS = "inputs"


class Judge(Protocol):
    """Judge what goes into a payload and what comes out."""

    def check_inputs(self, order: PayloadOrder, detectors: Sequence[int]) -> object:
        """Refuse images of which no calibration is made."""

    def check_products(
        self,
        order: PayloadOrder,
        products: Sequence[Product],
        detectors: Sequence[int],
        in_force: Sequence[PayloadInput] = (),
    ) -> object:
        """Refuse calibrations that are not to be put in force."""


@dataclass(frozen=True)
class Workshop:
    """Hold what makes calibrations.

    Parameters
    ----------
    payload, parameters
        What combines the images, and how.
    judge
        Judges inputs and products.
    scratch
        A folder for what is being made; it may be lost at any time.
    """

    payload: Payload
    judge: Judge
    scratch: Path
    parameters: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)


def make_calibrations(
    backbone: Backbone, workshop: Workshop, group_name: str, campaign: str
) -> str:
    """Make the calibrations of a group, and lay them down at the archive; give the attempt's unit.

    It may be called again after a crash: what is done is not done again.

    Raises
    ------
    BrokenContract
        If images, payload or products are refused; what was in force stays in force.
    PayloadOutOfTime
        If the payload does not end in its time. That is over too: nothing begins it again unasked.
    """
    group = group_of(backbone, group_name)
    attempt = _begin(backbone, workshop, group, campaign)
    if _is_laid_down(backbone, attempt):
        return attempt.unit
    folder = workshop.scratch / hashlib.sha256(attempt.unit.encode()).hexdigest()[:16]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    left = folder
    try:
        _make(backbone, workshop, group, attempt, folder)
    except DbbError as error:
        if isinstance(error, BrokenContract | Damaged | PayloadOutOfTime):
            backbone.calibrations.refuse(attempt.unit, error.code, error.message)
            refuse_unit(backbone, attempt.unit, group.day_obs, backbone.policy.archive, error)
        if isinstance(error, PayloadFailed | PayloadOutOfTime):
            left = folder / _INPUTS  # the rest is the program's log, which the error names
        raise
    finally:
        shutil.rmtree(left, ignore_errors=True)
    return attempt.unit


def group_of(backbone: Backbone, name: str) -> CalibrationGroup:
    """Read a group by its name.

    Raises
    ------
    UnknownItem
        If there is none.
    """
    for group in backbone.calibrations.groups():
        if group.name == name:
            return group
    raise UnknownItem.for_name("calibration group", name)


def _begin(
    backbone: Backbone, workshop: Workshop, group: CalibrationGroup, campaign: str
) -> Attempt:
    """Take up the attempt with this payload that is not over, or begin one.

    One that was begun with another payload is given up; what is filed goes its way.
    """
    known = [
        each for each in backbone.calibrations.attempts(group.name) if each.campaign == campaign
    ]
    mine = (workshop.payload.name, workshop.payload.version, dict(workshop.parameters))
    for each in known:
        same = (each.payload, each.version, dict(each.parameters)) == mine
        if same and each.state in (AttemptState.BEGUN, AttemptState.FILED):
            return each
    for each in known:
        if each.state is AttemptState.BEGUN:
            why = f"{workshop.payload.name} {workshop.payload.version} was chosen instead"
            backbone.calibrations.refuse(each.unit, SUPERSEDED, why)
    number = len(known) + 1
    now = backbone.clock.now()
    attempt = Attempt(
        unit=unit_of(group, campaign, number),
        group=group.name,
        campaign=campaign,
        number=number,
        payload=workshop.payload.name,
        version=workshop.payload.version,
        run=run_of(group, campaign, number),
        state=AttemptState.BEGUN,
        accepted=False,
        code="",
        reason="",
        begun_at=now,
        parameters=dict(workshop.parameters),
    )
    backbone.calibrations.note_attempt(attempt)
    backbone.calibrations.note_step(attempt.unit, Step.WAIT, min(group.ended_at, now), now)
    return attempt


def _is_laid_down(backbone: Backbone, attempt: Attempt) -> bool:
    """Say whether the products are ready to be taken, or were taken."""
    if (attempt.unit, backbone.policy.archive) in backbone.ledger.deliveries([attempt.unit]):
        return True
    return backbone.archive.stat(f"{INCOMING}/{attempt.unit}/{READY}") is not None


def _make(
    backbone: Backbone,
    workshop: Workshop,
    group: CalibrationGroup,
    attempt: Attempt,
    folder: Path,
) -> None:
    began = backbone.clock.now()
    copies = folder / _INPUTS
    copies.mkdir()
    inputs = Inputs(backbone, group, copies)
    raws = list(inputs.raws())
    applied = [each for kind in APPLIED[group.kind] for each in inputs.in_force(kind, attempt)]
    before = list(inputs.in_force(str(group.kind), attempt))
    products_folder = folder / "products"
    products_folder.mkdir()
    order = PayloadOrder(
        kind=group.kind,
        instrument=group.instrument,
        physical_filter=group.physical_filter,
        inputs=(*raws, *applied),
        folder=products_folder,
        parameters=dict(workshop.parameters),
    )
    detectors = sorted(inputs.expected)
    workshop.judge.check_inputs(order, detectors)
    gathered = backbone.clock.now()
    backbone.calibrations.note_step(attempt.unit, Step.GATHER, began, gathered)
    products = workshop.payload.run(order)
    workshop.judge.check_products(order, products, detectors, before)
    made = backbone.clock.now()
    backbone.calibrations.note_step(attempt.unit, Step.PROCESS, gathered, made)
    file_products(backbone, group, attempt, order, products, inputs.universe)
    backbone.calibrations.note_step(attempt.unit, Step.INGEST, made, None)


def bring_in(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Take, register and publish what was laid down; from then on it is in force at the archive.

    Raises
    ------
    CalibrationProductRefused
        If the archive's Butler refuses it, for example because the validity overlaps.
    """
    archive = backbone.policy.archive
    take_parcels(backbone, units)
    register_units(backbone, units)
    counts = publish_units(backbone, units, archive)
    now = backbone.clock.now()
    for unit in units:
        delivery = backbone.ledger.deliveries([unit]).get((unit, archive))
        if delivery is not None and delivery.state is State.PUBLISHED:
            backbone.calibrations.note_step(unit, Step.INGEST, now, now)
        elif delivery is None or delivery.state is State.QUARANTINED:
            held = [item for item in backbone.ledger.refusals(unit=unit) if not item.name]
            code = held[-1].code if held else CalibrationProductRefused.code
            reason = held[-1].reason if held else "the archive does not take it"
            backbone.calibrations.refuse(unit, code, reason)
            raise CalibrationProductRefused.for_group(unit, f"{code}: {reason}")
    return counts
