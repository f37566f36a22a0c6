"""Findings, scans and fingerprints: three tables in the ledger's database."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from dbb.flows.reconcile_views import KnownNight, Scan
from dbb.hooks.ledger_database import batches
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement, to_time
from dbb.model.finding import Aspect, Discrepancy, Finding, FindingState, Sighting
from dbb.model.fingerprint import Fingerprint


class SqlFindings(LedgerHook):
    """Remember what reconcilers found."""

    def record(self, scan: Scan) -> None:
        """Record a scan: what it saw is suspected or confirmed, what it missed is closed.

        The same scan again changes nothing, nor does one that began before the last one recorded.
        """
        seen = {sighting.finding_id: sighting for sighting in scan.sightings}
        before_at = scan.at - scan.confirm_after
        with self._ledger.transaction() as connection:
            if seen:
                connection.execute(
                    statement("finding/see"),
                    [
                        _row(sighting) | {"at": scan.at, "before_at": before_at}
                        for _, sighting in sorted(seen.items())
                    ],
                )
            wanted = {
                "first_day": scan.day_obs.value,
                "last_day": scan.day_obs.value,
                "endpoint": scan.endpoint,
                "with_closed": 0,
            }
            rows = connection.execute(statement("finding/find"), wanted).all()
            gone = [
                row.finding_id
                for row in rows
                if row.finding_id not in seen and scan.answers(_sighting(row))
            ]
            for some in batches(gone):
                connection.execute(statement("finding/close"), {"finding_ids": some, "at": scan.at})
            if scan.looked == {Aspect.CONSDB}:
                return  # no comparison of records: the night's turn for one stays what it was
            connection.execute(
                statement("finding/note_scan"),
                {
                    "endpoint": scan.endpoint,
                    "day_obs": scan.day_obs.value,
                    "at": scan.at,
                    "units": scan.units,
                    "sightings": len(seen),
                    "silent": json.dumps([str(error) for error in scan.silent]),
                },
            )

    def find(
        self,
        first_day: int = 0,
        last_day: int = 99991231,
        *,
        endpoints: Collection[str] = (),
        with_closed: bool = False,
    ) -> list[Finding]:
        """List findings by night, endpoint and subject; of all endpoints where none is named."""
        found: list[Finding] = []
        for endpoint in sorted(endpoints) or [""]:
            found += [
                _finding(row)
                for row in self._ledger.rows(
                    "finding/find",
                    first_day=first_day,
                    last_day=last_day,
                    endpoint=endpoint,
                    with_closed=int(with_closed),
                )
            ]
        return found

    def nights(self, endpoint: str, before_day: int) -> list[KnownNight]:
        """List the nights before one, with the time of an endpoint's last scan of each."""
        rows = self._ledger.rows("finding/nights", endpoint=endpoint, before_day=before_day)
        return [
            KnownNight(
                row.day_obs, None if row.scanned_at is None else to_time(row.scanned_at), row.open
            )
            for row in rows
        ]

    def fingerprints(self, units: Sequence[str]) -> dict[str, tuple[str, Fingerprint]]:
        """Read the manifests' identities and fingerprints of units."""
        found = {}
        for names in batches(units):
            for row in self._ledger.rows("finding/fingerprints", units=names):
                found[row.unit] = (row.manifest_sha256, Fingerprint.parse(row.fingerprint))
        return found

    def note_fingerprints(self, known: Mapping[str, tuple[str, Fingerprint]]) -> None:
        """Keep fingerprints of units."""
        rows = [
            {"unit": unit, "manifest_sha256": sha256, "fingerprint": str(fingerprint)}
            for unit, (sha256, fingerprint) in sorted(known.items())
        ]
        self._ledger.write_all("finding/note_fingerprint", rows)


def _row(sighting: Sighting) -> dict[str, Any]:
    kind = sighting.discrepancy
    return {
        "finding_id": sighting.finding_id,
        "endpoint": sighting.endpoint,
        "day_obs": sighting.day_obs,
        "subject": sighting.subject,
        "discrepancy": str(kind),
        "policy": str(kind.truth),
        "reason": kind.reason,
        "remedy": str(kind.remedy),
        "evidence": json.dumps(dict(sighting.evidence), sort_keys=True),
    }


def _sighting(row: Row[Any]) -> Sighting:
    kind = Discrepancy(row.discrepancy)
    return Sighting(row.endpoint, row.day_obs, row.subject, kind, json.loads(row.evidence))


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        sighting=_sighting(row),
        state=FindingState(row.state),
        first_seen_at=to_time(row.first_seen_at),
        last_seen_at=to_time(row.last_seen_at),
        scans=row.scans,
        closed_at=None if row.closed_at is None else to_time(row.closed_at),
    )
