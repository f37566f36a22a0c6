"""Every error of the Data Backbone, in five families that decide what happens next.

::

    DbbError
    ├── Transient            try again later, with back-off
    │   ├── StoreUnavailable        store-unavailable
    │   ├── CatalogUnavailable      catalog-unavailable
    │   ├── RepositoryUnavailable   repository-unavailable
    │   ├── LedgerUnavailable       ledger-unavailable
    │   ├── EfdUnavailable          efd-unavailable
    │   ├── EfdNotExtracted         efd-not-extracted
    │   ├── EfdLatePoints           efd-late-points
    │   ├── AirflowUnavailable      airflow-unavailable
    │   ├── QservUnavailable        qserv-unavailable
    │   └── PayloadInterrupted      payload-interrupted
    ├── Damaged              quarantine this copy, fetch another
    │   ├── MissingCopy             missing-copy
    │   ├── TruncatedFile           truncated-file
    │   ├── UnreadableFits          unreadable-fits
    │   ├── FitsChecksumMismatch    fits-checksum-mismatch
    │   ├── DigestMismatch          digest-mismatch
    │   └── ExportDamaged           export-damaged
    ├── BrokenContract       quarantine, tell upstream
    │   ├── UnsafeName              unsafe-name
    │   ├── UnexpectedFile          unexpected-file
    │   ├── UnknownInstrument       unknown-instrument
    │   ├── BadDocument             bad-document
    │   ├── BadManifest             bad-manifest
    │   ├── IdentityMismatch        identity-mismatch
    │   ├── UntranslatableHeader    untranslatable-header
    │   ├── ConflictingDuplicate    conflicting-duplicate
    │   ├── ExpectationFailed       expectation-failed
    │   ├── PoisonEvent             poison-event
    │   ├── EfdTopicMissing         efd-topic-missing
    │   ├── EfdPointsGone           efd-points-gone
    │   ├── EfdSchemaChanged        efd-schema-changed
    │   ├── EfdClockJump            efd-clock-jump
    │   ├── EfdPointsLost           efd-points-lost
    │   ├── LfaEventUnusable        lfa-event-unusable
    │   ├── LfaNotIngested          lfa-not-ingested
    │   ├── IngestRefused           ingest-refused
    │   ├── CatalogUnfit            catalog-unfit
    │   ├── QservRefused            qserv-refused
    │   ├── LoadRefused             qserv-load-refused
    │   ├── CalibrationInputsRefused   calibration-inputs-refused
    │   ├── CalibrationProductRefused  calibration-product-refused
    │   ├── PayloadFailed           payload-failed
    │   ├── ValidityOverlap         validity-overlap
    │   ├── DarkFile                dark-file
    │   └── EfdValuesRefused        efd-values-refused
    ├── OverBudget           alert, do not retry
    │   ├── IncompleteExposure      incomplete-exposure
    │   ├── IncompleteGroup         incomplete-group
    │   ├── RuleStuck               rule-stuck
    │   ├── PlanRefused             plan-refused
    │   ├── BufferNearlyFull        buffer-nearly-full
    │   ├── CacheNearlyFull         cache-nearly-full
    │   ├── CopiesLost              copies-lost
    │   ├── EfdIntervalEmpty        efd-interval-empty
    │   ├── QservStuck              qserv-stuck
    │   ├── LfaObjectMissing        lfa-object-missing
    │   ├── PayloadOutOfTime        payload-out-of-time
    │   ├── CalibrationsDiffer      calibrations-differ
    │   ├── DrillFailed             drill-failed
    │   ├── ExportRefused           export-refused
    │   └── CanaryStuck             canary-stuck
    └── Misconfigured        stop loudly
        ├── SettingMissing          setting-missing
        ├── BadDayObs               bad-day-obs
        ├── UnknownItem             unknown-item
        ├── DecisionImpossible      decision-impossible
        ├── PolicyUnreadable        policy-unreadable
        ├── UnknownEndpoint         unknown-endpoint
        ├── ForbiddenTransition     forbidden-transition
        ├── SchemaOutOfDate         schema-out-of-date
        ├── InstallationWrong       installation-wrong
        ├── QservUnfit              qserv-unfit
        ├── NoReadUrl               no-read-url
        ├── NotScratch              not-scratch
        ├── BackupUnusable          backup-unusable
        ├── SigningFailed           signing-failed
        └── EfdConfigWrong          efd-config-wrong

An error says *what*, *where* and *what happens next*; its ``code`` is stable and names its runbook,
``docs/operate/<code>.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Self


class DbbError(Exception):
    """Carry a stable code, the place and the next action of a failure.

    Parameters
    ----------
    message
        What went wrong, in one sentence.
    where
        The file, exposure, endpoint or setting concerned.
    """

    code: ClassVar[str] = "dbb-error"
    next_action: ClassVar[str] = "Read the task's log."

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message, where)
        self.message = message
        self.where = where

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the trip between processes that Airflow makes exceptions take."""
        return type(self), (self.message, self.where)

    def __str__(self) -> str:
        place = f" [{self.where}]" if self.where else ""
        return f"{self.code}: {self.message}{place} Next: {self.next_action}"


