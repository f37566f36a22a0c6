"""Rebuilding the ledger from what it describes: the stores, and the manifests that lie beside every bundle.

Nothing else is needed: a manifest says what its unit is made of, the bundle's own headers give the exposure's
facts, and every copy is believed only when it was read. The steps that follow are those of any night: the
expectations judge, Rucio and Butler know already what they are told, and *published* is said last.

What stands only in the ledger is gone with it: the history, the refusals, who decided what.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dbb.errors import BadManifest, Damaged, DbbError, MissingCopy
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import verify_cargo
from dbb.flows.manifests import spokesman
from dbb.flows.refusing import refuse_unit
from dbb.model import manifest as raw
from dbb.model import parcel as parcels
from dbb.model.delivery import State
from dbb.model.exposure import CANARY_INSTRUMENT, ExposureFacts
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

REBUILT = "the ledger is rebuilt"
"""Reason of deliveries that nobody has looked at since."""

_LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""When a rebuilt unit's files last changed: files at the source are newer, hence read before they go."""


@dataclass
class Rebuilt:
    """Say what a rebuilding found.

    Parameters
    ----------
    units
        Units that the ledger did not know.
    copies
        Copies that were read and are right.
    bad
        Copies that are not, with the reason.
    unreadable
        Manifests that cannot be used, with the reason.
    """

    units: list[str] = field(default_factory=list)
    copies: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def rebuild_ledger(
    backbone: Backbone, endpoints: Sequence[str], first_day: int = 0, last_day: int = 99991231
) -> Rebuilt:
    """Bring units that the ledger does not know back from the stores of endpoints; the known stay as they are.

    A run that is killed is simply run again.

    Parameters
    ----------
    backbone
        The ports.
    endpoints
        Where to look, the archive first.
    first_day, last_day
        The nights that are looked at; all where they are left out.
    """
    rebuilt = Rebuilt()
    seen: set[str] = set()
    days = (first_day, last_day)
    for endpoint in endpoints:
        for kind in Kind:
            for name, document in _documents(backbone, endpoint, kind, rebuilt, days):
                unit = str(document.unit)
                seen.add(unit)
                try:
                    _take(backbone, document, endpoint, rebuilt)
                except DbbError as error:
                    rebuilt.unreadable[f"{endpoint}:{name}"] = str(error)
                    log.warning(
                        "action=rebuild unit=%s endpoint=%s reason=%s", unit, endpoint, error
                    )
    for unit, row in sorted(backbone.ledger.units(sorted(seen)).items()):
        _expect_elsewhere(backbone, row)
        if row.kind == Kind.RAW:
            _look_at_source(backbone, unit, row)
    log.info(
        "action=rebuild units=%d copies=%d bad=%d unreadable=%d",
        len(rebuilt.units), rebuilt.copies, len(rebuilt.bad), len(rebuilt.unreadable),
    )  # fmt: skip
    return rebuilt


def _documents(
    backbone: Backbone, endpoint: str, kind: Kind, rebuilt: Rebuilt, days: tuple[int, int]
) -> Iterator[tuple[str, Manifest | Parcel]]:
    is_raw = kind is Kind.RAW
    ending = ".manifest.json" if is_raw else ".parcel.json"
    store = backbone.store(endpoint)
    for file in store.list_files(f"{kind.scope}/"):
        if not file.name.endswith(ending) or not is_of_days(file.name, days):
            continue
        limit = raw.MAX_BYTES if is_raw else parcels.MAX_BYTES
        try:
            with store.open(file.name, cold=True) as stream:
                data = stream.read(limit + 1)
            document = Manifest.parse(data, file.name) if is_raw else Parcel.parse(data, file.name)
        except (BadManifest, MissingCopy) as error:
            rebuilt.unreadable[f"{endpoint}:{file.name}"] = str(error)
        else:
            yield file.name, document


def is_of_days(name: str, days: tuple[int, int]) -> bool:
    """Say whether a stored file is of some nights, or of none that its name tells; a canary's is no data."""
    if name.startswith(f"{Kind.RAW.scope}/{CANARY_INSTRUMENT}/"):
        return False
    found = re.search(r"/(\d{8})/", name)
    return found is None or days[0] <= int(found[1]) <= days[1]


