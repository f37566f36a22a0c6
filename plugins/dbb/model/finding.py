"""What a reconciler finds: a place where two of the records do not say the same.

Each kind of discrepancy names the policy by which one record is right, and the remedy by which the
other would follow. A finding is told, never acted on, by whoever finds it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Truth(StrEnum):
    """The named policies: which record is right where two differ."""

    LEDGER_IS_RIGHT = "ledger-is-right"
    """What the ledger says is here must be here; what it says is gone must be gone."""
    MANIFEST_IS_RIGHT = "manifest-is-right"
    """The manifest says what the bytes and the datasets are."""
    EVERYTHING_HAS_A_UNIT = "everything-has-a-unit"
    """What no unit names is nobody's: it is kept until a person has looked."""
    POLICIES_ARE_RIGHT = "policies-are-right"
    """What the policy document wants somewhere is to be there, by a rule."""
    THE_BYTES_ARE_RIGHT = "the-bytes-are-right"
    """A copy that came and is whole counts, whatever no event told."""
    RULES_HOLD = "rules-hold"
    """The consistency rules of the Consolidated Database hold for every exposure of a past night."""


class Remedy(StrEnum):
    """What would set it right; a repair plan is made of these."""

    FETCH = "fetch"
    """Declare the copy bad to Rucio and have it brought anew from a verified one."""
    REGISTER = "register"
    """Tell Rucio again what is here."""
    ASK = "ask"
    """Open the delivery and make the rule that the policy means."""
    END_RULE = "end-rule"
    """End the rule, so that Rucio takes its copy away."""
    TAKE_AWAY = "take-away"
    """Take the copy away where nobody wants it, as long as enough verified ones are elsewhere."""
    QUARANTINE = "quarantine"
    """Set the file aside and have a person look."""
    INGEST = "ingest"
    """Take the unit's datasets out of Butler, where there are any, and ingest it from its file."""
    WITHDRAW = "withdraw"
    """Take the datasets out of Butler; files stay."""
    DELIVER = "deliver"
    """Have the endpoint's own DAG look at the unit: all it needs is here."""
    RELEASE = "release"
    """Release the source's files again: what was archived goes, other bytes are set aside."""
    PERSON = "person"
    """A person decides."""


class Aspect(StrEnum):
    """Which record was compared; one that is silent closes nothing."""

    STORE = "store"
    RUCIO = "rucio"
    BUTLER = "butler"
    CONSDB = "consdb"
    """The Consolidated Database, against its own rules."""


class _Kind(NamedTuple):
    aspect: Aspect
    truth: Truth
    remedy: Remedy
    reason: str


class Discrepancy(StrEnum):
    """The kinds of discrepancy; ``kind`` states what each means."""

    FILE_GONE = "file-gone"
    FILE_SIZE = "file-size"
    FILE_UNWANTED = "file-unwanted"
    FILE_DARK = "file-dark"
    SOURCE_GONE = "source-gone"
    SOURCE_LEFT = "source-left"
    RELEASE_UNTOLD = "release-untold"
    DATASET_UNKNOWN = "dataset-unknown"
    DATASET_DARK = "dataset-dark"
    REPLICA_LACKING = "replica-lacking"
    REPLICA_UNWANTED = "replica-unwanted"
    RULE_LACKING = "rule-lacking"
    RULE_UNWANTED = "rule-unwanted"
    DELIVERY_LACKING = "delivery-lacking"
    COPY_UNTOLD = "copy-untold"
    BUTLER_LACKS = "butler-lacks"
    BUTLER_ELSEWHERE = "butler-elsewhere"
    BUTLER_UNSTORED = "butler-unstored"
    BUTLER_UNPUBLISHED = "butler-unpublished"
    BUTLER_DARK = "butler-dark"
    PUBLICATION_UNTOLD = "publication-untold"
    MANIFEST_UNREADABLE = "manifest-unreadable"
    CCDEXPOSURE_COMPLETENESS = "ccdexposure_completeness"
    EXPOSURE_ID_ENCODING = "exposure_id_encoding"
    CCDEXPOSURE_KEY_AGREEMENT = "ccdexposure_key_agreement"
    NO_GUIDER_PRODUCTS = "no_guider_products"
    EXPOSURE_QUICKLOOK_COVERAGE = "exposure_quicklook_coverage"
    VISIT1_QUICKLOOK_COVERAGE = "visit1_quicklook_coverage"
    CCDEXPOSURE_QUICKLOOK_COVERAGE = "ccdexposure_quicklook_coverage"
    CCDVISIT1_QUICKLOOK_COVERAGE = "ccdvisit1_quicklook_coverage"
    NO_CALIBRATION_SCIENCE_PRODUCTS = "no_calibration_science_products"

    @property
    def aspect(self) -> Aspect:
        """Name the record that disagrees."""
        return _KINDS[self].aspect

    @property
    def truth(self) -> Truth:
        """Name the policy that says which record is right."""
        return _KINDS[self].truth

    @property
    def remedy(self) -> Remedy:
        """Name what would set it right."""
        return _KINDS[self].remedy

    @property
    def reason(self) -> str:
        """Say in one clause what is wrong."""
        return _KINDS[self].reason