class Transient(DbbError):
    """Report a failure that time is expected to mend: retried with back-off."""

    next_action = "None: it is retried by itself. Look at the service if it lasts."


class Damaged(DbbError):
    """Report a copy whose bytes are wrong: quarantine it and fetch another."""

    next_action = "Ask the source to send the file again; the good copy goes through by itself."


class BrokenContract(DbbError):
    """Report input that upstream should never have sent: quarantine it and tell upstream."""

    next_action = "Tell the producer; then release or reject it with `dbb quarantine`."


class OverBudget(DbbError):
    """Report that a time or space budget is spent: alert, do not retry."""

    next_action = "Decide: wait, act or accept."


class Misconfigured(DbbError):
    """Report a fault of the installation: stop loudly until it is mended."""

    next_action = "Mend the configuration; `dbb doctor` names what is wrong."


class StoreUnavailable(Transient):
    """Report a store that cannot be reached or refuses for the moment."""

    code = "store-unavailable"

    @classmethod
    def for_store(cls, url: str, cause: object) -> Self:
        """Name the store and the cause."""
        return cls(f"The store does not answer: {cause}.", url)


class CatalogUnavailable(Transient):
    """Report a Rucio server that cannot be reached or answers with its own failure."""

    code = "catalog-unavailable"

    @classmethod
    def for_call(cls, call: str, cause: object) -> Self:
        """Name the call to Rucio and the cause."""
        return cls(f"Rucio does not answer: {cause}.", call)


class RepositoryUnavailable(Transient):
    """Report a Butler registry that cannot be reached."""

    code = "repository-unavailable"

    @classmethod
    def for_repository(cls, repository: str, cause: object) -> Self:
        """Name the repository and the cause."""
        return cls(f"The Butler repository does not answer: {cause}.", repository)


class LedgerUnavailable(Transient):
    """Report a ledger database that cannot be reached."""

    code = "ledger-unavailable"

    @classmethod
    def for_cause(cls, cause: object) -> Self:
        """Name the cause; the database's address stays out of messages (it may hold a secret)."""
        return cls(f"The ledger database does not answer: {cause}.")


class EfdUnavailable(Transient):
    """Report an EFD (InfluxDB) that cannot be reached, or whose answer is an error or is cut off."""

    code = "efd-unavailable"
    next_action = "None: the same window is asked for again. Look at the EFD if it lasts."

    @classmethod
    def for_query(cls, url: str, cause: object) -> Self:
        """Name the address and the cause."""
        return cls(f"The EFD does not answer well: {cause}.", url)


class EfdNotExtracted(Transient):
    """Report an hour of a topic that is due and was never extracted."""

    code = "efd-not-extracted"
    next_action = "None: the next run extracts it. `dbb efd status` lists what is open."

    @classmethod
    def for_hour(cls, cell: object) -> Self:
        """Name the topic and hour."""
        return cls("The hour is to be extracted.", str(cell))


class EfdLatePoints(Transient):
    """Report an hour of a topic that has other points than when it was extracted."""

    code = "efd-late-points"
    next_action = "None: the next run extracts it again; the file that is there stays."

    @classmethod
    def for_hour(cls, cell: object, archived: int, found: int) -> Self:
        """Name the topic and hour, and both numbers of points."""
        return cls(f"The source had {archived} points, and now has {found}.", str(cell))


class QservUnavailable(Transient):
    """Report a Qserv server that cannot be reached, or whose answer never came."""

    code = "qserv-unavailable"
    next_action = "None: its state is read and the step goes on. Look at Qserv if it lasts."

    @classmethod
    def for_cause(cls, request: str, cause: object) -> Self:
        """Name what was asked, and the cause."""
        return cls(f"Qserv does not answer {request}: {cause}.", request)


class AirflowUnavailable(Transient):
    """Report an Airflow that cannot be reached, or one of whose parts is not healthy."""

    code = "airflow-unavailable"
    next_action = "Look at the part's log and restart it; no work is lost meanwhile."

    @classmethod
    def for_url(cls, url: str, cause: object) -> Self:
        """Name the address and the cause."""
        return cls(f"Airflow does not answer well: {cause}.", url)


