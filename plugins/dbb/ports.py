"""What the flows need of the world: seven ports, each with a fake and a real hook.

Every method may raise the ``Transient`` error of its port when the service does not answer.
Every method that changes something may be called again after a crash with the same effect as once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from dbb.model.calibration import Attempt, CalibrationGroup, Step, Validity
from dbb.model.consdb import ConsdbPublication, Observation
from dbb.model.delivery import Delivery, State
from dbb.model.digest import Digest
from dbb.model.event import Event
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.instrument import Detector
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.names import Did
from dbb.model.quarantine import Decision, Refusal
from dbb.model.sidecar import Sidecars

if TYPE_CHECKING:
    from dbb.model.parcel import Parcel

READ_BYTES = 4 * 1024 * 1024
"""Size of the pieces in which files are read."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Describe a file as a listing shows it: its name below the root, size and time (UTC).

    ``tag`` is what changes when the bytes do, where the store has such a thing (S3's ETag).
    """

    name: str
    size_bytes: int
    modified_at: dt.datetime
    tag: str = ""

    @property
    def stamp(self) -> str:
        """Give what tells this version of the file from others."""
        return f"{self.size_bytes} {self.tag or self.modified_at.isoformat()}"


class Writer(Protocol):
    """Take the bytes of a file that becomes visible when its context ends well."""

    def write(self, data: bytes, /) -> int:
        """Append bytes; return how many."""


class Store(Protocol):
    """Keep files at one endpoint, named by path below its root."""

    @property
    def url(self) -> str:
        """Give the root's URL, without a slash at the end."""

    def url_of(self, name: str) -> str:
        """Give the URL of a file."""

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """List the files below a folder, in the order of their names.

        ``prefix`` ends with ``/`` (or is empty); ``raw/`` never matches ``rawother/``. Files still
        being written and links are not shown. Names come as they are, safe or not.
        """

    def stat(self, name: str) -> StoredFile | None:
        """Describe one file, or None where there is none."""

    def open(self, name: str, *, cold: bool = False) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading (seekable).

        ``cold`` drops it from the page cache first, so that the disk is read and not memory.

        Raises
        ------
        MissingCopy
            If it is not there, or is no regular file.
        """

    def create(self, name: str) -> AbstractContextManager[Writer]:
        """Write a file whole or not at all, replacing one of the same name.

        It is durable and visible under its name when the context ends without an error, and leaves
        nothing behind when it ends with one.
        """

    def move(self, name: str, new_name: str) -> None:
        """Rename a file within the store; no-op when only ``new_name`` is there.

        Raises
        ------
        MissingCopy
            If neither is there.
        """

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; those already gone are no error. Empty folders go too."""

    def sweep_parts(self, older_than: dt.datetime) -> list[str]:
        """Delete what killed writers left behind before a time (aware); give the names."""

    def read_url(self, name: str, valid_s: int) -> str:
        """Give an ``http(s)`` URL with which anybody can read a file until it expires.

        Raises
        ------
        NoReadUrl
            If such a store has none to give, or none for so long.
        MissingCopy
            If the file is not there.
        """


@dataclass(frozen=True, slots=True)
class Image:
    """Hold what the inspector found in one raw file."""

    header: Mapping[str, Any]
    checksums_present: bool


class Inspector(Protocol):
    """Judge raw files."""

    def inspect_image(self, name: str, data: bytes, unit: Unit, detector: Detector) -> Image:
        """Check one FITS file: structure, checksums where present, header identity = name.

        Raises
        ------
        TruncatedFile, UnreadableFits, FitsChecksumMismatch
            If the bytes are damaged.
        IdentityMismatch
            If the header names another exposure or detector.
        """

    def translate(self, name: str, header: Mapping[str, Any], unit: Unit) -> ExposureFacts:
        """Make the exposure's facts of one image's header.

        Raises
        ------
        UntranslatableHeader
            If it cannot be done.
        """


@dataclass(frozen=True)
class BundleIndex:
    """Hold what Butler needs to know of a bundle.

    Parameters
    ----------
    member_name, member_data
        The index file that goes into the bundle.
    refs
        By detector name, the ``ref`` of the manifest's entry.
    universe, records
        As in the manifest.
    """

    member_name: str
    member_data: bytes
    refs: dict[str, dict[str, Any]]
    universe: dict[str, Any]
    records: dict[str, list[dict[str, Any]]]


class Indexer(Protocol):
    """Write Butler's index of a bundle, with no registry at hand."""

    def index(
        self, unit: Unit, facts: ExposureFacts, members: Mapping[str, str], run: str
    ) -> BundleIndex:
        """Describe a bundle whose ``members`` map detector names to names in the zip."""


class ReadSidecars(Protocol):
    """Read what travels beside the files of a batch, or in them."""

    def __call__(self, store: Store, folder: str, names: Iterable[str], kind: Kind, /) -> Sidecars:
        """Read what is told of the files named, below a folder.

        Raises
        ------
        BadDocument
            If a document is not what it should be, or is missing.
        """


class Sky(Protocol):
    """Know the regions of the sky that policies name."""

    @property
    def version(self) -> str:
        """Give the identity of the regions and focal planes: with another one, answers may differ."""

    def regions_touched(self, facts: ExposureFacts) -> frozenset[str] | None:
        """Name the regions that an exposure's detectors touch; None if it sees no sky."""


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """Say what Rucio shall know of one file: its name, identity and free metadata."""

    did: Did
    digest: Digest
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """Say what Rucio shall know of one unit: its files, and the Rucio dataset that holds them.

    Parameters
    ----------
    dataset
        Name of the Rucio dataset.
    files
        What travels, the manifest last.
    kind, instrument, program, labels
        Columns that Rucio's subscriptions match; empty ones are left out.
    """

    dataset: Did
    files: tuple[CatalogFile, ...]
    kind: Kind = Kind.RAW
    instrument: str = ""
    program: str = ""
    labels: str = ""


class RuleState(StrEnum):
    """How far Rucio is with a rule."""

    WAITING = "waiting"
    """Replicating, injecting, or waiting for approval."""
    OK = "ok"
    """Every lock is satisfied."""
    STUCK = "stuck"
    """Rucio tries again by itself, but something is wrong."""
    GONE = "gone"
    """Rucio knows no such rule."""


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """Hold the state of a rule and Rucio's reason."""

    state: RuleState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RuleWish:
    """Say which rule is wanted, for ever: the RSE, what for, and from where.

    Parameters
    ----------
    rse
        Where the copy shall be.
    activity
        Rucio's activity.
    source_rse
        The only RSE to copy from; empty for any.
    """

    rse: str
    activity: str
    source_rse: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """Hold how far Rucio is with one dataset at one RSE, and the rule that wants it there."""

    rule_id: str
    state: RuleState


class Catalog(Protocol):
    """Know replicas and rules: Rucio."""

    def register(self, entries: Sequence[CatalogEntry], rse: str) -> None:
        """Register bundles and manifests at an RSE, attach them to their datasets, close these.

        Raises
        ------
        ConflictingDuplicate
            If Rucio knows a file of that name with other bytes.
        """

    def ensure_rules(self, datasets: Sequence[Did], wish: RuleWish) -> dict[Did, str]:
        """Make sure that a rule brings each Rucio dataset to an RSE; give the rules' ids.

        A rule that a subscription has made is as good as one of ours.
        """

    def locks(self, datasets: Sequence[Did]) -> dict[Did, dict[str, Lock]]:
        """Ask how far Rucio is with datasets, in bulk: by dataset, RSE to lock.

        Only RSEs that a rule wants are listed. A dataset that Rucio does not know has none.
        """

    def rules(self, rule_ids: Sequence[str]) -> dict[str, RuleStatus]:
        """Ask how far rules are."""

    def replicas(self, dids: Sequence[Did]) -> dict[Did, dict[str, str]]:
        """List where files are available: by file, RSE to physical name."""

    def datasets_of(self, did: Did) -> list[Did]:
        """Name the Rucio datasets that hold a file."""

    def hurry(self, rule_ids: Sequence[str]) -> None:
        """Have stuck rules tried again at the next opportunity; rules that are gone are no error."""

    def take_from(self, rule_ids: Sequence[str], source_rse: str) -> None:
        """Have rules copy from another RSE from now on (empty: from any)."""

    def drop_rules(self, rule_ids: Sequence[str]) -> None:
        """End rules at once: Rucio deletes what no other rule wants. Gone ones are no error."""

    def declare_bad(self, dids: Sequence[Did], rse: str, reason: str) -> None:
        """Say that replicas at an RSE are damaged or gone; Rucio fetches them anew by its rules.

        Replicas that are declared already are no error.
        """

    def declare_good(self, dids: Sequence[Did], rse: str) -> None:
        """Say that registered replicas at an RSE were read and are right: they are available."""

    def retire(self, dids: Sequence[Did], rse: str) -> None:
        """Have Rucio delete replicas at an RSE; those that a rule wants, or that are gone, stay as they are."""


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


@dataclass(frozen=True, slots=True)
class UnitRow:
    """Hold one unit as the ledger knows it.

    Parameters
    ----------
    unit, kind, instrument, day_obs, obs_id, part
        What it is; ``obs_id`` is a parcel's name where it is no exposure.
    expected, arrived
        Numbers of detectors; of files, for a parcel.
    missing
        Full names of expected detectors that are not in the bundle (known once it is made).
    changed_at
        When its set of files last grew (UTC).
    manifest_sha256, bundle
        Identity of the manifest and of the bundle, once made; a parcel has no bundle.
    gate
        ``passed``, ``failed`` or empty: what the night's expectations said.
    files, size_bytes
        What travels, the manifest included, once made.
    """

    unit: str
    kind: str
    instrument: str
    day_obs: int
    obs_id: str
    part: int
    expected: int
    arrived: int
    missing: tuple[str, ...]
    changed_at: dt.datetime
    manifest_sha256: str = ""
    bundle: Digest | None = None
    gate: str = ""
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """Hold one step of a delivery's history (``old_state`` is empty for the first)."""

    unit: str
    endpoint: str
    version: int
    at: dt.datetime
    old_state: str
    new_state: State
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """Hold the outcome of an expectation suite over a night's exposure records.

    ``detail`` is JSON: for each expectation its name, the column and the units that fail it.
    """

    day_obs: int
    instrument: str
    suite: str
    at: dt.datetime
    exposures: int
    failed: int
    detail: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Hold the newest word on something that is not asked anew for each reader.

    ``document`` is JSON.
    """

    name: str
    at: dt.datetime
    document: str


class Ledger(Protocol):
    """Remember how far everything is: the tables of schema ``dbb``."""

    def note_units(self, rows: Sequence[UnitRow]) -> None:
        """Insert units, or update what changes while files arrive (never the identity)."""

    def units(self, names: Sequence[str]) -> dict[str, UnitRow]:
        """Read units by name; unknown ones are left out."""

    def units_of_night(self, instrument: str, day_obs: int) -> list[UnitRow]:
        """Read the units of a night, in the order of their names."""

    def seal_unit(self, unit: str, manifest: Manifest, facts: ExposureFacts) -> None:
        """Record the bundle's and manifest's identity, the missing detectors and the facts.

        Raises
        ------
        ConflictingDuplicate
            If the unit is sealed already with another manifest.
        """

    def seal_parcel(self, parcel: Parcel) -> None:
        """Insert the unit of a parcel, which is complete from the beginning; again is a no-op.

        Raises
        ------
        ConflictingDuplicate
            If the unit exists with another manifest and a copy of it was verified.
        """

    def set_gate(self, verdicts: Mapping[str, bool | None]) -> None:
        """Record what the night's expectations said of units; None has them judged again."""

    def facts_of(self, units: Sequence[str]) -> dict[str, ExposureFacts]:
        """Read the exposure facts of units."""

    def regions_of(self, units: Sequence[str], version: str) -> dict[str, frozenset[str] | None]:
        """Read which regions of the sky units touch, as far as it is kept for a version."""

    def note_regions(self, found: Mapping[str, frozenset[str] | None], version: str) -> None:
        """Keep which regions of the sky units touch."""

    def observed(self, units: Sequence[str]) -> dict[str, str]:
        """Read of which manifests the observing metadata of units were made."""

    def observe(self, observations: Sequence[Observation], reason: str = "") -> ConsdbPublication:
        """Publish observing metadata in one transaction; what is there already is a no-op."""

    def deliveries(self, units: Sequence[str]) -> dict[tuple[str, str], Delivery]:
        """Read deliveries by unit and endpoint."""

    def deliveries_of_night(self, day_obs: int) -> list[Delivery]:
        """Read the deliveries of a night's units, in no order."""

    def expect(self, units: Sequence[str], endpoint: str, reason: str) -> None:
        """Open deliveries in state ``expected``; those that exist stay as they are."""

    def advance(
        self, units: Sequence[str], endpoint: str, old: State, new: State, reason: str
    ) -> set[str]:
        """Move deliveries that are in ``old`` to ``new``, each with one event; name those moved.

        ``verified`` also records the time of the reading.

        Raises
        ------
        ForbiddenTransition
            If no delivery may go that way.
        """

    def days_of_kind(self, kind: Kind) -> list[int]:
        """List the days of which there are sealed units of a kind."""

    def units_of_kind(self, kind: Kind, day_obs: int) -> list[UnitRow]:
        """Read the sealed units of a kind and day, in the order of their names."""

    def count_published(self, endpoint: str) -> tuple[int, int]:
        """Count the units that an endpoint serves, and their bytes."""

    def open_deliveries(self, endpoint: str) -> list[Delivery]:
        """Read the deliveries that an endpoint still has to do something for, by unit's name.

        They are those expected, arrived, verified, registered, missing or suspect, of units whose
        manifest exists.
        """

    def note_waiting(self, reasons: Mapping[str, str], endpoint: str) -> None:
        """Record why deliveries wait; the time of the first such reason is kept until they move."""

    def note_read(self, units: Sequence[str], endpoint: str) -> None:
        """Record that published copies were read again and are right."""

    def set_rules(self, rules: Mapping[str, str | None], endpoint: str) -> None:
        """Record the rule that brings each unit to an endpoint; None where it was ended."""

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Put rows into quarantine; those held or rejected already stay as they are.

        A row that was released or superseded, and is refused again, is held again.
        """

    def refusals(
        self,
        *,
        day_obs: int | None = None,
        unit: str | None = None,
        decision: Decision | None = Decision.HELD,
    ) -> list[Refusal]:
        """Read quarantine rows, oldest first."""

    def decide(self, refusal_ids: Sequence[str], decision: Decision, by: str) -> int:
        """Record a decision on rows that are held; give their number."""

    def note_expectations(
        self, day_obs: int, instrument: str, suite: str, exposures: int, failed: int, detail: str
    ) -> None:
        """Store the outcome of an expectation suite."""

    def expectations(self, day_obs: int) -> list[ExpectationResult]:
        """Read the outcomes of a night's expectation suites, newest first."""

    def note(self, name: str, document: str, every_s: float = 0.0) -> None:
        """Keep the newest word on something; one that is younger than ``every_s`` stays."""

    def noted(self, names: Sequence[str]) -> dict[str, Noted]:
        """Read the newest words on things; what nobody noted is left out."""

    def events(self, unit: str) -> list[DeliveryEvent]:
        """Read the history of a unit, in order."""


class Inbox(Protocol):
    """Keep events."""

    def store(self, events: Sequence[Event]) -> int:
        """Keep events durably; those that came before are left out. Give the number of new ones."""

    def fresh(self, rse: str, most: int) -> list[Event]:
        """Read the events of an RSE that nobody has dealt with, oldest first."""

    def newest(self, rse: str) -> tuple[int, dt.datetime | None]:
        """Say how many events of an RSE nobody has dealt with, and when the last one came."""

    def settle(self, event_ids: Sequence[str]) -> None:
        """Say that events are dealt with."""

    def replay(self, event_ids: Sequence[str]) -> int:
        """Have events looked at again; give their number. A poison one has nothing to look at."""

    def prune(self, before: dt.datetime) -> int:
        """Forget events that were dealt with before a time; give their number."""

    def find(self, state: str, rse: str, most: int) -> list[Event]:
        """List events, newest first; an empty ``state`` or ``rse`` is any."""


class Clock(Protocol):
    """Tell the time."""

    def now(self) -> dt.datetime:
        """Give the time, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class ProductRow:
    """Hold one calibration that an attempt made, and what it was made of.

    Parameters
    ----------
    dataset_id, detector, name, sha256
        Which file it is.
    inputs
        UUID, sha256 and kind of each image and calibration that went in.
    """

    dataset_id: str
    detector: int
    name: str
    sha256: str
    inputs: tuple[tuple[str, str, str], ...]


class Calibrations(Protocol):
    """Remember calibration groups, what was made of them, and what is in force."""

    def note_group(self, group: CalibrationGroup) -> None:
        """Insert a group; one that is known stays as it is."""

    def groups(self, day_obs: int = 0) -> list[CalibrationGroup]:
        """Read the groups of a day; 0 is any day."""

    def note_attempt(self, attempt: Attempt) -> None:
        """Insert an attempt; one that is known stays as it is."""

    def attempts(self, group: str = "", unit: str = "") -> list[Attempt]:
        """Read attempts of a group, or one by its unit, oldest first; empty words are any."""

    def open_groups(self, since: int) -> list[CalibrationGroup]:
        """Read the groups since a night of which no attempt is over, the first that ended first."""

    def note_late(self, unit: str, reason: str) -> None:
        """Put on an attempt's history that it is late, and with which step."""

    def file(self, unit: str, products: Sequence[ProductRow]) -> None:
        """Record an attempt's products, and that they are filed."""

    def accept(self, unit: str) -> bool:
        """Say that an attempt is the one of its group and campaign; False if another one is."""

    def refuse(self, unit: str, code: str, reason: str) -> None:
        """Record why an attempt was refused."""

    def withdraw(self, unit: str, reason: str) -> None:
        """Record that an attempt is out of force; the history names who said so."""

    def withdrawn(self, units: Sequence[str]) -> set[str]:
        """Name those attempts that are out of force."""

    def note_step(
        self, unit: str, step: Step, began: dt.datetime, ended: dt.datetime | None
    ) -> None:
        """Record when a step began and ended; the first begin and the first end stay."""

    def steps(self, unit: str) -> dict[Step, tuple[dt.datetime, dt.datetime | None]]:
        """Read the steps of an attempt."""

    def products(self, unit: str) -> list[ProductRow]:
        """Read an attempt's products with their inputs."""

    def digests(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Give the sha256 of products; unknown ones are left out."""

    def units_of_product(self, dataset_id: str) -> set[str]:
        """Name the attempt that made a product."""

    def products_of_input(self, input_id: str) -> list[tuple[str, str, str]]:
        """Name the products that an image or calibration went into: unit, product and file."""

    def history(self, unit: str) -> list[tuple[dt.datetime, str, str, str]]:
        """Read what happened to an attempt: when, what, why, by whom."""