_D, _T, _R = Discrepancy, Truth, Remedy
_KINDS: Mapping[Discrepancy, _Kind] = {
    _D.FILE_GONE: _Kind(
        Aspect.STORE, _T.LEDGER_IS_RIGHT, _R.FETCH, "a file that the ledger has here is gone"
    ),
    _D.FILE_SIZE: _Kind(
        Aspect.STORE, _T.MANIFEST_IS_RIGHT, _R.FETCH, "a file has another size than the manifest"
    ),
    _D.FILE_UNWANTED: _Kind(
        Aspect.STORE,
        _T.LEDGER_IS_RIGHT,
        _R.TAKE_AWAY,
        "a file of a unit lies where the ledger has none",
    ),
    _D.FILE_DARK: _Kind(
        Aspect.STORE, _T.EVERYTHING_HAS_A_UNIT, _R.QUARANTINE, "no unit names this file"
    ),
    _D.SOURCE_GONE: _Kind(
        Aspect.STORE,
        _T.LEDGER_IS_RIGHT,
        _R.PERSON,
        "files left the source before enough copies were published",
    ),
    _D.SOURCE_LEFT: _Kind(
        Aspect.STORE,
        _T.LEDGER_IS_RIGHT,
        _R.RELEASE,
        "the source is released and still has the files",
    ),
    _D.RELEASE_UNTOLD: _Kind(
        Aspect.STORE,
        _T.THE_BYTES_ARE_RIGHT,
        _R.RELEASE,
        "the source's files are gone with enough copies published, and it is not released",
    ),
    _D.DATASET_UNKNOWN: _Kind(
        Aspect.RUCIO,
        _T.LEDGER_IS_RIGHT,
        _R.REGISTER,
        "Rucio does not know the unit's Rucio dataset",
    ),
    _D.DATASET_DARK: _Kind(
        Aspect.RUCIO,
        _T.EVERYTHING_HAS_A_UNIT,
        _R.PERSON,
        "no unit names this Rucio dataset",
    ),
    _D.REPLICA_LACKING: _Kind(
        Aspect.RUCIO,
        _T.LEDGER_IS_RIGHT,
        _R.REGISTER,
        "Rucio has no available replica of a file that the ledger has here",
    ),
    _D.REPLICA_UNWANTED: _Kind(
        Aspect.RUCIO,
        _T.LEDGER_IS_RIGHT,
        _R.TAKE_AWAY,
        "Rucio has a replica where the ledger has none, and no rule wants it",
    ),
    _D.RULE_LACKING: _Kind(
        Aspect.RUCIO,
        _T.POLICIES_ARE_RIGHT,
        _R.ASK,
        "no rule of Rucio's wants the copy that a policy wants here",
    ),
    _D.RULE_UNWANTED: _Kind(
        Aspect.RUCIO,
        _T.LEDGER_IS_RIGHT,
        _R.END_RULE,
        "a rule of Rucio's wants a copy where the ledger has none",
    ),
    _D.DELIVERY_LACKING: _Kind(
        Aspect.RUCIO,
        _T.POLICIES_ARE_RIGHT,
        _R.ASK,
        "a policy wants the unit here and the ledger has no delivery",
    ),
    _D.COPY_UNTOLD: _Kind(
        Aspect.RUCIO,
        _T.THE_BYTES_ARE_RIGHT,
        _R.DELIVER,
        "the copy is here by Rucio and by its sizes, and the ledger still waits for it",
    ),
    _D.BUTLER_LACKS: _Kind(
        Aspect.BUTLER,
        _T.LEDGER_IS_RIGHT,
        _R.INGEST,
        "Butler lacks datasets of a unit that is published here",
    ),
    _D.BUTLER_ELSEWHERE: _Kind(
        Aspect.BUTLER,
        _T.MANIFEST_IS_RIGHT,
        _R.INGEST,
        "Butler has datasets of the unit from another file",
    ),
    _D.BUTLER_UNSTORED: _Kind(
        Aspect.BUTLER,
        _T.LEDGER_IS_RIGHT,
        _R.INGEST,
        "Butler's registry has datasets of the unit that its datastore has not",
    ),
    _D.BUTLER_UNPUBLISHED: _Kind(
        Aspect.BUTLER,
        _T.LEDGER_IS_RIGHT,
        _R.WITHDRAW,
        "Butler serves datasets of a unit that is not published here",
    ),
    _D.BUTLER_DARK: _Kind(
        Aspect.BUTLER,
        _T.EVERYTHING_HAS_A_UNIT,
        _R.PERSON,
        "Butler serves datasets that no unit's manifest names",
    ),
    _D.PUBLICATION_UNTOLD: _Kind(
        Aspect.BUTLER,
        _T.THE_BYTES_ARE_RIGHT,
        _R.DELIVER,
        "Butler serves the unit whole, and the ledger does not say published",
    ),
    _D.MANIFEST_UNREADABLE: _Kind(
        Aspect.BUTLER,
        _T.LEDGER_IS_RIGHT,
        _R.FETCH,
        "the unit's manifest cannot be read, neither here nor at the archive",
    ),
    _D.CCDEXPOSURE_COMPLETENESS: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "an exposure has not one row for each detector"
    ),
    _D.EXPOSURE_ID_ENCODING: _Kind(
        Aspect.CONSDB,
        _T.RULES_HOLD,
        _R.PERSON,
        "an exposure's number is not its day and its number within it",
    ),
    _D.CCDEXPOSURE_KEY_AGREEMENT: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "rows of detectors name two exposures at once"
    ),
    _D.NO_GUIDER_PRODUCTS: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "a detector that guides has products of an image"
    ),
    _D.EXPOSURE_QUICKLOOK_COVERAGE: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "an exposure of the sky lacks its quick look"
    ),
    _D.VISIT1_QUICKLOOK_COVERAGE: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "a visit lacks its quick look"
    ),
    _D.CCDEXPOSURE_QUICKLOOK_COVERAGE: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "detectors of an exposure lack their quick look"
    ),
    _D.CCDVISIT1_QUICKLOOK_COVERAGE: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "detectors of a visit lack their measurements"
    ),
    _D.NO_CALIBRATION_SCIENCE_PRODUCTS: _Kind(
        Aspect.CONSDB, _T.RULES_HOLD, _R.PERSON, "a bias, dark or flat has measurements"
    ),
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """Hold what one scan saw.

    Parameters
    ----------
    endpoint, day_obs
        Where, and in which night's part of the records.
    subject
        The unit, or the file, Rucio dataset or Butler file that no unit names.
    discrepancy
        What is wrong.
    evidence
        What was seen, for a person and for a repair plan; JSON.
    """

    endpoint: str
    day_obs: int
    subject: str
    discrepancy: Discrepancy
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def finding_id(self) -> str:
        """Give the identity of the finding: the same trouble is one finding."""
        words = (self.endpoint, str(self.day_obs), self.subject, self.discrepancy)
        key = "\0".join(words).encode("utf-8", "surrogateescape")
        return hashlib.sha256(key).hexdigest()[:12]