class PayloadInterrupted(Transient):
    """Report a calibration payload that was stopped from outside, not by its input."""

    code = "payload-interrupted"
    next_action = (
        "None: it is run again by itself. Look at the worker's memory if it happens often."
    )

    @classmethod
    def for_payload(cls, name: str, cause: object) -> Self:
        """Name the payload and what happened to it."""
        return cls(f"The payload was interrupted: {cause}.", name)


class MissingCopy(Damaged):
    """Report a file that ought to be in a store and is not."""

    code = "missing-copy"
    next_action = "`dbb where` lists the other copies; the next run fetches it again."

    @classmethod
    def for_file(cls, url: str) -> Self:
        """Name the file."""
        return cls("The file is not there.", url)


class TruncatedFile(Damaged):
    """Report a file that ends before its own structure says so."""

    code = "truncated-file"

    @classmethod
    def for_file(cls, name: str, expected_bytes: int, found_bytes: int) -> Self:
        """Name the file and both sizes."""
        return cls(f"The file has {found_bytes} of {expected_bytes} bytes.", name)


class UnreadableFits(Damaged):
    """Report bytes that are no FITS file."""

    code = "unreadable-fits"

    @classmethod
    def for_file(cls, name: str, cause: object) -> Self:
        """Name the file and what is wrong with its structure."""
        return cls(f"The file is not valid FITS: {cause}.", name)


class FitsChecksumMismatch(Damaged):
    """Report a FITS unit whose CHECKSUM or DATASUM disagrees with its bytes."""

    code = "fits-checksum-mismatch"

    @classmethod
    def for_unit(cls, name: str, unit: int, keyword: str) -> Self:
        """Name the file, the header-data unit (counted from 0) and the keyword."""
        return cls(f"{keyword} of header-data unit {unit} disagrees with the bytes.", name)


class DigestMismatch(Damaged):
    """Report a copy whose digest is not the manifest's."""

    code = "digest-mismatch"
    next_action = "The copy is never published; `dbb verify` re-reads it, the next run replaces it."

    @classmethod
    def for_copy(cls, url: str, expected: str, found: str) -> Self:
        """Name the copy and both digests."""
        return cls(f"The copy reads as {found}, the manifest says {expected}.", url)


class ExportDamaged(Damaged):
    """Report an export that is not what it was made of."""

    code = "export-damaged"
    next_action = (
        "`dbb export repair` fetches what is missing or changed; look at the destination's disk."
    )

    @classmethod
    def for_bag(cls, bag: object, findings: int, first: str) -> Self:
        """Name the bag, and what is wrong with it first of all."""
        return cls(f"The export has {findings} findings, first of all {first}.", str(bag))


class UnsafeName(BrokenContract):
    """Report a name that could leave its folder or confuse a tool."""

    code = "unsafe-name"
    next_action = "Reject it with `dbb quarantine reject`; have the producer use a legal name."

    @classmethod
    def for_name(cls, name: str, why: str) -> Self:
        """Name the name, printably, and the rule that it breaks."""
        return cls(f"The name {name[:80]!a} is refused: {why}.")


class UnexpectedFile(BrokenContract):
    """Report a file that the exposure's list of expected sensors does not know."""

    code = "unexpected-file"
    next_action = "Find out what it is; then `dbb quarantine release` or `reject`."

    @classmethod
    def for_file(cls, name: str) -> Self:
        """Name the file."""
        return cls("No expected sensor has a file of this name.", name)


class UnknownInstrument(BrokenContract):
    """Report an instrument that the backbone has no description of."""

    code = "unknown-instrument"
    next_action = "Add include/instruments/<name>.yaml, or reject the file."

    @classmethod
    def for_name(cls, instrument: str, where: str = "") -> Self:
        """Name the instrument."""
        return cls(f"No instrument is called {instrument[:40]!a}.", where)


class BadDocument(BrokenContract):
    """Report a JSON document that is not what it should be."""

    code = "bad-document"

    @classmethod
    def for_document(cls, name: str, why: object) -> Self:
        """Name the document and the rule that it breaks."""
        return cls(f"The document is refused: {why}.", name)


class BadManifest(BrokenContract):
    """Report a manifest that does not parse strictly."""

    code = "bad-manifest"

    @classmethod
    def for_field(cls, field: str, why: str) -> Self:
        """Name the field and the rule that it breaks."""
        return cls(f"The manifest is refused: {why}.", field)


class IdentityMismatch(BrokenContract):
    """Report a file whose header says that it is another one."""

    code = "identity-mismatch"
    next_action = "The file lies under a wrong name: have the producer send it under the right one."

    @classmethod
    def for_keyword(cls, name: str, keyword: str, expected: object, found: object) -> Self:
        """Name the file, the header keyword and both values."""
        return cls(f"{keyword} is {found!r}, the name says {expected!r}.", name)


