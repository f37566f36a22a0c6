"""The ledger on PostgreSQL or SQLite: SQLAlchemy Core over the statements of ``include/sql``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from dbb.errors import ConflictingDuplicate
from dbb.hooks.consdb.records import Signature, add_observations
from dbb.hooks.engine import MICROSECOND
from dbb.hooks.ledger_database import LedgerDatabase, batches
from dbb.hooks.ledger_rows import (
    facts_row,
    to_deliveries,
    to_delivery,
    to_facts,
    to_refusal,
    to_unit,
)
from dbb.hooks.night_units import to_alike_units, to_lags
from dbb.hooks.sql import statement, to_time
from dbb.model.consdb import ConsdbPublication, Observation
from dbb.model.delivery import Delivery, State, check_transition
from dbb.model.exposure import ExposureFacts
from dbb.model.fingerprint import fingerprint_of
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.night_units import AlikeUnits, NightLags
from dbb.model.quarantine import Decision, Refusal
from dbb.ports.ledger import DeliveryEvent, ExpectationResult, Noted, UnitRow

if TYPE_CHECKING:
    from dbb.model.parcel import Parcel


class SqlLedger(LedgerDatabase):
    """Remember how far everything is."""

    # -- units ---------------------------------------------------------------------------------

    def note_units(self, rows: Sequence[UnitRow]) -> None:
        """Insert units, or update what changes while their files arrive."""
        self.write_all("ledger/note_unit", [dataclasses.asdict(row) for row in rows])

    def units(self, names: Sequence[str]) -> dict[str, UnitRow]:
        """Read units by name."""
        return {row.unit: to_unit(row) for row in self._in_batches("ledger/units", names)}

    def units_of_night(self, instrument: str, day_obs: int) -> list[UnitRow]:
        """Read the units of a night."""
        found = self.rows("ledger/units_of_night", instrument=instrument, day_obs=day_obs)
        return [to_unit(row) for row in found]

    def seal_unit(self, unit: str, manifest: Manifest, facts: ExposureFacts) -> None:
        """Record what a unit's bundle is, once a copy of it is verified for ever.

        Raises
        ------
        ConflictingDuplicate
            If a verified copy of another manifest exists.
        """
        bundle = manifest.bundle
        with self.transaction() as connection:
            connection.execute(
                statement("ledger/seal_unit"),
                {
                    "unit": unit,
                    "manifest_sha256": manifest.sha256,
                    "bundle_bytes": bundle.size_bytes,
                    "bundle_sha256": bundle.sha256,
                    "bundle_adler32": bundle.adler32,
                    "bundle_crc32c": bundle.crc32c,
                    "missing": json.dumps(manifest.missing),
                    "arrived": len(manifest.images),
                    "size_bytes": bundle.size_bytes + len(manifest.data),
                },
            )
            row = connection.execute(statement("ledger/units"), {"units": [unit]}).one()
            if row.manifest_sha256 != manifest.sha256:
                raise ConflictingDuplicate.for_file(unit, row.bundle_sha256, bundle.sha256)
            connection.execute(statement("ledger/note_exposure"), facts_row(facts))
            fingerprint = {"fingerprint": str(fingerprint_of(manifest))}
            connection.execute(
                statement("finding/note_fingerprint"),
                {"unit": unit, "manifest_sha256": manifest.sha256, **fingerprint},
            )

    def seal_parcel(self, parcel: Parcel) -> None:
        """Insert the unit of a parcel; a verified one stays as it is.

        Raises
        ------
        ConflictingDuplicate
            If a verified copy of another manifest exists.
        """
        files = len(parcel.files)
        with self.transaction() as connection:
            connection.execute(
                statement("ledger/seal_parcel"),
                {
                    "unit": parcel.unit,
                    "kind": str(parcel.kind),
                    "instrument": parcel.instrument,
                    "day_obs": parcel.day_obs,
                    "obs_id": parcel.unit.rpartition("/")[2],
                    "files": files,
                    "travelling": files + 1,
                    "changed_at": self.now(),
                    "manifest_sha256": parcel.sha256,
                    "size_bytes": sum(file.digest.size_bytes for file in parcel.files)
                    + len(parcel.data),
                },
            )
            row = connection.execute(statement("ledger/units"), {"units": [parcel.unit]}).one()
            if row.manifest_sha256 != parcel.sha256:
                raise ConflictingDuplicate.for_file(parcel.unit, row.manifest_sha256, parcel.sha256)

    def set_gate(self, verdicts: Mapping[str, bool | None]) -> None:
        """Record what the night's expectations said of units; None has them judged again."""
        words = {True: "passed", False: "failed", None: ""}
        rows = [{"unit": unit, "gate": words[passed]} for unit, passed in verdicts.items()]
        self.write_all("ledger/set_gate", rows)

    def facts_of(self, units: Sequence[str]) -> dict[str, ExposureFacts]:
        """Read the exposure facts of units."""
        return {row.unit: to_facts(row) for row in self._in_batches("ledger/facts_of", units)}

    def regions_of(self, units: Sequence[str], version: str) -> dict[str, frozenset[str] | None]:
        """Read which regions of the sky units touch, as far as it is kept for a version."""
        found = {}
        for row in self._in_batches("ledger/regions_of", units, version=version):
            regions = json.loads(row.regions)
            found[row.unit] = None if regions is None else frozenset(regions)
        return found

    def note_regions(self, found: Mapping[str, frozenset[str] | None], version: str) -> None:
        """Keep which regions of the sky units touch."""
        rows = [
            {
                "unit": unit,
                "version": version,
                "regions": json.dumps(None if regions is None else sorted(regions)),
            }
            for unit, regions in sorted(found.items())
        ]
        self.write_all("ledger/note_regions", rows)

    # -- the Consolidated Database -------------------------------------------------------------

    def observed(self, units: Sequence[str]) -> dict[str, str]:
        """Read of which manifests the observing metadata of units were made."""
        rows = self._in_batches("consdb/sources", units)
        return {row.unit: row.manifest_sha256 for row in rows}

    def observe(self, observations: Sequence[Observation], reason: str = "") -> ConsdbPublication:
        """Publish observing metadata, as far as they are new; in one transaction."""
        if not observations:
            return ConsdbPublication()
        with self.transaction() as connection:
            sign = Signature(self.now(), self.actor, reason)
            return add_observations(connection, observations, sign)

    # -- deliveries ----------------------------------------------------------------------------

    def deliveries(self, units: Sequence[str]) -> dict[tuple[str, str], Delivery]:
        """Read deliveries by unit and endpoint."""
        rows = self._in_batches("ledger/deliveries", units)
        return {(row.unit, row.endpoint): to_delivery(row) for row in rows}

    def expect(self, units: Sequence[str], endpoint: str, reason: str) -> None:
        """Open deliveries; those that exist stay as they are."""
        if not units:
            return
        now = self.now()
        rows = [{"unit": unit, "endpoint": endpoint, "at": now, "reason": reason} for unit in units]
        with self.transaction() as connection:
            connection.execute(statement("ledger/expect"), rows)
            for names in _batches(units):
                connection.execute(
                    statement("ledger/expect_event"),
                    {
                        "units": names,
                        "endpoint": endpoint,
                        "at": now,
                        "reason": reason,
                        "actor": self.actor,
                    },
                )

    def advance(
        self, units: Sequence[str], endpoint: str, old: State, new: State, reason: str
    ) -> set[str]:
        """Move deliveries that are in ``old`` to ``new``, each with one event; name those moved."""
        with self.transaction() as connection:
            return self.advance_within(connection, units, endpoint, old, new, reason)

    def advance_within(
        self,
        connection: Connection,
        units: Sequence[str],
        endpoint: str,
        old: State,
        new: State,
        reason: str,
    ) -> set[str]:
        """Move deliveries as ``advance`` does, in a transaction that is open already."""
        check_transition(old, new)
        change = {
            "endpoint": endpoint,
            "old_state": str(old),
            "new_state": str(new),
            "at": self.now(),
            "reason": reason,
        }
        moved: set[str] = set()
        for names in _batches(units):
            found = connection.execute(
                statement("ledger/advance"), {"units": names, **change}
            ).all()
            if found:
                connection.execute(
                    statement("ledger/event"),
                    [
                        {"unit": row.unit, "version": row.version, "actor": self.actor} | change
                        for row in found
                    ],
                )
            moved.update(row.unit for row in found)
        return moved

    def deliveries_of_night(self, day_obs: int) -> list[Delivery]:
        """Read the deliveries of a night's units."""
        return to_deliveries(self.rows("page/deliveries", day_obs=day_obs))

    def alike_of_night(
        self, instruments: Sequence[str], day_obs: int, source: str, apart: Collection[str]
    ) -> list[AlikeUnits]:
        """Bring together the units of a night that stand alike; those of ``apart`` each alone."""
        rows = self.rows(
            "page/night", instruments=list(instruments), day_obs=day_obs, source=source
        )
        return to_alike_units(rows, apart)

    def lags(
        self, first: int, last: int, endpoints: Sequence[str], limit: dt.timedelta
    ) -> list[NightLags]:
        """Sum up how long raw units of nights took, the newest night first."""
        rows = self.rows(
            "page/lags", first_day=first, last_day=last, endpoints=list(endpoints),
            limit_us=limit // MICROSECOND, before_at=self.now() - limit,
        )  # fmt: skip
        return [to_lags(row) for row in rows]

    def days_of_kind(self, kind: Kind) -> list[int]:
        """List the days of which there are sealed units of a kind."""
        return [row.day_obs for row in self.rows("ledger/days_of_kind", kind=str(kind))]

    def units_of_kind(self, kind: Kind, day_obs: int) -> list[UnitRow]:
        """Read the sealed units of a kind and day."""
        rows = self.rows("ledger/units_of_kind", kind=str(kind), day_obs=day_obs)
        return [to_unit(row) for row in rows]

    def count_published(self, endpoint: str) -> tuple[int, int]:
        """Count the units that an endpoint serves, and their bytes."""
        (row,) = self.rows("ledger/count_published", endpoint=endpoint)
        return int(row.units), int(row.size_bytes)

    def open_deliveries(self, endpoint: str) -> list[Delivery]:
        """Read the deliveries that an endpoint still has to do something for."""
        return [to_delivery(row) for row in self.rows("ledger/open_deliveries", endpoint=endpoint)]

    def note_waiting(self, reasons: Mapping[str, str], endpoint: str) -> None:
        """Record why deliveries wait; the time of the first reason is kept until they move."""
        now = self.now()
        rows = [
            {"unit": unit, "endpoint": endpoint, "waits_for": reason, "at": now}
            for unit, reason in sorted(reasons.items())
        ]
        self.write_all("ledger/note_waiting", rows)

    def note_read(self, units: Sequence[str], endpoint: str) -> None:
        """Record that published copies were read again and are right."""
        now = self.now()
        rows = [{"unit": unit, "endpoint": endpoint, "at": now} for unit in units]
        self.write_all("scrub/note_read", rows)

    def set_rules(self, rules: Mapping[str, str | None], endpoint: str) -> None:
        """Record the rule that brings each unit to an endpoint; None where it was ended."""
        rows = [
            {"unit": unit, "endpoint": endpoint, "rule_id": rule} for unit, rule in rules.items()
        ]
        self.write_all("ledger/set_rule", rows)

    # -- quarantine ----------------------------------------------------------------------------

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Put rows into quarantine; what was released or superseded is held again."""
        self.write_all("ledger/refuse", [dataclasses.asdict(item) for item in refusals])

    def refusals(
        self,
        *,
        day_obs: int | None = None,
        unit: str | None = None,
        decision: Decision | None = Decision.HELD,
    ) -> list[Refusal]:
        """Read quarantine rows, oldest first."""
        rows = self.rows(
            "ledger/refusals", day_obs=day_obs or 0, unit=unit or "", decision=decision or ""
        )
        return [to_refusal(row) for row in rows]

    def decide(self, refusal_ids: Sequence[str], decision: Decision, by: str) -> int:
        """Record a decision on rows that are held; give their number."""
        decided = 0
        with self.transaction() as connection:
            for names in _batches(refusal_ids):
                result = connection.execute(
                    statement("ledger/decide"),
                    {
                        "refusal_ids": names,
                        "decision": str(decision),
                        "by": by,
                        "at": self.now(),
                    },
                )
                decided += result.rowcount
        return decided

    # -- expectations --------------------------------------------------------------------------

    def note_expectations(
        self, day_obs: int, instrument: str, suite: str, exposures: int, failed: int, detail: str
    ) -> None:
        """Store the outcome of an expectation suite (``detail`` is JSON)."""
        self.write(
            "ledger/note_expectations",
            day_obs=day_obs,
            instrument=instrument,
            suite=suite,
            at=self.now(),
            exposures=exposures,
            failed=failed,
            detail=detail,
        )

    def expectations(self, day_obs: int) -> list[ExpectationResult]:
        """Read the outcomes of a night's expectation suites, newest first."""
        return [
            ExpectationResult(
                day_obs=row.day_obs,
                instrument=row.instrument,
                suite=row.suite,
                at=to_time(row.at),
                exposures=row.exposures,
                failed=row.failed,
                detail=row.detail,
            )
            for row in self.rows("ledger/expectations", day_obs=day_obs)
        ]

    def note(self, name: str, document: str, every_s: float = 0.0) -> None:
        """Keep the newest word on something; one that is younger than ``every_s`` stays."""
        now = self.now()
        before = now - dt.timedelta(seconds=every_s)
        self.write("page/note", name=name, at=now, document=document, before_at=before)

    def noted(self, names: Sequence[str]) -> dict[str, Noted]:
        """Read the newest words on things."""
        rows = self.rows("page/noted", names=list(names))
        return {row.name: Noted(row.name, to_time(row.at), row.document) for row in rows}

    def events(self, unit: str) -> list[DeliveryEvent]:
        """Read the history of a unit, in order."""
        return [
            DeliveryEvent(
                unit=row.unit,
                endpoint=row.endpoint,
                version=row.version,
                at=to_time(row.at),
                old_state=row.old_state,
                new_state=State(row.new_state),
                reason=row.reason,
                actor=row.actor,
            )
            for row in self.rows("ledger/events", unit=unit)
        ]

    def _in_batches(self, name: str, units: Sequence[str], **more: Any) -> list[Row[Any]]:
        found: list[Row[Any]] = []
        for names in _batches(units):
            found += self.rows(name, units=names, **more)
        return found


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    return batches(sorted(names))  # one order for all writers: no deadlock between two of them
