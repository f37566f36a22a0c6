"""The steps of healing: each sets one kind of finding right, may be done again, and deletes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from dbb.errors import BrokenContract, Damaged, DarkFile, DbbError, IngestRefused
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, manifest_did, read_document, stored_name, verify_cargo
from dbb.flows.publishing import ingest_cargoes, publish_units
from dbb.flows.refusing import refuse_file, refuse_unit
from dbb.flows.registration import ask_for_copies, entry_of
from dbb.flows.releasing import read_again, release_units
from dbb.flows.repairing import restore_copies
from dbb.flows.verifying import verify_units
from dbb.flows.wanting import traits_of
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.names import Did
from dbb.model.parcel import Parcel
from dbb.model.plan import Line
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

FETCH, REGISTER, ASK = "fetch anew", "register again", "ask for it"
END_RULE, TAKE_AWAY, QUARANTINE = "end rule", "have Rucio delete", "set aside"
WITHDRAW, INGEST = "take out of Butler", "ingest again"
DELIVER, RELEASE = "publish", "release"

ORDER = (
    FETCH, REGISTER, ASK, END_RULE, TAKE_AWAY, QUARANTINE, WITHDRAW, INGEST, DELIVER, RELEASE,
)  # fmt: skip
"""The first that applies to a subject is done; the next plan sees what is left."""

CHANGING = (FETCH, REGISTER, END_RULE, TAKE_AWAY, QUARANTINE, WITHDRAW, INGEST)
"""What replaces or takes something away, and is counted by the brakes."""


def find_document(backbone: Backbone, row: UnitRow, endpoint: str) -> Manifest | Parcel | None:
    """Read a unit's manifest wherever one is right; None where none is."""
    elsewhere = sorted(place for _, place in backbone.ledger.deliveries([row.unit]))
    source = backbone.policy.source
    for place in dict.fromkeys((endpoint, backbone.policy.archive, *elsewhere)):
        if place != source:
            try:
                return read_document(backbone, row, place)
            except (Damaged, BrokenContract):
                continue
    return None


def files_of(backbone: Backbone, row: UnitRow, endpoint: str) -> tuple[Did, ...]:
    """Name the files of a unit; the manifest alone where no manifest can be read."""
    document = find_document(backbone, row, endpoint)
    if document is None:
        return (manifest_did(row),)
    return tuple(file.did for file in Cargo(row, document).files)


def replicas_there(backbone: Backbone, row: UnitRow, endpoint: str) -> list[Did]:
    """List the files of a unit of which Rucio has an available replica at an endpoint."""
    known = backbone.catalog.replicas(files_of(backbone, row, endpoint))
    return sorted(did for did, places in known.items() if backbone.rses[endpoint] in places)


def present_files(backbone: Backbone, row: UnitRow, endpoint: str) -> list[str]:
    """List the files of a unit that lie in an endpoint's store."""
    store = backbone.store(endpoint)
    names = [stored_name(did) for did in files_of(backbone, row, endpoint)]
    return [name for name in names if store.stat(name) is not None]


def is_taken(backbone: Backbone, name: str) -> bool:
    """Say whether Rucio knows a stored file as part of something: then it is not dark."""
    scope, _, rest = name.partition("/")
    if scope not in {kind.scope for kind in Kind}:
        return False
    try:
        return bool(backbone.catalog.datasets_of(Did.parse(f"{scope}:{rest}")))
    except BrokenContract:
        return False  # no name that Rucio could know


def heal(backbone: Backbone, line: Line, order: Sequence[str]) -> int:
    """Do one line of a plan; what fails for one unit is recorded and costs the others nothing.

    Parameters
    ----------
    backbone
        The ports.
    line
        What to do.
    order
        Endpoints that the archive may be restored from.

    Returns
    -------
    int
        For how many units it was done.
    """
    if line.action == QUARANTINE:
        return sum(_set_aside(backbone, line, name) for name in line.names)
    rows = backbone.ledger.units(line.names)
    done = 0
    for name, value in zip(line.names, line.value["of"], strict=True):
        try:
            done += _STEPS[line.action](backbone, rows[name], line.subject, value)
        except (Damaged, BrokenContract) as error:
            refuse_unit(backbone, name, rows[name].day_obs, line.subject, error)
    if line.action == FETCH and line.subject == backbone.policy.archive:
        _restore_archive(
            backbone, rows, dict(zip(line.names, line.value["of"], strict=True)), order
        )
    return done