class UntranslatableHeader(BrokenContract):
    """Report a header from which no exposure record can be made."""

    code = "untranslatable-header"

    @classmethod
    def for_header(cls, name: str, cause: object) -> Self:
        """Name the file and what the translator says."""
        return cls(f"No exposure record can be made of the header: {cause}.", name)


class ConflictingDuplicate(BrokenContract):
    """Report a second file of the same identity with other bytes."""

    code = "conflicting-duplicate"
    next_action = "The first copy stays. Compare both, then reject the second or open a correction."

    @classmethod
    def for_file(cls, name: str, expected: str, found: str) -> Self:
        """Name the file, the digest that the ledger holds and the one found."""
        return cls(f"The bytes are {found}, those already archived {expected}.", name)


class ExpectationFailed(BrokenContract):
    """Report an exposure record that breaks an expectation of its night's suite."""

    code = "expectation-failed"
    next_action = "Read the expectation in `dbb exposure`; correct the record or reject it."

    @classmethod
    def for_exposure(cls, obs_id: str, expectation: str) -> Self:
        """Name the exposure and the expectation."""
        return cls(f"The exposure record fails {expectation}.", obs_id)


class CatalogUnfit(BrokenContract):
    """Report Parquet, or an overlay, that cannot become the release's tables."""

    code = "catalog-unfit"
    next_action = "Nothing was loaded. Have the producer mend the files, or the overlay be changed."

    @classmethod
    def for_problems(cls, where: str, problems: Sequence[str]) -> Self:
        """Name the place and the first problems."""
        more = f" … and {len(problems) - 5} more" if len(problems) > 5 else ""
        return cls(f"{'; '.join(problems[:5])}{more}.", where)


class QservRefused(BrokenContract):
    """Report a request that Qserv answers with "no"."""

    code = "qserv-refused"
    next_action = "Read Qserv's own words; `dbb qserv status` shows what is done."

    @classmethod
    def for_answer(cls, request: str, told: object) -> Self:
        """Name what was asked, and what it said."""
        return cls(f"Qserv refuses {request}: {told}.", request)


class LoadRefused(BrokenContract):
    """Report rows that Qserv loaded otherwise than they are in the files."""

    code = "qserv-load-refused"
    next_action = "The transaction is not committed. Compare the file with what Qserv says of it."

    @classmethod
    def for_difference(cls, where: str, difference: str) -> Self:
        """Name the table, chunk or transaction, and the difference."""
        return cls(f"{difference}.", where)


class PoisonEvent(BrokenContract):
    """Report an event that cannot be understood."""

    code = "poison-event"
    next_action = "Look at it with `dbb events list --state poison`; the stream goes on without it."

    @classmethod
    def for_event(cls, source: str, why: object) -> Self:
        """Name where it came from and what is wrong with it."""
        return cls(f"The event cannot be understood: {why}.", source)


class EfdTopicMissing(BrokenContract):
    """Report a topic that the EFD does not know at all."""

    code = "efd-topic-missing"
    next_action = "Is its name in include/efd/topics.yaml right? It is asked for again every hour."

    @classmethod
    def for_topic(cls, topic: str) -> Self:
        """Name the topic."""
        return cls("The EFD knows no such topic.", topic)


class EfdPointsGone(BrokenContract):
    """Report an hour of which the EFD has fewer points than are archived."""

    code = "efd-points-gone"
    next_action = "The archive keeps what it has. Tell whoever runs the EFD: points are lost there."

    @classmethod
    def for_hour(cls, cell: object, archived: int, found: int) -> Self:
        """Name the topic and hour, and both numbers of points."""
        return cls(f"{archived} points are archived, and the EFD has {found}.", str(cell))


class EfdSchemaChanged(BrokenContract):
    """Report a topic whose fields are not those of before."""

    code = "efd-schema-changed"
    next_action = "Nothing is lost. Look whether what is computed of these fields is still right."

    @classmethod
    def for_topic(cls, topic: str, what: object) -> Self:
        """Name the topic and what has changed."""
        return cls(f"The topic's fields have changed: {what}.", topic)


class EfdClockJump(BrokenContract):
    """Report points whose times of sending and receiving are far apart."""

    code = "efd-clock-jump"
    next_action = "The points are archived as they are. Tell whoever runs the component's clock."

    @classmethod
    def for_hour(cls, cell: object, what: str) -> Self:
        """Name the topic and hour, and how far they are apart."""
        return cls(f"A clock is wrong: {what}.", str(cell))


class EfdPointsLost(BrokenContract):
    """Report points that were sent and that the EFD does not have."""

    code = "efd-points-lost"
    next_action = (
        "They were lost before the EFD: two of one microsecond are one there. Nothing to do here."
    )

    @classmethod
    def for_hour(cls, cell: object, what: str) -> Self:
        """Name the topic and hour, and how many are missing."""
        return cls(f"Points were lost: {what}.", str(cell))


