"""Errors of what upstream sent: it goes to quarantine, and upstream is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from dbb.errors.base import BrokenContract


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


class AlertUnreadable(BrokenContract):
    """Report a message of the alert stream that is no packet."""

    code = "alert-unreadable"
    next_action = (
        "Tell the producer; `dbb quarantine reject` it, or release it once it can be read."
    )

    @classmethod
    def for_packet(cls, place: str, why: object) -> Self:
        """Name the place and what is wrong."""
        return cls(f"The message cannot be read: {why}.", place)


class AlertSchemaUnknown(BrokenContract):
    """Report an alert packet that was written by a schema that nobody knows."""

    code = "alert-schema-unknown"
    next_action = "Have the schema registered; then `dbb quarantine release` the packet."

    @classmethod
    def for_packet(cls, place: str, number: int) -> Self:
        """Name the place and the schema's number."""
        return cls(f"The packet is written by schema {number}, which is not registered.", place)