class FindingState(StrEnum):
    """How sure a finding is; each member states what is then true."""

    SUSPECTED = "suspected"
    """One scan saw it. It may have been a moment between two steps."""
    CONFIRMED = "confirmed"
    """Another scan, long enough after, still saw it."""
    CLOSED = "closed"
    """A later scan looked and did not see it any more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one row of the findings: a sighting, and how long it has been seen.

    Parameters
    ----------
    sighting
        What was seen last.
    state
        How sure it is.
    first_seen_at, last_seen_at, closed_at
        Since when and until when scans saw it, and when one no longer did (UTC).
    scans
        How many scans have seen it, since it was last closed.
    """

    sighting: Sighting
    state: FindingState
    first_seen_at: dt.datetime
    last_seen_at: dt.datetime
    scans: int
    closed_at: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Say whether the last scan that looked saw it."""
        return self.state is not FindingState.CLOSED

    def to_json(self) -> dict[str, Any]:
        """Give the finding as it stands in a document."""
        seen, kind = self.sighting, self.sighting.discrepancy
        return {
            "finding_id": seen.finding_id,
            "endpoint": seen.endpoint,
            "day_obs": seen.day_obs,
            "subject": seen.subject,
            "discrepancy": str(kind),
            "aspect": str(kind.aspect),
            "policy": str(kind.truth),
            "reason": kind.reason,
            "remedy": str(kind.remedy),
            "evidence": dict(seen.evidence),
            "state": str(self.state),
            "first_seen_at": self.first_seen_at.isoformat(timespec="milliseconds"),
            "last_seen_at": self.last_seen_at.isoformat(timespec="milliseconds"),
            "closed_at": self.closed_at and self.closed_at.isoformat(timespec="milliseconds"),
            "scans": self.scans,
        }