class LfaEventUnusable(BrokenContract):
    """Report an event of the Large File Annex that names no object."""

    code = "lfa-event-unusable"
    next_action = "`dbb events list --state poison` shows it; ask its producer for the object."

    @classmethod
    def for_event(cls, topic: str, why: object) -> Self:
        """Name the topic and what is wrong."""
        return cls(f"The event names no object: {why}.", topic)

    @classmethod
    def for_bucket(cls, source: str, bucket: str, ours: str) -> Self:
        """Name the bucket of the object and the one that we copy from."""
        return cls(f"Its object is in bucket {bucket[:80]!a}, and ours is {ours}.", source)


class LfaNotIngested(BrokenContract):
    """Report an object that should be a Butler dataset and does not say which."""

    code = "lfa-not-ingested"
    next_action = "It is kept and replicated. Mend include/lfa/classes.yaml, or tell its producer."

    @classmethod
    def for_object(cls, key: str, why: object) -> Self:
        """Name the object and what is missing."""
        return cls(f"The object is no Butler dataset: {why}.", key)


class IngestRefused(BrokenContract):
    """Report a bundle that a Butler repository will not take."""

    code = "ingest-refused"
    next_action = "Compare the manifest with the repository: `dbb exposure` shows both."

    @classmethod
    def for_bundle(cls, url: str, cause: object) -> Self:
        """Name the bundle and Butler's own words."""
        return cls(f"Butler refuses the bundle: {cause}.", url)


class CalibrationInputsRefused(BrokenContract):
    """Report images of which no calibration is made."""

    code = "calibration-inputs-refused"
    next_action = (
        "The calibrations in force stay. Leave the named exposures out, or have them taken again."
    )

    @classmethod
    def for_group(cls, group: str, findings: str) -> Self:
        """Name the group, and what is wrong with which exposure and detector."""
        return cls(f"The images are refused: {findings}.", group)

    @classmethod
    def for_image(cls, place: str, why: str) -> Self:
        """Name one image and what is wrong with it."""
        return cls(f"The image is refused: {why}.", place)


class CalibrationProductRefused(BrokenContract):
    """Report calibrations that are not put in force."""

    code = "calibration-product-refused"
    next_action = "The calibrations in force stay. Look at the named detectors; widen a limit only with reason."

    @classmethod
    def for_group(cls, group: str, findings: str) -> Self:
        """Name the group, and which product breaks which rule."""
        return cls(f"The products are refused: {findings}.", group)


class PayloadFailed(BrokenContract):
    """Report an external pipeline that did not make what was ordered."""

    code = "payload-failed"
    next_action = (
        "Read the pipeline's log, whose name is in the message; mend it and clear the task."
    )

    @classmethod
    def for_command(cls, name: str, why: object, log: object) -> Self:
        """Name the payload, what went wrong, and its log."""
        return cls(f"The payload failed: {why}; its log is {log}.", name)


class EfdValuesRefused(BrokenContract):
    """Report values made of telemetry that an expectation forbids to publish."""

    code = "efd-values-refused"
    next_action = (
        "Look at what is named: table `efd_verdict` has it all. Mend the source or the limit."
    )

    @classmethod
    def for_interval(cls, instrument: str, begin: object, violations: object) -> Self:
        """Name the interval and what does not hold."""
        return cls(f"Nothing of the interval is published: {violations}.", f"{instrument} {begin}")


class ValidityOverlap(BrokenContract):
    """Report a calibration that would be in force from the same moment on as another one."""

    code = "validity-overlap"
    next_action = (
        "The calibrations in force stay. Withdraw the other one first, `dbb calibration rollback`."
    )

    @classmethod
    def for_dataset(cls, what: str, begin: str, other: str) -> Self:
        """Name the calibration, its begin, and the dataset that is in force."""
        return cls(f"It would be in force from {begin} on, and dataset {other} is.", what)


class DarkFile(BrokenContract):
    """Report a file that nobody's records name, or that ought not to be where it lies."""

    code = "dark-file"
    next_action = (
        "Find out who wrote it; `dbb quarantine release` puts it back, `reject` leaves it aside."
    )

    @classmethod
    def for_file(cls, url: str, why: str) -> Self:
        """Name the file and what is wrong with it."""
        return cls(f"The file was set aside: {why}.", url)


class IncompleteGroup(OverBudget):
    """Report a calibration sequence that waited its time for exposures that never came."""

    code = "incomplete-group"
    next_action = (
        "Ask the summit for the missing exposures: with them it goes on by itself. They do not "
        "exist: `dbb quarantine release ID` makes calibrations of what is there."
    )

    @classmethod
    def for_group(cls, group: str, why: str, there: int, wanted: int) -> Self:
        """Name the group, what it waits for, and how much of it is there."""
        return cls(f"{why}; {there} of {wanted} exposures are published.", group)