def _take(backbone: Backbone, document: Manifest | Parcel, endpoint: str, rebuilt: Rebuilt) -> None:
    unit = str(document.unit)
    ledger = backbone.ledger
    known = ledger.units([unit]).get(unit)
    if known is not None and known.manifest_sha256 not in ("", document.sha256):
        rebuilt.bad[f"{endpoint}:{unit}"] = "its manifest is another one"
        return
    if known is None or not known.manifest_sha256:
        _seal(backbone, document, endpoint)
        rebuilt.units.append(unit)
    if (unit, endpoint) not in ledger.deliveries([unit]):
        ledger.expect([unit], endpoint, f"found in the store, {REBUILT}")
    _believe(backbone, unit, endpoint, rebuilt)


def _seal(backbone: Backbone, document: Manifest | Parcel, endpoint: str) -> None:
    if isinstance(document, Parcel):
        backbone.ledger.seal_parcel(document)
        return
    unit = document.unit
    backbone.ledger.note_units(
        [
            UnitRow(
                unit=str(unit),
                kind=str(Kind.RAW),
                instrument=unit.instrument,
                day_obs=unit.obs_id.day_obs.value,
                obs_id=str(unit.obs_id),
                part=unit.part,
                expected=len(document.images) + len(document.missing),
                arrived=len(document.images),
                missing=document.missing,
                changed_at=_LONG_AGO,
            )
        ]
    )
    backbone.ledger.seal_unit(str(unit), document, read_facts(backbone, document, endpoint))


def read_facts(backbone: Backbone, manifest: Manifest, endpoint: str) -> ExposureFacts:
    """Translate the header of the image that spoke for the exposure when it was bundled."""
    entry, detector = spokesman(backbone, manifest)
    name = f"{manifest.scope}/{manifest.unit.bundle_name}"
    store = backbone.store(endpoint)
    try:
        with store.open(name) as stream, zipfile.ZipFile(stream) as bundle:
            data = bundle.read(entry.name)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise BadManifest.for_field(name, f"its bundle cannot be read: {error}") from None
    image = backbone.inspector.inspect_image(entry.name, data, manifest.unit, detector)
    return backbone.inspector.translate(entry.name, image.header, manifest.unit)


def _believe(backbone: Backbone, unit: str, endpoint: str, rebuilt: Rebuilt) -> None:
    """Read a copy that nobody has read since the ledger burnt; what goes on from here is any night's way."""
    ledger = backbone.ledger
    delivery = ledger.deliveries([unit])[unit, endpoint]
    if delivery.state not in (State.EXPECTED, State.ARRIVED):
        return
    row = ledger.units([unit])[unit]
    ledger.advance([unit], endpoint, State.EXPECTED, State.ARRIVED, "lies in the store")
    try:
        verify_cargo(backbone, row, endpoint)
    except Damaged as error:
        rebuilt.bad[f"{endpoint}:{unit}"] = str(error)
        refuse_unit(backbone, unit, row.day_obs, endpoint, error)
        state = State.MISSING if isinstance(error, MissingCopy) else State.SUSPECT
        ledger.advance([unit], endpoint, State.ARRIVED, state, error.message)
    else:
        rebuilt.copies += 1
        ledger.advance([unit], endpoint, State.ARRIVED, State.VERIFIED, f"read, {REBUILT}")


def _expect_elsewhere(backbone: Backbone, row: UnitRow) -> None:
    """Say what is missing at the archive."""
    archive, units = backbone.policy.archive, [row.unit]
    backbone.ledger.expect(units, archive, REBUILT)
    known = backbone.ledger.deliveries(units)[row.unit, archive]
    if known.state is State.EXPECTED and known.reason == REBUILT:
        why = "it is not in the store"
        backbone.ledger.advance(units, archive, State.EXPECTED, State.MISSING, why)


def _look_at_source(backbone: Backbone, unit: str, row: UnitRow) -> None:
    """Say whether the source still has the files of a unit that it was not known to have."""
    ledger, source = backbone.ledger, backbone.policy.source
    ledger.expect([unit], source, REBUILT)
    known = ledger.deliveries([unit])[unit, source]
    if known.reason != REBUILT or known.state not in (State.EXPECTED, State.ARRIVED):
        return
    folder = f"{row.instrument}/{row.day_obs}/{row.obs_id}/"
    if next(iter(backbone.source.list_files(folder)), None) is None:
        ledger.advance([unit], source, State.EXPECTED, State.RELEASED, "no file is left there")
        return
    ledger.advance([unit], source, State.EXPECTED, State.ARRIVED, REBUILT)
    reason = "its bundle was found; the files are compared before they go"
    ledger.advance([unit], source, State.ARRIVED, State.VERIFIED, reason)
