"""The reconciler's cases, each headed discrepancy / explanation / evidence / action.

The table drives the tests, and ``docs/reference/reconcile.md`` is written from it by `support.reconcile_page`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbb.model.finding import Discrepancy
from support import planting
from support.planting import Plant


@dataclass(frozen=True)
class Case:
    """Describe one kind of discrepancy, and how a test makes it.

    Parameters
    ----------
    discrepancy, endpoint
        What is found, and where.
    title
        What differs, in a sentence.
    explanation
        How it can come about.
    evidence
        What the finding holds.
    plant
        Makes it.
    stage
        How far the unit is when that is done; ``DONE`` is published everywhere and released.
    """

    discrepancy: Discrepancy
    endpoint: str
    title: str
    explanation: str
    evidence: str
    plant: Plant
    stage: str = "done"

    def __str__(self) -> str:
        return f"{self.discrepancy} at {self.endpoint}"


_D = Discrepancy
CASES = (
    Case(
        _D.FILE_GONE,
        "frdf",
        "The ledger says published, and the bundle is not in the store.",
        "A disk was lost, or somebody deleted it by hand.",
        "names of the files that are gone",
        planting.delete("bundle", "frdf"),
    ),
    Case(
        _D.FILE_GONE,
        "usdf",
        "The ledger says published, and the manifest is not in the archive's store.",
        "As above; the archive's copies are Rucio's source for all others.",
        "names of the files that are gone",
        planting.delete("manifest", "usdf"),
    ),
    Case(
        _D.FILE_SIZE,
        "frdf",
        "The bundle in the store has another size than its manifest says.",
        "A write was cut short, or the file was replaced behind everybody's back. Bytes of the right "
        "size are not read here: `dbb verify` reads them.",
        "names, sizes found and wanted",
        planting.cut,
    ),
    Case(
        _D.FILE_UNWANTED,
        "ukdf",
        "A bundle lies at an endpoint where the ledger has no delivery, or released it.",
        "It was copied by hand, or Rucio did not delete what no rule wants.",
        "names, and what the ledger says",
        planting.copy_where_unwanted,
    ),
    Case(
        _D.FILE_DARK,
        "frdf",
        "A file in a night's folder is named by no unit.",
        "A tool of somebody's left it, or a unit was lost from the ledger.",
        "bytes, time of the last change",
        planting.stray_file,
    ),
    Case(
        _D.FILE_DARK,
        "summit",
        "A file in the source's folder of a night belongs to no exposure of the ledger.",
        "The night's runs have not looked since it came.",
        "bytes, time of the last change",
        planting.stray_at_source,
    ),
    Case(
        _D.SOURCE_GONE,
        "summit",
        "The source's files are gone, and fewer copies are published than must be before.",
        "The buffer was cleared by hand.",
        "names, and the endpoints where the exposure is published",
        planting.empty_source,
        stage="archived",
    ),
    Case(
        _D.SOURCE_LEFT,
        "summit",
        "The source is released, and files of the bundle lie there.",
        "They were sent again after the last run, or a deletion failed.",
        "names and number",
        planting.bring_back_to_source,
    ),
    Case(
        _D.RELEASE_UNTOLD,
        "summit",
        "The source's files are gone with enough copies published, and the ledger has not released "
        "them.",
        "A release was killed between deleting and saying so, and has not run again.",
        "names, and the endpoints where the exposure is published",
        planting.empty_source,
        stage="published",
    ),
    Case(
        _D.DATASET_UNKNOWN,
        "usdf",
        "The archive says registered or published, and Rucio does not know the Rucio dataset.",
        "Rucio's database was restored from a copy, or the dataset was erased.",
        "its name",
        planting.forget_dataset,
    ),
    Case(
        _D.DATASET_DARK,
        "usdf",
        "Rucio has a Rucio dataset in the night's folder that no unit names.",
        "Another tool made it, or the ledger was restored from a copy.",
        "—",
        planting.stray_dataset,
    ),
    Case(
        _D.REPLICA_LACKING,
        "frdf",
        "The ledger has the unit here, and Rucio has no available replica of one of its files.",
        "It was declared bad or deleted in Rucio alone.",
        "RSE, names",
        planting.forget_replica("frdf"),
    ),
    Case(
        _D.REPLICA_LACKING,
        "usdf",
        "The archive has the unit, and Rucio has no available replica of one of its files there.",
        "As above; other endpoints then have no source.",
        "RSE, names",
        planting.forget_replica("usdf"),
    ),
    Case(
        _D.REPLICA_UNWANTED,
        "ukdf",
        "Rucio has a replica where the ledger has no delivery, and no rule wants it.",
        "Somebody registered it; Rucio's reaper keeps what has no tombstone.",
        "RSE, names",
        planting.stray_replica,
    ),
    Case(
        _D.RULE_LACKING,
        "frdf",
        "A policy wants the unit here, the ledger has a delivery, and no rule holds it.",
        "The rule was deleted or has expired: Rucio will take the copy away.",
        "what the ledger says",
        planting.forget_rule,
    ),
    Case(
        _D.RULE_UNWANTED,
        "ukdf",
        "A rule wants a copy where the ledger has no delivery, or released it.",
        "Somebody made it by hand, or a subscription is wider than its policy.",
        "RSE, identifier of the rule",
        planting.stray_rule,
    ),
    Case(
        _D.DELIVERY_LACKING,
        "ukdf",
        "A policy wants the unit here, and the ledger has no delivery.",
        "The policies changed after it was registered; `dbb policy plan` shows all such at once.",
        "name of the policy",
        planting.widen_policy,
    ),
    Case(
        _D.COPY_UNTOLD,
        "frdf",
        "Rucio's rule is satisfied and the files have their sizes, and the ledger still waits.",
        "The event was lost and the endpoint's DAG does not run.",
        "what the ledger says, identifier of the rule",
        planting.bring_unseen,
        stage="archived",
    ),
    Case(
        _D.BUTLER_LACKS,
        "frdf",
        "The unit is published, and Butler's registry lacks datasets of it.",
        "They were pruned, or the registry was restored from a copy.",
        "identifiers, how many of how many",
        planting.drop_dataset,
    ),
    Case(
        _D.BUTLER_ELSEWHERE,
        "frdf",
        "Butler serves datasets of the unit from another file than its bundle.",
        "They were ingested by hand, or from a store that has moved.",
        "URLs",
        planting.move_dataset,
    ),
    Case(
        _D.BUTLER_UNSTORED,
        "frdf",
        "Butler's registry has datasets of the unit, and its datastore has not.",
        "They were unstored without being purged.",
        "identifiers, how many of how many",
        planting.unstore_dataset,
    ),
    Case(
        _D.BUTLER_UNPUBLISHED,
        "ukdf",
        "Butler serves datasets of a unit that is not published here.",
        "They were ingested by hand, or the copy is suspect and still served.",
        "what the ledger says",
        planting.serve_unpublished,
    ),
    Case(
        _D.BUTLER_DARK,
        "frdf",
        "Butler serves datasets that no unit's manifest names.",
        "They were ingested by hand into the run collection of raw images.",
        "identifiers",
        planting.serve_stranger,
    ),
    Case(
        _D.PUBLICATION_UNTOLD,
        "usdf",
        "Butler serves the unit whole, and the ledger says registered.",
        "A publication was killed between Butler and the ledger, and has not run again.",
        "—",
        planting.ingest_untold,
        stage="registered",
    ),
    Case(
        _D.MANIFEST_UNREADABLE,
        "frdf",
        "Butler differs from the unit's fingerprint, and its manifest is damaged here and at the "
        "archive.",
        "Both copies have rotted; sizes alone do not tell.",
        "—",
        planting.drop_dataset_and_spoil_manifests,
    ),
)