class IncompleteExposure(OverBudget):
    """Report an exposure that waited its time for detectors that never came."""

    code = "incomplete-exposure"
    next_action = "Ask the summit for the missing detectors; late ones are published by themselves."

    @classmethod
    def for_exposure(cls, obs_id: str, missing: int, expected: int) -> Self:
        """Name the exposure and how much of it is missing."""
        return cls(f"{missing} of {expected} detectors never arrived.", obs_id)


class RuleStuck(OverBudget):
    """Report a Rucio rule that does not come true by itself."""

    code = "rule-stuck"
    next_action = "Rucio's reason is in the message; mend it, then `dbb retry` the exposure."

    @classmethod
    def for_rule(cls, rule_id: str, reason: str) -> Self:
        """Name the rule and the reason that Rucio gives."""
        return cls(f"The replication rule is stuck: {reason}.", rule_id)


class PlanRefused(OverBudget):
    """Report a plan that is not carried out."""

    code = "plan-refused"
    next_action = "Plan again, read the plan, and apply that one."

    @classmethod
    def for_stale(cls, given: str, now: str) -> Self:
        """Name the plan that was asked for, and what it would be now."""
        return cls(f"The plan is not {given!r} any more but {now[:12]}.", "plan")

    @classmethod
    def for_too_much(cls, endpoint: str, loss: int, there: int, of: str = "units") -> Self:
        """Name the endpoint and how much of what it serves it would lose."""
        return cls(
            f"It would drop {loss:,} {of} of {there:,}, over one per cent: say --accept-large.",
            endpoint,
        )


class BufferNearlyFull(OverBudget):
    """Report a buffer that will not take files for as long as it must."""

    code = "buffer-nearly-full"
    next_action = (
        "`dbb night` of the oldest nights says what holds their files back; see the runbook."
    )

    @classmethod
    def for_buffer(
        cls, endpoint: str, used: float, hours_left: float | None, needed_h: int
    ) -> Self:
        """Name the buffer, how full it is, and how long it lasts and must last."""
        lasts = "" if hours_left is None else f", the rest lasts {hours_left:.0f} h of {needed_h} h"
        return cls(f"{100 * used:.0f} % of the buffer are used{lasts}.", endpoint)


class CacheNearlyFull(OverBudget):
    """Report a cache that is fuller than it may be, although nothing more of it may go."""

    code = "cache-nearly-full"
    next_action = "`dbb expire plan` says what is held and why: more room, or a shorter lifetime."

    @classmethod
    def for_cache(cls, endpoint: str, detail: str) -> Self:
        """Name the cache and how full it is."""
        return cls(f"The cache is too full: {detail}.", endpoint)


class CopiesLost(OverBudget):
    """Report a unit of which no good copy is left anywhere."""

    code = "copies-lost"
    next_action = (
        "Look for a copy outside the backbone (summit, tape, users); then `dbb retry` the unit."
    )

    @classmethod
    def for_unit(cls, unit: str, why: str) -> Self:
        """Name the unit and what was read."""
        return cls(f"The unit is lost: {why}.", unit)


class EfdIntervalEmpty(OverBudget):
    """Report an hour without a point of a topic that always has some."""

    code = "efd-interval-empty"
    next_action = (
        "It is looked at again for days. Was the component off? Then nothing is to be done."
    )

    @classmethod
    def for_hour(cls, cell: object) -> Self:
        """Name the topic and hour."""
        return cls("There is no point, and there should be some.", str(cell))


class LfaObjectMissing(OverBudget):
    """Report an object of the Large File Annex that was announced and never came."""

    code = "lfa-object-missing"
    next_action = "Ask its producer; it is looked for at every run, and goes through when it comes."

    @classmethod
    def for_object(cls, key: str, age: object) -> Self:
        """Name the object and how long it has been waited for."""
        return cls(f"The object was announced {age} ago and is not there.", key)


class QservStuck(OverBudget):
    """Report a transaction that does not end, or was tried too often."""

    code = "qserv-stuck"
    next_action = (
        "`dbb qserv status` shows its contributions; end it by hand, then `dbb qserv resume`."
    )

    @classmethod
    def for_transaction(cls, table: str, batch: int, reason: str) -> Self:
        """Name the batch of the table, and why no more is tried."""
        return cls(f"Batch {batch} of {table} is not loaded: {reason}.", table)


class PayloadOutOfTime(OverBudget):
    """Report an external pipeline that did not end in its time."""

    code = "payload-out-of-time"
    next_action = "The calibrations in force stay. Give it more time or cores, then clear the task."

    @classmethod
    def for_command(cls, name: str, limit_s: float, log: object) -> Self:
        """Name the payload, its limit and its log."""
        return cls(f"The payload was stopped after {limit_s:g} s; its log is {log}.", name)


