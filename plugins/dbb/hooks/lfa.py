"""The annex's table of objects, in the ledger's database."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from dbb.errors import DbbError
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import statement, to_time
from dbb.model.digest import Digest
from dbb.model.lfa import Announcement, LfaObject


class SqlLfaObjects(LedgerHook):
    """Remember objects in the ledger's database."""

    def announce(self, found: Iterable[tuple[Announcement, str, bool]]) -> int:
        """Note objects with their action; count the new. What events declare is kept."""
        now = self._ledger.now()
        rows = [
            (each, dataclasses.asdict(each) | {"action": action, "is_known": known, "at": now})
            for each, action, known in sorted(found, key=lambda one: one[0].key)  # no deadlock
        ]
        new = 0
        with self._ledger.transaction() as connection:
            for each, row in rows:
                is_new = connection.execute(statement("lfa/announce"), row).rowcount
                if not is_new and each.source != "listing":
                    connection.execute(statement("lfa/merge"), row)
                new += is_new
            for folder in sorted({each.folder for each, _ in rows} - {""}):
                connection.execute(statement("lfa/note_folder"), {"folder": folder})
        return new

    def note_stamps(self, stamps: Mapping[str, str]) -> int:
        """Compare what a listing shows with what was copied; count the objects that differ."""
        if not stamps:
            return 0
        waiting, other = [], []
        for row in self._ledger.rows("lfa/stamps", keys=list(stamps)):
            stamp = stamps[row.key]
            if row.state == "announced" or (row.state == "refused" and row.stamp != stamp):
                waiting.append(row.key)
            elif row.state in ("checked", "sealed") and row.stamp != stamp:
                if row.stamp == "" and stamp.startswith(f"{row.size_bytes} "):
                    self._ledger.write("lfa/adopt", key=row.key, stamp=stamp)
                else:
                    other.append(row.key)
        if waiting:
            self._ledger.write("lfa/look_now", keys=waiting, at=self._ledger.now())
        if other:
            self._ledger.write("lfa/doubt", keys=other, doubt="it is another version at its source")
        return len(other)

    def folders(self) -> list[str]:
        """List the folders above the date in keys."""
        return [row.folder for row in self._ledger.rows("lfa/folders")]

    def due(self, most: int) -> list[LfaObject]:
        """Read objects that are to be looked for now; those whose turn came first, first."""
        return self._read("lfa/due", now_at=self._ledger.now(), most=most)

    def doubtful(self, most: int) -> list[LfaObject]:
        """Read objects that were copied and are to be compared with their source."""
        return self._read("lfa/doubtful", most=most)

    def loose(self, most: int) -> list[LfaObject]:
        """Read objects that are checked and have no parcel yet, oldest first."""
        return self._read("lfa/loose", most=most)

    def by_key(self, keys: Sequence[str]) -> list[LfaObject]:
        """Read objects by key."""
        return self._read("lfa/by_key", keys=list(keys)) if keys else []

    def of_day(self, day_obs: int, state: str) -> list[LfaObject]:
        """Read a day's objects; 0 is any day, an empty state any."""
        return self._read("lfa/of_day", day_obs=day_obs, state=state)

    def of_unit(self, unit: str) -> list[LfaObject]:
        """Read the objects of a parcel, by key."""
        return self._read("lfa/of_unit", unit=unit)

    def units_to_seal(self) -> list[str]:
        """Name the parcels that have objects which are not sealed."""
        return [row.unit for row in self._ledger.rows("lfa/units_to_seal")]

    def newest(self) -> dt.datetime | None:
        """Say when the last of the objects was announced that wait to be copied."""
        (row,) = self._ledger.rows("lfa/newest")
        return None if row.newest is None else to_time(row.newest)

    def check(self, each: LfaObject, digest: Digest, md5: str, stamp: str) -> None:
        """Record what an object's bytes are, and what its source said of it."""
        self._ledger.write(
            "lfa/check", **_known(each), size_bytes=digest.size_bytes, sha256=digest.sha256,
            adler32=digest.adler32, crc32c=digest.crc32c, md5=md5, stamp=stamp,
            at=self._ledger.now(),
        )  # fmt: skip

    def refuse(self, each: LfaObject, error: DbbError, stamp: str, due_at: dt.datetime) -> None:
        """Record why an object is refused, and when it is looked at again."""
        self._ledger.write(
            "lfa/refuse", **_known(each), code=error.code, reason=error.message, stamp=stamp,
            due_at=due_at, at=self._ledger.now(),
        )  # fmt: skip

    def wait(self, key: str, error: DbbError | None, due_at: dt.datetime) -> None:
        """Record why an object does not go on, if there is news, and when it is looked for next."""
        self._ledger.write("lfa/wait", key=key, due_at=due_at, **_why(error))

    def send_back(self, key: str, error: DbbError) -> None:
        """Have an object copied again whose copy was found damaged before it was sealed."""
        self._ledger.write("lfa/send_back", key=key, at=self._ledger.now(), **_why(error))

    def settle(self, each: LfaObject, md5: str, stamp: str) -> None:
        """Say that an object was compared with its source."""
        self._ledger.write("lfa/settle", **_known(each), md5=md5, stamp=stamp)

    def note_dataset(self, key: str, dataset_id: str, error: DbbError | None) -> None:
        """Record which Butler dataset an object is, or why it is none."""
        self._ledger.write("lfa/note_dataset", key=key, dataset_id=dataset_id, **_why(error))

    def holders(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Name the objects that are Butler datasets, by the datasets' ids."""
        rows = self._ledger.rows("lfa/holders", dataset_ids=list(dataset_ids))
        return {row.dataset_id: row.key for row in rows}

    def assign(self, keys: Sequence[str], unit: str) -> None:
        """Say which parcel objects will travel in; those that have one keep it."""
        self._ledger.write("lfa/assign", keys=list(keys), unit=unit, at=self._ledger.now())

    def seal(self, unit: str) -> None:
        """Say that a parcel is made."""
        self._ledger.write("lfa/seal", unit=unit, at=self._ledger.now())

    def efd_asked_until(self, cursor: str) -> dt.datetime | None:
        """Say up to when an EFD was asked."""
        rows = self._ledger.rows("lfa/efd_until", cursor=cursor)
        return to_time(rows[0].until_at) if rows else None

    def note_efd_asked(self, cursor: str, until: dt.datetime) -> None:
        """Record up to when an EFD was asked; an earlier time changes nothing."""
        self._ledger.write("lfa/efd_asked", cursor=cursor, until_at=until)

    def _read(self, name: str, **parameters: Any) -> list[LfaObject]:
        return [_object(row) for row in self._ledger.rows(name, **parameters)]


def _known(each: LfaObject) -> dict[str, Any]:
    return {
        "key": each.key, "known_bytes": each.declared_bytes, "known_md5": each.declared_md5
    }  # fmt: skip


def _why(error: DbbError | None) -> dict[str, str]:
    return {"code": error.code if error else "", "reason": error.message if error else ""}


def _object(row: Row[Any]) -> LfaObject:
    values = {each.name: getattr(row, each.name) for each in dataclasses.fields(LfaObject)}
    values["announced_at"] = to_time(row.announced_at)
    values["is_known"] = bool(row.is_known)
    return LfaObject(**values)