def _restore_archive(
    backbone: Backbone,
    rows: Mapping[str, UnitRow],
    sources: Mapping[str, str],
    order: Sequence[str],
) -> None:
    """Make the rules that bring copies back to the archive, which has none of its own, at once.

    What has no source that Rucio may copy from is for `repair` to judge.
    """
    known = backbone.ledger.deliveries(list(rows))
    bad = (State.SUSPECT, State.MISSING)
    for source in order:
        mine = [
            rows[unit]
            for unit, place in sorted(sources.items())
            if place == source and known[unit, backbone.policy.archive].state in bad
        ]
        if mine:
            restore_copies(backbone, mine, source)


def _fetch(backbone: Backbone, row: UnitRow, endpoint: str, source: str) -> bool:
    """Take a bad copy out of use, and have Rucio bring it anew: at a receiver its rule does.

    Without a good copy anywhere Butler must not serve it any longer: the registry first.
    """
    if not source:
        _withdraw(backbone, row, endpoint, "")
    readings = list(verify_units(backbone, [row], [endpoint], record=True))
    return any(reading.error is not None for reading in readings)


def _register(backbone: Backbone, row: UnitRow, endpoint: str, _: str) -> bool:
    cargo = verify_cargo(backbone, row, endpoint)
    entry = entry_of(backbone, cargo, traits_of(backbone, [row])[row.unit])
    rse = backbone.rses[endpoint]
    backbone.catalog.register([entry], rse)
    # Registering leaves alone what Rucio knows already, in whatever state.
    backbone.catalog.declare_good([file.did for file in entry.files], rse)
    return True


def _ask(backbone: Backbone, row: UnitRow, endpoint: str, _: str) -> bool:
    return ask_for_copies(backbone, [row.unit], endpoint) > 0


def _end_rule(backbone: Backbone, _row: UnitRow, _endpoint: str, rule_id: str) -> bool:
    backbone.catalog.drop_rules([rule_id])
    return True


def _take_away(backbone: Backbone, row: UnitRow, endpoint: str, _: str) -> bool:
    dids = replicas_there(backbone, row, endpoint)
    backbone.catalog.retire(dids, backbone.rses[endpoint])
    return bool(dids)


def _withdraw(backbone: Backbone, row: UnitRow, endpoint: str, _: str) -> bool:
    document = find_document(backbone, row, endpoint)
    if document is not None:
        backbone.repository(endpoint).withdraw([document])
    return document is not None


def _ingest(backbone: Backbone, row: UnitRow, endpoint: str, _: str) -> bool:
    """Serve a unit from its own file; one that Butler refuses is published no longer."""
    cargo = verify_cargo(backbone, row, endpoint)
    backbone.repository(endpoint).withdraw([cargo.document])
    for cause in ingest_cargoes(backbone, [cargo], endpoint).values():
        error = cause if isinstance(cause, DbbError) else IngestRefused.for_bundle(row.unit, cause)
        refuse_unit(backbone, row.unit, row.day_obs, endpoint, error)
        backbone.ledger.advance([row.unit], endpoint, State.PUBLISHED, State.SUSPECT, error.message)
        return False
    return True


def _deliver(backbone: Backbone, row: UnitRow, endpoint: str, _: str) -> bool:
    return publish_units(backbone, [row.unit], endpoint)["published"] > 0


def _release(backbone: Backbone, row: UnitRow, _endpoint: str, _: str) -> bool:
    receive_arrivals(backbone, DayObs(row.day_obs))
    read_again(backbone, [row.unit])
    return release_units(backbone, [row.unit])["released"] > 0


_STEPS: Mapping[str, Callable[[Backbone, UnitRow, str, str], bool]] = MappingProxyType(
    {
        FETCH: _fetch,
        REGISTER: _register,
        ASK: _ask,
        END_RULE: _end_rule,
        TAKE_AWAY: _take_away,
        WITHDRAW: _withdraw,
        INGEST: _ingest,
        DELIVER: _deliver,
        RELEASE: _release,
    }
)


def _set_aside(backbone: Backbone, line: Line, subject: str) -> int:
    """Move a file that is nobody's, or the files of a unit that is not wanted, with a row for each."""
    endpoint, day_obs = line.subject, int(line.value["day_obs"])
    row = backbone.ledger.units([subject]).get(subject)
    names = [subject] if row is None else present_files(backbone, row, endpoint)
    store = backbone.store(endpoint)
    files = [file for name in names if (file := store.stat(name)) is not None]
    for file in files:
        error = DarkFile.for_file(store.url_of(file.name), line.detail)
        refuse_file(backbone, "" if row is None else row.unit, day_obs, file, error, endpoint)
    return int(bool(files))