class CalibrationsDiffer(OverBudget):
    """Report an endpoint that has other calibrations in force than it ought to."""

    code = "calibrations-differ"
    next_action = "`dbb calibration compare` names the endpoints and what differs."

    @classmethod
    def for_endpoint(cls, endpoint: str, verdict: str) -> Self:
        """Name the endpoint and what is wrong there."""
        return cls(f"The calibrations in force are wrong: {verdict}.", endpoint)


class DrillFailed(OverBudget):
    """Report a drill in which not everything came back right."""

    code = "drill-failed"
    next_action = (
        "`dbb drill list` names what did not come back; see the runbook before a real fire does."
    )

    @classmethod
    def for_drill(cls, what: str, units: int, wrong: Sequence[str]) -> Self:
        """Name the drill, and the first of what went wrong."""
        first = "; ".join(wrong[:3]) or "there was nothing to bring back"
        return cls(f"{len(wrong)} of {units} did not come back right: {first}.", what)


class ExportRefused(OverBudget):
    """Report an export that is not made as it was ordered."""

    code = "export-refused"
    next_action = (
        "Nothing was sent. Mend the order, or make it with what is available (`--leave-out`)."
    )

    @classmethod
    def for_unavailable(cls, name: str, number: int, first: str) -> Self:
        """Name the export, how much of it cannot go out, and the first of that."""
        return cls(f"{number} wanted datasets are not available, first of all {first}.", name)

    @classmethod
    def for_nothing(cls, name: str) -> Self:
        """Name the export that would be empty."""
        return cls("No dataset fits the order.", name)

    @classmethod
    def for_other(cls, place: object) -> Self:
        """Name the place where another export is."""
        return cls("There is something else under this name.", str(place))

    @classmethod
    def for_too_much(cls, name: str, size_bytes: int, limit_bytes: int) -> Self:
        """Name the export, its size and the limit."""
        return cls(
            f"It has {size_bytes:,} bytes, and more than {limit_bytes:,} need a person's approval.",
            name,
        )

    @classmethod
    def for_gone(cls, dataset_id: str) -> Self:
        """Name a dataset that was pinned and has left the archive."""
        return cls("The dataset was pinned and is not in the repository any more.", dataset_id)


class CanaryStuck(OverBudget):
    """Report a canary that did not come through the backbone in time."""

    code = "canary-stuck"
    next_action = (
        "Look at the step that is named, and its service; `dbb canary status` shows each step."
    )

    @classmethod
    def for_step(cls, canary: str, step: str, seconds: float, limit_s: float, why: object) -> Self:
        """Name the canary, the step where it stuck, how long it took, and why."""
        return cls(f"It stuck at {step} after {seconds:.0f} of {limit_s:.0f} s: {why}.", canary)


class SettingMissing(Misconfigured):
    """Report a setting that has no value."""

    code = "setting-missing"

    @classmethod
    def for_setting(cls, name: str) -> Self:
        """Name the setting."""
        return cls("The setting has no value.", name)


class BadDayObs(Misconfigured):
    """Report text that is no observing day."""

    code = "bad-day-obs"
    next_action = "Give the night as YYYYMMDD, for example 20261121."

    @classmethod
    def for_value(cls, value: object) -> Self:
        """Show the value."""
        return cls(f"{str(value)[:40]!a} is no observing day.")

    @classmethod
    def for_unknown_keys(cls, keys: object) -> Self:
        """Show keys of a run's configuration that nobody reads, such as a misspelt ``day_obs``."""
        return cls(f"The run's configuration has unknown keys: {keys}.")

    @classmethod
    def for_open_night(cls, day_obs: object) -> Self:
        """Name a night that is not over, and so is not compared."""
        return cls(f"The night {day_obs} is not over: it is compared from an hour after its end.")


class UnknownItem(Misconfigured):
    """Report a request for an exposure or refusal that the ledger does not know."""

    code = "unknown-item"
    next_action = "`dbb night` lists the exposures, `dbb quarantine list --all` the refusals."

    @classmethod
    def for_name(cls, kind: str, name: str) -> Self:
        """Name the kind of item and the item."""
        return cls(f"The ledger knows no {kind} {name[:80]!a}.")


class DecisionImpossible(Misconfigured):
    """Report an operator's decision that cannot be carried out as things are."""

    code = "decision-impossible"
    next_action = "Look at it again with `dbb quarantine show`; nothing was changed."

    @classmethod
    def for_refusal(cls, refusal_id: str, why: str) -> Self:
        """Name the refusal and what stands in the way."""
        return cls(f"The decision cannot be carried out: {why}.", refusal_id)


