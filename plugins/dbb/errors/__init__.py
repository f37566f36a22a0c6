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
    │   ├── PayloadInterrupted      payload-interrupted
    │   ├── AlarmNotSent            alarm-not-sent
    │   ├── SchemaRegistryUnavailable  schema-registry-unavailable
    │   └── KafkaUnavailable        kafka-unavailable
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
    │   ├── EfdValuesRefused        efd-values-refused
    │   ├── AlertUnreadable         alert-unreadable
    │   └── AlertSchemaUnknown      alert-schema-unknown
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
    │   ├── CanaryStuck             canary-stuck
    │   ├── DrainUnfinished         drain-unfinished
    │   ├── ExposuresLate           exposures-late
    │   ├── ProductionOutage        production-outage
    │   ├── CalibrationLate         calibration-late
    │   ├── EfdValuesDiffer         efd-values-differ
    │   ├── EfdValuesLate           efd-values-late
    │   ├── AlertCountsDiffer       alert-counts-differ
    │   ├── AlertStreamExpired      alert-stream-expired
    │   ├── ConsdbRuleBroken        consdb-rule-broken
    │   └── FilesLate               files-late
    └── Misconfigured        stop loudly
        ├── SettingMissing          setting-missing
        ├── BadDayObs               bad-day-obs
        ├── UnknownItem             unknown-item
        ├── DecisionImpossible      decision-impossible
        ├── PolicyUnreadable        policy-unreadable
        ├── PoliciesNotApplied      policies-not-applied
        ├── UnknownEndpoint         unknown-endpoint
        ├── ForbiddenTransition     forbidden-transition
        ├── SchemaOutOfDate         schema-out-of-date
        ├── InstallationWrong       installation-wrong
        ├── QservUnfit              qserv-unfit
        ├── NoReadUrl               no-read-url
        ├── NotScratch              not-scratch
        ├── BackupUnusable          backup-unusable
        ├── SigningFailed           signing-failed
        ├── EfdConfigWrong          efd-config-wrong
        ├── AirflowRefused          airflow-refused
        ├── ViewsRefused            views-refused
        └── UnknownParameter        unknown-parameter

An error says *what*, *where* and *what happens next*; its ``code`` is stable and names its runbook,
``docs/operate/<code>.md``.
"""

from dbb.errors.base import *
from dbb.errors.broken_contract import *
from dbb.errors.damaged import *
from dbb.errors.misconfigured import *
from dbb.errors.over_budget import *
from dbb.errors.transient import *