class PolicyUnreadable(Misconfigured):
    """Report an endpoint, policy or instrument file that cannot be used."""

    code = "policy-unreadable"

    @classmethod
    def for_file(cls, path: str, why: object) -> Self:
        """Name the file and the fault."""
        return cls(f"The file cannot be used: {why}.", path)


class QservUnfit(Misconfigured):
    """Report a Qserv that cannot take the release as it is set up."""

    code = "qserv-unfit"
    next_action = "Compare Qserv's version, families and databases with the plan: `dbb qserv plan`."

    @classmethod
    def for_reason(cls, where: str, reason: str) -> Self:
        """Name the server or database, and what does not fit."""
        return cls(f"{reason}.", where)


class UnknownEndpoint(Misconfigured):
    """Report an endpoint that no file describes."""

    code = "unknown-endpoint"

    @classmethod
    def for_name(cls, name: str) -> Self:
        """Name the endpoint."""
        return cls(f"No endpoint is called {name[:40]!a}.", "include/endpoints")

    @classmethod
    def for_no_part(cls, name: str) -> Self:
        """Name an endpoint that exists and is not compared with others."""
        return cls(f"{name[:40]!a} takes no part: a cache has datasets of its own.", name)


class ForbiddenTransition(Misconfigured):
    """Report an attempt to move a delivery between states that are not neighbours."""

    code = "forbidden-transition"
    next_action = "This is a fault of the program: report it with the log."

    @classmethod
    def for_states(cls, old: str, new: str) -> Self:
        """Name both states."""
        return cls(f"A delivery never goes from {old} to {new}.")


class SchemaOutOfDate(Misconfigured):
    """Report a ledger whose schema is not the one that the program knows."""

    code = "schema-out-of-date"
    next_action = "Run `dbb ledger migrate` with this version of the program."

    @classmethod
    def for_versions(cls, found: AbstractSet[int], wanted: AbstractSet[int]) -> Self:
        """Name the migrations that one of them has and the other has not."""
        missing = ", ".join(map(str, sorted(wanted - found))) or "none"
        unknown = ", ".join(map(str, sorted(found - wanted))) or "none"
        return cls(f"The ledger lacks migrations: {missing}; it has unknown ones: {unknown}.")


class InstallationWrong(Misconfigured):
    """Report a package, clock or repository that is not what the program needs."""

    code = "installation-wrong"
    next_action = "Install what the lock says, or mend what is named; then `dbb doctor` again."

    @classmethod
    def for_part(cls, part: str, why: str) -> Self:
        """Name the part of the installation and what is wrong with it."""
        return cls(f"The installation is wrong: {why}.", part)


class EfdConfigWrong(Misconfigured):
    """Report a file that says what is made of telemetry, and cannot be carried out."""

    code = "efd-config-wrong"
    next_action = "Mend the named line of the file."

    @classmethod
    def for_line(cls, file: str, line: int, why: str) -> Self:
        """Name the file, the line and the fault."""
        return cls(f"The configuration cannot be used: {why}.", f"{file}:{line}")


class NoReadUrl(Misconfigured):
    """Report that a store gives no addresses with which others could read a file."""

    code = "no-read-url"
    next_action = "Choose a copy on S3 (`dbb where`), and at most a week."

    @classmethod
    def for_store(cls, url: str, why: str) -> Self:
        """Name the store and what it lacks."""
        return cls(f"The store gives no address to read from: {why}.", url)


class NotScratch(Misconfigured):
    """Refuse to wipe a place that is not declared and marked as scratch."""

    code = "not-scratch"
    next_action = "Name an endpoint whose file says `role: scratch`, in a place of its own."

    @classmethod
    def for_endpoint(cls, name: str, why: str) -> Self:
        """Name the endpoint and what speaks against it."""
        return cls(f"It is not wiped: {why}.", name)


class BackupUnusable(Misconfigured):
    """Report a backup of the database that cannot be restored as it is."""

    code = "backup-unusable"
    next_action = "Read what it said: damage needs a full backup now (`dbb backup full`)."

    @classmethod
    def for_answer(cls, command: str, answer: str) -> Self:
        """Name pgBackRest's command and what it said."""
        return cls(f"pgBackRest {command}: {answer}.", "backup")


class SigningFailed(Misconfigured):
    """Report an export that cannot be signed."""

    code = "signing-failed"
    next_action = (
        "Install OpenSSH's ssh-keygen, and give an Ed25519 key without passphrase; then again."
    )

    @classmethod
    def for_key(cls, key: object, why: object) -> Self:
        """Name the key's file, and what ssh-keygen says."""
        return cls(f"The export cannot be signed: {why}.", str(key))
